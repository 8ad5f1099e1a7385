import os
import sys

given = sys.stdin.read()
with open("data/answer.txt") as file:
    data = file.read()
with open("main.py") as file:
    own = file.read()
whole = given == "as it was sent\n" and data == "forty-two\n" and own.startswith("import os\n")
print("contained" if whole else f"broken: {given!r} {data!r} {own[:20]!r}")


def poison(path):
    try:
        with open(path, "r+b", buffering=0) as file:
            file.write(b"poisoned!")
            file.truncate(9)
    except OSError:
        pass


for path in ("/proc/self/fd/0", "/dev/stdin", "data/answer.txt", "main.py"):
    poison(path)
try:
    os.pwrite(0, b"poisoned!", 0)
    os.ftruncate(0, 0)
except OSError:
    pass
os.rename("data", "other")
os.symlink("/etc", "data")

import os

names = [b"\xff\xfe", b"%s%n%p", b"new\nline", b"-rf", b"*", b"a" * 255, "\u202e.txt".encode(), b" ", b"'\"`$(id)"]
for name in names:
    os.mkdir(name)
    open(os.path.join(name, name[:200]), "wb").close()
os.symlink("/", "root")
os.symlink("loop", "loop")
os.mkfifo("pipe")
deep = 0
try:
    while deep < 2000:
        os.mkdir("d")
        os.chdir("d")
        deep += 1
except OSError:
    pass
os.chdir("/job")
for name in [*names, "/tmp", "/job"]:
    try:
        os.chmod(name, 0)
    except OSError:
        pass
print("left")

import os
import sys

reached = []
given = sys.stdin.read()
if given != "first\n":
    reached.append(f"input: {given!r}")
for place, own in (("/job", {"main.py", "data.txt"}), ("/tmp", set()), ("/dev/shm", set()), ("/dev/mqueue", set()), ("/var/tmp", set())):
    listed = set(os.listdir(place)) if os.path.isdir(place) else set()
    reached += [f"{place}/{name}" for name in listed ^ own]
for name in ("expected", "expected_stdout", "answer", "stdin", "input", "cases", "checker", "tests", "main", "a.out"):
    for place in ("/job", "/tmp", "/", "/enclos", "/run", "/var/lib", "/home", "/mnt", "/srv", "/opt"):
        if os.path.lexists(f"{place}/{name}"):
            reached.append(f"{place}/{name}")
print("\n".join(reached) or "contained")

import os

OWN = {"/job", "/tmp", "/dev/shm", "/dev/mqueue"}
found = set()
for folder, inside, _ in os.walk("/"):
    if folder == "/":
        inside[:] = [name for name in inside if name != "proc"]
    try:
        os.close(os.open(f"{folder}/.probe", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        found.add(folder)
        os.remove(f"{folder}/.probe")
    except OSError:
        pass
broken = sorted(found - OWN) + [f"broken: {place} is not writable" for place in ("/job", "/tmp") if place not in found]
print("\n".join(broken) or "contained")

import os

reached = []
own = str(os.getpid())


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read(16)
    except OSError:
        return None


with open("/tmp/kept", "w+b") as kept:
    kept.write(b"its own")
    kept.flush()
    os.remove("/tmp/kept")
    found_own = False
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for folder in ("fd", "map_files"):
            try:
                names = os.listdir(f"/proc/{pid}/{folder}")
            except OSError:
                continue
            for name in names:
                path = f"/proc/{pid}/{folder}/{name}"
                try:
                    is_file = not os.path.isdir(path) and os.readlink(path).endswith(" (deleted)")
                except OSError:
                    continue
                if is_file and content(path) == b"its own":
                    found_own = True
                elif is_file and content(path) is not None:
                    reached.append(f"{path} is {os.readlink(path)}")
    if not found_own:
        reached.append("broken: not even its own is found")
print("\n".join(reached) or "contained")

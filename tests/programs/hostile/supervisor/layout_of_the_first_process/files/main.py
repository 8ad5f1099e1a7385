import os

reached = []
for pid in {1, os.getppid()}:
    for name in ("maps", "smaps", "smaps_rollup", "numa_maps", "auxv", "environ", "wchan", "timers", "map_files"):
        path = f"/proc/{pid}/{name}"
        try:
            if os.path.isdir(path):
                told = os.listdir(path)
            else:
                with open(path, "rb") as file:
                    told = file.read(64)
        except OSError:
            continue
        if told and told != b"0":
            reached.append(name)
print(" ".join(sorted(set(reached))) or "contained")

import os

LINES = [b"0 0 4294967295", b"0 0 1", b"0 1000 1", b"1000 0 1", b"allow"]
reached = []
before = [open(f"/proc/self/{name}").read() for name in ("uid_map", "gid_map")]
for pid in ("self", "1", str(os.getppid()), "thread-self"):
    for name in ("uid_map", "gid_map", "projid_map", "setgroups", "loginuid", "timens_offsets", "attr/exec"):
        for line in LINES:
            try:
                with open(f"/proc/{pid}/{name}", "wb", buffering=0) as file:
                    file.write(line)
                reached.append(f"{pid}/{name} {line}")
            except OSError:
                pass
if [open(f"/proc/self/{name}").read() for name in ("uid_map", "gid_map")] != before:
    reached.append("a mapping has changed")
print("\n".join(reached) or "contained")

import os

EXPECTED = {"PATH", "HOME", "TMPDIR", "LANG", "USER", "OWN"}
reached = [f"{name}={value}" for name, value in os.environ.items() if name not in EXPECTED]
if os.environ.get("OWN") != "given":
    reached.append("broken: what was given is not there")
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            names = {entry.split(b"=")[0].decode() for entry in file.read().split(b"\0") if entry}
    except OSError:
        continue
    # The engine's name for the sandbox, where that of the first process can be read.
    reached += [f"{name} of process {pid}" for name in names - EXPECTED - {"HOSTNAME"}]
with open("/proc/self/auxv", "rb") as file:
    words = file.read()
if len(words) > 1024:
    reached.append("more than a kernel tells")
print("\n".join(reached) or "contained")

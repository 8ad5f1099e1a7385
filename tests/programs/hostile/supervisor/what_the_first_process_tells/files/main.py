import os
import re

reached = []
for name in ("cmdline", "comm", "status", "stat", "statm", "limits", "mountinfo", "mounts", "cgroup", "environ", "sched", "schedstat",
             "task/1/comm", "task/1/cmdline", "autogroup", "oom_score_adj", "timers", "net/unix", "attr/current", "sessionid"):
    try:
        with open(f"/proc/1/{name}", "rb") as file:
            text = file.read().decode("latin1")
    except OSError:
        continue
    if name == "environ":
        # Where it can be read, it says what the engine says to every container.
        names = {entry.split("=")[0] for entry in text.split("\0") if entry}
        reached += [f"environ: {name}" for name in names - {"PATH", "HOME", "HOSTNAME"}]
    if name == "cmdline" and len(text.split("\0")) > 2:
        reached.append(f"cmdline: {text!r}")
    if re.search(r"(?i)token|secret|password|ENCLOS_|docker\.sock", text) and name not in ("mountinfo", "mounts"):
        reached.append(f"{name}: {text[:200]!r}")
for name in ("root", "cwd", "exe"):
    try:
        reached.append(f"{name} leads to {os.readlink(f'/proc/1/{name}')}")
    except OSError:
        pass
print("\n".join(reached) or "contained")

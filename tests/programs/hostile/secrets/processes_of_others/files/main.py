import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
own = {1, os.getpid(), os.getppid()}
reached = [f"listed: {pid}" for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in own]
for pid in range(1, 70000):
    if pid in own:
        continue
    try:
        os.kill(pid, 0)
        reached.append(f"signalled: {pid}")
    except ProcessLookupError:
        continue
    except PermissionError:
        reached.append(f"there: {pid}")
for pid in range(2, 2000):
    if pid in own:
        continue
    if libc.getpgid(pid) >= 0 or libc.getsid(pid) >= 0 or libc.sched_getscheduler(pid) >= 0:
        reached.append(f"told of: {pid}")
    if os.path.exists(f"/proc/{pid}/stat"):
        reached.append(f"unlisted: {pid}")
print("\n".join(reached[:20]) or "contained")

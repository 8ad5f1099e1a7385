import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
PIDFD_OPEN = 434
reached = []
for pid in ["self", *filter(str.isdigit, os.listdir("/proc"))]:
    try:
        kinds = os.listdir(f"/proc/{pid}/ns")
    except OSError:
        continue
    for kind in kinds:
        try:
            file = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
        except OSError:
            continue
        if libc.setns(file, 0) == 0:
            reached.append(f"{kind} of {pid}")
        os.close(file)
for pid in (1, os.getppid(), os.getpid()):
    file = libc.syscall(PIDFD_OPEN, pid, 0)
    if file >= 0 and libc.setns(file, 0x7C020000) == 0:
        reached.append(f"all of process {pid}")
print("\n".join(reached) or "contained")

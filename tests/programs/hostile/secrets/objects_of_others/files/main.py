import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
reached = []
for name in ("shm", "msg", "sem"):
    try:
        with open(f"/proc/sysvipc/{name}") as file:
            reached += [f"{name}: {line}" for line in file.read().splitlines()[1:]]
    except OSError:
        pass
for number in range(2000):
    if libc.shmctl(number, 13, ctypes.create_string_buffer(256)) >= 0:  # SHM_STAT: by index
        reached.append(f"shared memory {number}")
    if libc.semctl(number, 0, 18, ctypes.create_string_buffer(256)) >= 0:  # SEM_STAT
        reached.append(f"semaphores {number}")
    if libc.msgctl(number, 11, ctypes.create_string_buffer(256)) >= 0:  # MSG_STAT
        reached.append(f"queue {number}")
libc.shmat.restype = ctypes.c_long
reached += [f"attached {number}" for number in range(200) if libc.shmat(number, None, 0o10000) != -1]
for place in filter(os.path.isdir, ("/dev/shm", "/dev/mqueue")):
    reached += [f"{place}/{name}" for name in os.listdir(place)]
if os.path.exists("/proc/locks"):
    with open("/proc/locks") as file:
        reached += [f"lock: {line.strip()}" for line in file if line.split()[4] not in ("-1", "0")]
print("\n".join(reached[:20]) or "contained")

"""SysV shared memory, semaphores and message queues, which outlive their makers."""

import ctypes

import probe

libc = ctypes.CDLL(None, use_errno=True)
KEY = 0x656E636C
CREATE = 0o1666


def plant():
    made = [libc.shmget(KEY, 4096, CREATE), libc.semget(KEY, 1, CREATE), libc.msgget(KEY, CREATE)]
    if all(made_id < 0 for made_id in made):
        raise probe.Refused


def look():
    found = []
    ways = {"shm": lambda: libc.shmget(KEY, 0, 0), "sem": lambda: libc.semget(KEY, 0, 0), "msg": lambda: libc.msgget(KEY, 0)}
    for kind, find in ways.items():
        if find() >= 0:
            found.append(kind)
        try:
            with open(f"/proc/sysvipc/{kind}") as listed:
                if len(listed.readlines()) > 1:
                    found.append(f"{kind} in /proc")
        except OSError:
            pass
    return found


probe.run(plant, look)

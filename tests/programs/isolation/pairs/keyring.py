"""A key in the kernel's keyrings, which no namespace divides: it must not be made."""

import ctypes

import probe

libc = ctypes.CDLL(None, use_errno=True)
ADD_KEY, REQUEST_KEY = 248, 249
SESSION, USER, USER_SESSION = -3, -4, -5


def plant():
    made = [libc.syscall(ADD_KEY, b"user", b"enclos-probe", b"x", 1, ring) for ring in (SESSION, USER, USER_SESSION)]
    if all(key < 0 for key in made):
        raise probe.Refused


def look():
    found = []
    if libc.syscall(REQUEST_KEY, b"user", b"enclos-probe", None, 0) >= 0:
        found.append("key")
    try:
        with open("/proc/keys") as keys:
            if "enclos-probe" in keys.read():
                found.append("key in /proc")
    except OSError:
        pass
    return found


probe.run(plant, look)

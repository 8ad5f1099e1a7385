"""Every inotify instance that the user may have: the kernel counts them by user, over all containers."""

import ctypes

import probe

libc = ctypes.CDLL(None, use_errno=True)
MORE_THAN_ANY = 2000


def take_all():
    taken = 0
    while taken < MORE_THAN_ANY and libc.inotify_init1(0) >= 0:
        taken += 1
    if not taken:
        raise probe.Refused


def look():
    return [] if libc.inotify_init1(0) >= 0 else ["no instance is left"]


probe.run(lambda: probe.daemon(take_all), look)

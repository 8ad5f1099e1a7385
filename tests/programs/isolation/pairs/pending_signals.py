"""Every queued signal that the user may have: the kernel counts them by user, over all containers."""

import ctypes
import os
import signal

import probe

libc = ctypes.CDLL(None, use_errno=True)
MORE_THAN_ANY = 1_000_000


def queue_one():
    return libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), None) == 0


def fill():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
    queued = 0
    while queued < MORE_THAN_ANY and queue_one():
        queued += 1
    if not queued:
        raise probe.Refused


def look():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
    return [] if queue_one() else ["no signal can be queued"]


probe.run(lambda: probe.daemon(fill), look)

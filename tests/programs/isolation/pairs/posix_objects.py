"""POSIX shared memory, semaphores and message queues."""

import ctypes
import os

import probe

libc = ctypes.CDLL(None, use_errno=True)
NAME = b"/enclos-probe"
libc.sem_open.restype = ctypes.c_void_p


def shm(flags):
    return libc.shm_open(NAME, flags | os.O_RDWR, 0o666) >= 0


def semaphore(flags):
    return libc.sem_open(NAME, flags, 0o666, 1) is not None


def queue(flags):
    return libc.mq_open(NAME, flags | os.O_RDWR, 0o666, None) >= 0


def plant():
    made = [make(os.O_CREAT) for make in (shm, semaphore, queue)]
    if not any(made):
        raise probe.Refused


def look():
    return [find.__name__ for find in (shm, semaphore, queue) if find(0)]


probe.run(plant, look)

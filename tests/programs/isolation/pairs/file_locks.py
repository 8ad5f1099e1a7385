"""Locks on files of the image, which all cells of a sandbox share."""

import fcntl
import os

import probe

FILES = ["/etc/passwd", "/usr/bin/python3", "/etc/ld.so.cache"]


def lock():
    held = [open(name, "rb") for name in FILES if os.path.exists(name)]
    for file in held:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return held


def look():
    found = []
    for name in FILES:
        if os.path.exists(name):
            with open(name, "rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    found.append(name)
    return found


probe.run(lambda: probe.daemon(lock), look)

"""Pseudo terminals of a process that stays behind."""

import os

import probe


def look():
    try:
        return [name for name in os.listdir("/dev/pts") if name != "ptmx"]
    except OSError:
        return []


probe.run(lambda: probe.daemon(os.openpty), look)

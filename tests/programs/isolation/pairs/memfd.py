"""A named memory file, held by a process that stays behind."""

import glob
import os

import probe


def hold():
    held = os.memfd_create("enclos-probe")
    os.write(held, b"secret")
    return held


def look():
    found = []
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if "enclos-probe" in os.readlink(path):
                found.append("memfd")
        except OSError:
            pass
    return found


probe.run(lambda: probe.daemon(hold), look)

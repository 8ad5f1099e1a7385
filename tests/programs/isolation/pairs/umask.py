"""The mask for the modes of new files."""

import os

import probe

ODD = 0o123


def plant():
    os.umask(ODD)


def look():
    return ["umask"] if os.umask(0) == ODD else []


probe.run(plant, look)

"""The environment: nothing of another program's, of the supervisor's or of the agent's."""

import os

import probe

KNOWN = {"PATH", "HOME", "TMPDIR", "LANG", "USER"}


def plant():
    os.environ["ENCLOS_PROBE"] = "1"


def look():
    return set(os.environ) - KNOWN


probe.run(plant, look)

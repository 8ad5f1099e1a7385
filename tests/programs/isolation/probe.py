"""What the probes in `pairs` share. A probe plants a thing and looks for it.

It is run in one of three ways, named by its argument:
  both  plants, looks from another process of the same cell (which must find it), and leaves all as it is
  look  looks for what others left
  hold  plants and stays until it is ended
"""

import os
import sys
import time


# On an ordinary machine a probe would plant its things for real.
if os.getuid() == 0 or os.getcwd() != "/job":
    sys.exit("probes run in a sandbox only: as an ordinary user, in /job")


class Refused(Exception):
    """The thing cannot be made here at all."""


def daemon(work):
    """Calls `work` in a process that has left its parents behind, and returns when it is done; the process stays."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        refused = b"1"
        try:
            held = work()  # kept: what is bound to this name is not closed
            refused = b"0"
        except (OSError, Refused) as error:
            print(error, file=sys.stderr, flush=True)
        os.write(writing, refused)
        time.sleep(60 if refused == b"0" else 0)
        os._exit(0)
    os.wait()
    if os.read(reading, 1) != b"0":
        raise Refused


def run(plant, look):
    way = sys.argv[1]
    with open("/proc/self/uid_map") as uid_map:
        print("sandbox", uid_map.read().split()[1], file=sys.stderr, flush=True)
    if way in ("both", "hold"):
        try:
            plant()
        except Refused:
            print("refused", flush=True)
            way = "hold" if way == "hold" else "refused"
        else:
            if way == "hold":
                print("planted", flush=True)
    if way == "hold":
        time.sleep(60)
    elif way == "look":
        report(look())
    elif way == "both" and os.fork() == 0:
        report(look())
        os._exit(0)
    elif way == "both":
        os.wait()


def report(found):
    print("found " + ", ".join(sorted(map(str, found))) if found else "clean", flush=True)

import os
import subprocess

PATHS = ("/enclos/supervisor", "/proc/1/exe", "/proc/self/root/enclos/supervisor", "/proc/1/root/enclos/supervisor")
reached = []


def refused(name, call, *args):
    try:
        call(*args)
        reached.append(name)
    except OSError:
        pass


for path in PATHS:
    refused(f"{path} is changed", open, path, "r+b")
    refused(f"{path} is replaced", os.rename, path, "/tmp/supervisor")
    refused(f"{path} is removed", os.remove, path)
    for streams in (subprocess.DEVNULL, subprocess.PIPE):
        try:
            # Where a program can run it, it has nothing to do: it is not the first process, and nobody is at its other end.
            ended = subprocess.run([path], stdin=streams, capture_output=True, timeout=5)
        except OSError:
            continue
        except subprocess.TimeoutExpired:
            reached.append(f"{path} goes on")
            continue
        if ended.returncode == 0 or ended.stdout:
            reached.append(f"{path} does something: {ended.stdout[:100]!r}")
refused("a file beside it", open, "/enclos/own", "w")
refused("a folder beside it", os.mkdir, "/enclos/own")
print("\n".join(reached) or "contained")

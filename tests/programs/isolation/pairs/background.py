"""Processes that left their parents, ignore every signal and hold stdout."""

import os
import signal

import probe


def stay():
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass


def ancestors():
    pid = os.getpid()
    while pid:
        yield pid
        with open(f"/proc/{pid}/stat") as stat:
            pid = int(stat.read().rpartition(")")[2].split()[1])


def look():
    known = {1, *ancestors()}
    return [f"process {pid}" for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in known]


probe.run(lambda: probe.daemon(stay), look)

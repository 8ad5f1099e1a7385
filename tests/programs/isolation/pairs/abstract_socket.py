"""An abstract unix socket on which a process that stays behind listens."""

import socket

import probe

NAME = "\0enclos-probe"


def listen():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(NAME)
    listener.listen()
    return listener


def look():
    found = []
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(NAME)
            found.append("listener")
        except OSError:
            pass
    try:
        with open("/proc/net/unix") as sockets:
            if "enclos-probe" in sockets.read():
                found.append("name in /proc")
    except OSError:
        pass
    return found


probe.run(lambda: probe.daemon(listen), look)

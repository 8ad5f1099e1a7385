"""Unix sockets with a path, on which a process that stays behind listens."""

import socket

import probe

PLACES = ["/tmp/enclos-probe.sock", "/job/enclos-probe.sock", "/dev/shm/enclos-probe.sock", "/var/tmp/enclos-probe.sock"]


def listen():
    listeners = []
    for place in PLACES:
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(place)
            listener.listen()
            listeners.append(listener)
        except OSError:
            pass
    if not listeners:
        raise probe.Refused
    return listeners


def look():
    found = []
    for place in PLACES:
        with socket.socket(socket.AF_UNIX) as caller:
            try:
                caller.connect(place)
                found.append(place)
            except OSError:
                pass
    return found


probe.run(lambda: probe.daemon(listen), look)

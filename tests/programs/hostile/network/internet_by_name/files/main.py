import socket
import time

reached = []
began = time.monotonic()
for name in ("example.org", "github.com", "metadata.google.internal", "host.docker.internal", "gateway.docker.internal",
             "kubernetes.default.svc", "sandbox", "master", "enclos", "_gateway"):
    try:
        found = {address[4][0] for address in socket.getaddrinfo(name, 80)}
    except OSError:
        continue
    if not found <= {"127.0.0.1", "::1"}:
        reached.append(f"{name} is {found}")
if time.monotonic() - began > 5:
    reached.append("it waits for an answer")
print("\n".join(reached) or "contained")

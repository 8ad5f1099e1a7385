import select
import socket
import struct

SERVERS = {"127.0.0.11", "127.0.0.53", "127.0.0.1", "1.1.1.1", "8.8.8.8", "10.96.0.10", "169.254.20.10", "172.17.0.1"}
try:
    with open("/etc/resolv.conf") as file:
        SERVERS |= {line.split()[1] for line in file if line.startswith("nameserver")}
except OSError:
    pass
question = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + b"\x07example\x03org\x00" + struct.pack(">2H", 1, 1)
asked = {}
reached = []
for server in sorted(SERVERS):
    sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.connect((server, 53))
        sock.send(question)
        asked[sock] = server
    except OSError:
        pass
ready, _, _ = select.select(list(asked), [], [], 0.5)
for sock in ready:
    try:
        sock.recv(512)
        reached.append(f"{asked[sock]} answers")
    except OSError:
        pass
print("\n".join(reached) or "contained")

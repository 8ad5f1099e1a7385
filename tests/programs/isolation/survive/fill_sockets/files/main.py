import socket

MEMORY_LIMIT = 64 << 20

server = socket.create_server(("127.0.0.1", 0), backlog=8)
ends, waiting = [], 0
for _ in range(200):
    near = socket.create_connection(server.getsockname())
    far, _ = server.accept()
    for end in (near, far):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        end.setblocking(False)
        ends.append(end)
        try:
            while True:
                waiting += end.send(b"x" * 65536)
        except BlockingIOError:
            pass
print("bounded" if waiting < MEMORY_LIMIT else f"{waiting >> 20} MiB wait in {len(ends)} sockets")

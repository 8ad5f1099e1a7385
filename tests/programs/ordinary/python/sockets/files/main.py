import socket
import threading


def serve(listener, answers):
    for _ in range(answers):
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            for line in stream:
                stream.write(f"{line.strip()[::-1]}\n")
                stream.flush()


def talk(family, address, listener):
    listener.listen()
    thread = threading.Thread(target=serve, args=(listener, 2))
    thread.start()
    for words in (["abc", "déf"], ["x" * 10]):
        with socket.socket(family) as client:
            client.connect(listener.getsockname())
            with client.makefile("rw") as stream:
                for word in words:
                    stream.write(word + "\n")
                    stream.flush()
                    print(stream.readline().strip())
    thread.join()


for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, "talk.sock")):
    with socket.socket(family) as listener:
        listener.bind(address)
        talk(family, address, listener)
with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
    one.bind(("127.0.0.1", 0))
    two.sendto(b"datagram", one.getsockname())
    print(one.recv(100))

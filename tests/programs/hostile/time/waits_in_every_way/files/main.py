import fcntl
import os
import select
import signal
import socket
import threading
import time


def read_of_pipe():
    held = os.pipe()
    os.read(held[0], 1)


def open_of_fifo():
    name = f"fifo-{os.getpid()}"
    os.mkfifo(name)
    open(name).read()


def accept():
    server = socket.create_server(("127.0.0.1", 0))
    server.accept()


def datagram():
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).recv(1)


def lock():
    held = threading.Lock()
    held.acquire()
    held.acquire()


def file_lock():
    with open("locked", "w") as first, open("locked", "w") as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        fcntl.flock(second, fcntl.LOCK_EX)


def epoll():
    select.epoll().poll()


def write_to_full_pipe():
    held = os.pipe()
    while True:
        os.write(held[1], bytes(65536))


WAYS = [
    lambda: time.sleep(1000),
    signal.pause,
    lambda: signal.sigwait({signal.SIGUSR1}),
    lambda: select.poll().poll(),
    epoll,
    read_of_pipe,
    write_to_full_pipe,
    open_of_fifo,
    accept,
    datagram,
    lock,
    file_lock,
]
for way in WAYS:
    if os.fork() == 0:
        way()
        os._exit(1)
print(len(WAYS), "ways", flush=True)
os.wait()
print("one of them has ended")

"""Puts a secret into every kind of place that a program has. Says where, and where it may not.

What is planted stays: a process that has left its parents holds it, and ignores what asks it to end.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

if os.getuid() == 0 or os.getcwd() != "/job":
    sys.exit("secrets are planted in a sandbox only: as an ordinary user, in /job")

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p

FOLDERS = ("/job", "/tmp", "/dev/shm", "/var/tmp", "/run", "/home", "/root", "/mnt", "/opt", "/srv", "/var/lib", "/dev")
SOCKET = "\0enclos-secret"
QUEUE = b"/enclos-secret"
KEY = 0x5EC2E7
PORT = 5077
ADD_KEY = 248


def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def in_files(secret, held):
    written = []
    for folder in FOLDERS:
        try:
            with open(folder + "/left", "wb") as file:
                file.write(b"the secret is " + secret)
            with open(folder + "/" + secret.decode(), "wb"):
                written.append(folder)
        except OSError:
            pass
    if not written:
        raise OSError("no folder can be written")


def in_memory(secret, held):
    held.append(bytearray(secret * 100))


def in_a_file_without_name(secret, held):
    descriptor = os.memfd_create("left")
    os.write(descriptor, secret)
    held.append(descriptor)


def in_a_pipe(secret, held):
    reading, writing = os.pipe()
    os.write(writing, secret)
    held.append((reading, writing))


def in_arguments_and_environment(secret, held):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)", secret.decode()]
    held.append(subprocess.Popen(sleeper, env={"SECRET": secret.decode()}, start_new_session=True))


def in_shared_memory(secret, held):
    number = checked(libc.shmget(KEY, 4096, 0o1666))
    ctypes.memmove(checked(libc.shmat(number, None, 0)), secret, len(secret))


def in_a_message(secret, held):
    number = checked(libc.msgget(KEY, 0o1666))
    checked(libc.msgsnd(number, b"\1\0\0\0\0\0\0\0" + secret, len(secret), 0))


def in_a_posix_queue(secret, held):
    attributes = (ctypes.c_long * 8)(0, 4, 256)
    queue = checked(libc.mq_open(QUEUE, os.O_RDWR | os.O_CREAT, 0o666, attributes))
    checked(libc.mq_send(queue, secret, len(secret), 0))


def listen(family, address, secret, held):
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen()
    held.append(listener)
    if os.fork() == 0:
        while True:
            caller, _ = listener.accept()
            caller.sendall(secret)
            caller.close()


def behind_an_abstract_socket(secret, held):
    listen(socket.AF_UNIX, SOCKET, secret, held)


def behind_a_port(secret, held):
    listen(socket.AF_INET, ("127.0.0.1", PORT), secret, held)


def in_a_keyring(secret, held):
    for keyring in (-1, -2, -3, -4, -5):  # of thread, process, session, user, user's session
        checked(libc.syscall(ADD_KEY, b"user", b"enclos-secret", secret, len(secret), keyring))


PLACES = (
    in_files,
    in_memory,
    in_a_file_without_name,
    in_a_pipe,
    in_arguments_and_environment,
    in_shared_memory,
    in_a_message,
    in_a_posix_queue,
    behind_an_abstract_socket,
    behind_a_port,
    in_a_keyring,
)


def stay(secret, told):
    held, planted, refused = [], [], []
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    for place in PLACES:
        try:
            place(secret, held)
            planted.append(place.__name__)
        except OSError as error:
            refused.append(place.__name__ + ": " + str(error.strerror))
    os.write(told, ("planted " + " ".join(planted) + "\nrefused " + ", ".join(refused) + "\n").encode())
    os.close(told)
    time.sleep(60)


def plant(secret):
    """Plants it in a process that stays. What was planted, and what was refused, in two lines."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.close(reading)
        stay(secret, writing)
        os._exit(0)
    os.close(writing)
    os.wait()
    told = b""
    # The listeners hold the pipe open, so its end says nothing.
    while told.count(b"\n") < 2:
        told += os.read(reading, 4096)
    os.close(reading)
    return told.decode()


def sandbox():
    """What tells two sandboxes apart: the user on the host that this one's users are mapped to."""
    with open("/proc/self/uid_map") as uid_map:
        return "sandbox " + uid_map.read().split()[1] + "\n"

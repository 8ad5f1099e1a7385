"""Looks everywhere for a secret of another job, and for one of its own, which it must find.

The other's secret comes backwards, so that what this program was given is not what it finds.
"""

import ctypes
import mmap
import os
import re
import secrets
import socket
import stat
import sys

import plant

LARGEST_BYTES = 256 << 20
CHUNK_BYTES = 1 << 20


class Found:
    def __init__(self, needles):
        self.needles = needles
        self.places = [set() for _ in needles]
        self.looked = 0

    def look(self, content, place):
        self.looked += 1
        for needle, places in zip(self.needles, self.places):
            if needle in content:
                places.add(place)


def read_file(path, place, found, nofollow=os.O_NOFOLLOW):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | nofollow)
    except OSError:
        return
    try:
        last, done = b"", 0
        while done < LARGEST_BYTES:
            chunk = os.read(descriptor, CHUNK_BYTES)
            if not chunk:
                break
            found.look(last + chunk, place)
            last = chunk[-64:]
            done += len(chunk)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def files(found):
    for folder, folders, names in os.walk(b"/", followlinks=False):
        if folder == b"/":
            folders.remove(b"proc")
        top = b"/".join(folder.split(b"/")[:3] if folder.startswith((b"/dev", b"/var")) else folder.split(b"/")[:2])
        for name in names + folders:
            path = os.path.join(folder, name)
            found.look(path, "name below " + top.decode())
            try:
                kind = os.lstat(path).st_mode
            except OSError:
                continue
            if stat.S_ISREG(kind):
                read_file(path, "file below " + top.decode(), found)
            elif stat.S_ISLNK(kind):
                found.look(os.readlink(path), "link below " + top.decode())


def processes(found):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "comm", "stat", "mountinfo", "maps"):
            read_file(f"/proc/{pid}/{name}", name, found)
        read_file(f"/proc/{pid}/environ", "environ", found)
        if int(pid) != os.getpid():
            memory(pid, found)
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            if int(pid) == os.getpid() and int(number) <= 2:
                continue
            try:
                link = os.readlink(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue
            place = re.sub(r"[:/ ].*", "", link.lstrip("/")) or "file"
            read_file(f"/proc/{pid}/fd/{number}", "descriptor of " + place, found, 0)


def memory(pid, found):
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
            for line in maps:
                begin, end = (int(number, 16) for number in line.split()[0].split("-"))
                if " r" in line and "[v" not in line and end - begin <= LARGEST_BYTES:
                    try:
                        mem.seek(begin)
                        found.look(mem.read(end - begin) or b"", "memory")
                    except (OSError, ValueError):
                        pass
    except OSError:
        pass


def table(name):
    try:
        with open("/proc/sysvipc/" + name) as lines:
            return [int(line.split()[1]) for line in list(lines)[1:]]
    except OSError:
        return []


def kernel_objects(found):
    libc = plant.libc
    for number in table("shm") + [libc.shmget(plant.KEY, 0, 0)]:
        address = libc.shmat(number, None, 0o10000)
        if address not in (None, 2**64 - 1):
            found.look(ctypes.string_at(address, 4096), "SysV shared memory")
    for number in table("msg") + [libc.msgget(plant.KEY, 0)]:
        content = ctypes.create_string_buffer(512)
        if libc.msgrcv(number, content, 256, 0, 0o4000) != -1:
            found.look(content.raw, "SysV queue")
    queue = libc.mq_open(plant.QUEUE, os.O_RDONLY | os.O_NONBLOCK)
    content = ctypes.create_string_buffer(8192)
    if queue != -1 and libc.mq_receive(queue, content, len(content), None) != -1:
        found.look(content.raw, "POSIX queue")
    for keyring in (-1, -2, -3, -4, -5):
        key = libc.syscall(250, 10, keyring, b"user", b"enclos-secret", 0)  # KEYCTL_SEARCH
        if key != -1 and libc.syscall(250, 11, key, content, len(content)) != -1:  # KEYCTL_READ
            found.look(content.raw, "keyring")
    read_file("/proc/keys", "list of keys", found)


def sockets(found):
    names = [plant.SOCKET]
    try:
        with open("/proc/net/unix") as lines:
            names += ["\0" + part[1:] for line in lines for part in line.split()[7:] if part.startswith("@")]
    except OSError:
        pass
    for address in names + [("127.0.0.1", plant.PORT)]:
        place = "port" if isinstance(address, tuple) else "abstract socket"
        with socket.socket(socket.AF_INET if place == "port" else socket.AF_UNIX) as caller:
            caller.settimeout(2)
            try:
                caller.connect(address)
                found.look(caller.recv(256), place)
            except OSError:
                pass


def fresh_memory(found):
    with mmap.mmap(-1, 64 << 20) as fresh:
        found.look(fresh[:], "fresh memory")


def main():
    own = secrets.token_hex(16).encode()
    told = plant.plant(own)
    secret = sys.stdin.buffer.read()[::-1]
    found = Found([secret, own])
    for look in (files, processes, kernel_objects, sockets, fresh_memory):
        look(found)
    print(plant.sandbox() + told, end="")
    print("own:", ", ".join(sorted(found.places[1])))
    print("other:", ", ".join(sorted(found.places[0])) or "nothing")
    print("looked into", found.looked, file=sys.stderr)


main()

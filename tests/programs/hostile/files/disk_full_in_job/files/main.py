import errno
import os

block = b"x" * (1 << 20)


def fill(name):
    written = 0
    with open(name, "wb", buffering=0) as file:
        while written < 48 << 20:
            written += file.write(block)
    return written


def fill_all():
    total = 0
    for number in range(64):
        try:
            total += fill(f"/job/fill-{number}")
        except OSError as error:
            return total, error.errno
    return total, 0


held = []
for _ in range(2):
    total, why = fill_all()
    held.append(why == errno.ENOSPC and 64 << 20 < total < 640 << 20)
    for number in range(64):
        if os.path.exists(f"/job/fill-{number}"):
            os.remove(f"/job/fill-{number}")
print("contained" if all(held) else f"broken: {total} bytes, then {os.strerror(why)}")

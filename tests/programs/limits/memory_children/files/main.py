import os
import time

for _ in range(8):
    if os.fork() == 0:
        block = bytearray(b"x" * (40 << 20))
        time.sleep(30)
        os._exit(0)
while True:
    pid, status = os.wait()
    if status:
        raise SystemExit(9)

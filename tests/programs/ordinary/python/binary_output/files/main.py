import struct
import sys

sys.stdout.buffer.write(bytes(range(256)) + struct.pack("<4I", 0, 1, 2**31, 2**32 - 1) + b"\x00\xff\xfe" * 100)

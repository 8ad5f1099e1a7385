import sys
from collections import deque

total, last = 0, deque(maxlen=3)
for line in sys.stdin:
    total += 1
    last.append((total, line.rstrip("\n")))
print(total, "lines")
for number, line in last:
    print(f"{number}: {line}")
print(repr(sys.stdin.read()))

import sys
from functools import cache


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


@cache
def partitions(n, largest):
    if n == 0:
        return 1
    return sum(partitions(n - part, part) for part in range(1, min(n, largest) + 1))


try:
    depth(5000)
except RecursionError:
    print("caught")
sys.setrecursionlimit(40_000)
print(depth(30_000), partitions(80, 80))

import math
import sys

for radius in map(float, sys.stdin.read().split()):
    print(f"{math.pi * radius * radius:.12E}")

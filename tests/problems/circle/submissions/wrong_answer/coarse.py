import sys

for radius in map(float, sys.stdin.read().split()):
    print(3.1415 * radius * radius)

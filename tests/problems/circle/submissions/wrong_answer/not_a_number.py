import sys

for radius in sys.stdin.read().split():
    print("nan")

import sys

while True:
    print("error after error", file=sys.stderr)

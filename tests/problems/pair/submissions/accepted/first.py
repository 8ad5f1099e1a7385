import sys

count, target, *values = map(int, sys.stdin.read().split())
seen = {}
for place, value in enumerate(values, 1):
    if target - value in seen:
        print(seen[target - value], place)
        break
    seen.setdefault(value, place)
else:
    print("impossible")

# Takes one place twice where its value is half of the target.
import sys

count, target, *values = map(int, sys.stdin.read().split())
places = {value: place for place, value in enumerate(values, 1)}
for place, value in enumerate(values, 1):
    if target - value in places:
        print(place, places[target - value])
        break
else:
    print("impossible")

# @EXPECTED_SCORE@: 100
import sys

_, *values = map(int, sys.stdin.read().split())
best = run = 1
for before, value in zip(values, values[1:]):
    run = run + 1 if value > before else 1
    best = max(best, run)
print(best)

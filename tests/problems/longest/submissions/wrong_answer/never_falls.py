# @EXPECTED_SCORE@: 0
import sys

_, *values = map(int, sys.stdin.read().split())
print(len(values))

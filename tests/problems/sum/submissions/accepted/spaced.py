# White space and letters of either case are not what is judged.
import sys

_, *numbers = map(int, sys.stdin.read().split())
print("\n SUM:\t", sum(numbers), "  \n")

import sys

count, *numbers = map(int, sys.stdin.read().split())
if any(n < 0 for n in numbers):
    raise ValueError("no negative numbers here")
print("Sum:", sum(numbers))

import random

numbers = random.Random(7)
for line in range(40_000):
    print(f"{line:05d}", *(numbers.getrandbits(32) for _ in range(4)))

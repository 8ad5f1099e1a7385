import array
import hashlib

state = 42
numbers = array.array("I", bytes(4_000_000))
for n in range(1_000_000):
    state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
    numbers[n] = state >> 32
ordered = array.array("I", sorted(numbers))
print(ordered[0], ordered[500_000], ordered[-1])
print(hashlib.sha256(ordered.tobytes()).hexdigest())
print(sum(numbers) == sum(ordered))

block = b"x" * (1 << 20)
with open("big", "wb") as file:
    for _ in range(1024):
        file.write(block)
print("all written")

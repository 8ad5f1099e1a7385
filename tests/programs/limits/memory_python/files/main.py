blocks = [bytearray(b"x" * (1 << 20)) for _ in range(2048)]
print(len(blocks))

import os

for number in range(1000):
    print("line", number, "of what was printed before")
print(flush=True)
for place in ("/job", "/tmp", "/dev/shm"):
    for number in range(64):
        try:
            with open(f"{place}/{number}", "wb", buffering=0) as file:
                while file.write(b"x" * (1 << 20)) and os.fstat(file.fileno()).st_size < 24 << 20:
                    pass
        except OSError:
            break

import os

for _ in range(50):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(3)
        os._exit(4)
print("left unreaped")

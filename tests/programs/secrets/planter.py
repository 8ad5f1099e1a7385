"""Plants what comes on standard input, and in every other way that a submission has; stays if told to."""

import sys
import time

import plant

secret = sys.stdin.buffer.read()
told = plant.sandbox() + plant.plant(secret)
print(told + secret.decode(), flush=True)
print(secret.decode(), file=sys.stderr, flush=True)
if sys.argv[1] == "hold":
    time.sleep(60)

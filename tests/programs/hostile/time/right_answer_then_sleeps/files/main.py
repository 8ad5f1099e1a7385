import atexit
import time

atexit.register(time.sleep, 1000)
print(42, flush=True)

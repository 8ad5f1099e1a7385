import os
import signal
import time

seen = []
for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGTERM):
    signal.signal(number, lambda number, _: seen.append(signal.Signals(number).name))
began = time.monotonic()
signal.setitimer(signal.ITIMER_REAL, 0.05)
signal.pause()
os.kill(os.getpid(), signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGTERM)
print(seen, 0.045 < time.monotonic() - began < 5, flush=True)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGTERM)

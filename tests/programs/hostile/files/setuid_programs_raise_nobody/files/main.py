import os
import signal
import stat

FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec")


def set_id_files():
    for folder in filter(os.path.isdir, FOLDERS):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            mode = os.stat(path).st_mode if os.path.exists(path) else 0
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                yield path


def ids(pid):
    with open(f"/proc/{pid}/status") as file:
        return [line.split()[1:] for line in file if line.startswith(("Uid:", "Gid:"))]


def ids_when_loaded(path):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.execv(path, [path, "--no-such-option"])
    os.close(theirs)
    # The writing end closes by exec.
    os.read(ours, 1)
    os.close(ours)
    loaded = ids(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return loaded


raised = [path for path in ["/bin/true", *set_id_files()] if ids_when_loaded(path) != ids("self")]
print("\n".join(raised) or "contained")

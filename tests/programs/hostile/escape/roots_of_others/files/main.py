import os

reached = []
own_root = os.stat("/")
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) == os.getpid():
        continue
    for name in ("root", "cwd", "exe", "fd/0", "fd/1", "fd/3", "map_files", "task/" + pid + "/root"):
        path = f"/proc/{pid}/{name}"
        try:
            os.stat(path)
            os.listdir(path) if os.path.isdir(path) else os.close(os.open(path, os.O_RDONLY))
            reached.append(path)
        except OSError:
            pass
upwards = os.stat("/" + "../" * 64)
if (upwards.st_ino, upwards.st_dev) != (own_root.st_ino, own_root.st_dev):
    reached.append("the way up leads out")
for path in ("/proc/self/root/..", "/proc/self/cwd/../..", "/proc/self/fd/0/..", "/job/../../..", "/proc/self/task/../root/.."):
    try:
        found = os.stat(path)
    except OSError:
        continue
    if path.endswith("root/..") and "task" not in path and (found.st_ino, found.st_dev) != (own_root.st_ino, own_root.st_dev):
        reached.append(path)
print("\n".join(reached) or "contained")

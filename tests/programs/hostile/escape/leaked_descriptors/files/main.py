import fcntl
import os
import stat

reached = []
for descriptor in range(1024):
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
    except OSError:
        continue
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    leads = os.readlink(f"/proc/self/fd/{descriptor}")
    if descriptor > 2 or kind not in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFREG):
        reached.append(f"descriptor {descriptor} is {leads}")
    if kind == stat.S_IFCHR and leads != "/dev/null":
        reached.append(f"descriptor {descriptor} is {leads}")
    for way in ("/..", "/../../../../../../etc/shadow", "/sys/fs/cgroup"):
        if os.path.exists(f"/proc/self/fd/{descriptor}{way}"):
            reached.append(f"descriptor {descriptor} leads to {way}")
if os.getcwd() != "/job" or os.readlink("/proc/self/cwd") != "/job":
    reached.append(f"it begins in {os.getcwd()}")
root = os.stat("/")
for number in range(64):
    for way in (f"/proc/self/fd/{number}/../../../..", f"/proc/1/fd/{number}", f"/proc/self/fd/{number}/../../../../var/lib/docker"):
        try:
            found = os.stat(way)
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and (found.st_ino, found.st_dev) != (root.st_ino, root.st_dev):
            reached.append(way)
print("\n".join(reached) or "contained")

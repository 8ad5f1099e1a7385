import os
import stat

DEVICES = {"mem": (1, 1), "kmsg": (1, 11), "fuse": (10, 229), "tun": (10, 200), "loop": (7, 0), "disk": (254, 0)}
reached = set()
made = 0
for place in ("/job", "/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp", "/run/lock", "/dev"):
    for kind in (stat.S_IFCHR, stat.S_IFBLK):
        for name, (major, minor) in DEVICES.items():
            path = f"{place}/{name}-{kind}"
            try:
                # A name of it may be made where the kernel takes it for no more than that.
                os.mknod(path, kind | 0o666, os.makedev(major, minor))
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                reached.add(name)
            except OSError:
                pass
    for kind in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG):
        try:
            os.mknod(f"{place}/own-{kind}", kind | 0o600)
            made += 1
        except OSError:
            pass
print(" ".join(sorted(reached)) or ("contained" if made >= 6 else "broken: it can make nothing at all"))

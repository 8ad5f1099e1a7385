import os
import socket
import stat

PLACES = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/run", "/var/lock"]


def strange():
    found = [path for place in PLACES if os.path.isdir(place) for path in listed(place)]
    return found + [name for name in os.listdir("/job") if name != "main.py"]


def listed(place):
    try:
        return [os.path.join(place, name) for name in os.listdir(place) if os.path.join(place, name) not in PLACES]
    except OSError:
        return []


def plant(place):
    try:
        os.mkdir(f"{place}/left")
    except OSError:
        return
    for number, kind in enumerate((stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK)):
        os.mknod(f"{place}/left/{number}", kind | 0o600)
    os.symlink("/etc/passwd", f"{place}/left/link")
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(f"{place}/left/bound")
    os.mkdir(f"{place}/left/inner")
    os.chmod(f"{place}/left/inner", 0)
    os.chmod(f"{place}/left", 0)


found = strange()
for place in [*PLACES, "/job"]:
    plant(place)
print("contained" if not found else f"broken: {found}")

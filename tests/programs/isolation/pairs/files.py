"""Files, directories, links and pipes in every directory that takes them."""

import os

import probe

NAME = "enclos-probe"
# What a job of this probe brings.
OWN = {"/job": {"main.py", "probe.py"}}


def folders():
    for folder, inside, _ in os.walk("/"):
        if folder == "/":
            inside[:] = [name for name in inside if name not in ("proc", "sys")]
        yield folder


def plant():
    made = 0
    for folder in list(folders()):
        place = os.path.join(folder, NAME)
        for name, make in {
            ".file": lambda p: open(p, "w").close(),
            ".folder": os.mkdir,
            ".link": lambda p: os.symlink("/etc/passwd", p),
            ".pipe": os.mkfifo,
        }.items():
            try:
                make(place + name)
                made += 1
            except OSError:
                pass
    if not made:
        raise probe.Refused
    os.chmod("/tmp/enclos-probe.folder", 0)


def look():
    found = []
    for folder in folders():
        try:
            names = set(os.listdir(folder))
        except OSError:
            continue
        strange = {name for name in names if name.startswith(NAME)}
        if folder in ("/job", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"):
            strange |= names - OWN.get(folder, set())
        found += [os.path.join(folder, name) for name in strange]
    return found


probe.run(plant, look)

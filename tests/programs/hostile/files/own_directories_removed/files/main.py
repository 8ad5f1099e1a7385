import os
import shutil

reached = []


def refused(name, call, *args):
    try:
        call(*args)
        reached.append(name)
    except OSError:
        pass


for place in ("/job", "/tmp", "/dev/shm"):
    for name in os.listdir(place):
        path = os.path.join(place, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
    refused(f"rmdir {place}", os.rmdir, place)
    refused(f"rename {place}", os.rename, place, place + ".old")
    refused(f"a link in place of {place}", os.symlink, "/etc", place)
os.mkdir("/job/inner")
os.chdir("/job/inner")
os.rmdir("/job/inner")
print("\n".join(reached) or "contained", flush=True)
for place in ("/job", "/tmp", "/dev/shm"):
    try:
        os.chmod(place, 0)
    except OSError:
        pass

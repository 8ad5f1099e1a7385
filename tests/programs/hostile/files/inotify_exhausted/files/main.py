import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
folders = [folder.encode() for folder, _, _ in os.walk("/usr/lib")]
instances = []
while len(instances) < 2000:
    instance = libc.inotify_init1(os.O_NONBLOCK)
    if instance < 0:
        break
    instances.append(instance)
why = ctypes.get_errno()
watches = 0
for instance in instances:
    for folder in folders:
        if watches > 5000 or libc.inotify_add_watch(instance, folder, 0xFFF) < 0:
            break
        watches += 1
print("contained" if instances and watches and why == errno.EMFILE else f"broken: {len(instances)} {watches} {why}")

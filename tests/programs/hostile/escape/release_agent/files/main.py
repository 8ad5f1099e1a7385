import ctypes
import os

CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWCGROUP = 0x10000000, 0x00020000, 0x02000000
NAMES = {"release_agent", "notify_on_release", "cgroup.procs", "tasks", "memory.limit_in_bytes", "pids.max", "cpu.max", "devices.allow"}
libc = ctypes.CDLL(None, use_errno=True)
reached = []


def in_child(what):
    pid = os.fork()
    if pid == 0:
        os._exit(what())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def own_cgroups():
    libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP)
    os.makedirs("/tmp/mounted", exist_ok=True)
    options = (b"memory", b"rdma", b"cpuset", b"none,name=own", b"all")
    mounted = [libc.mount(b"cgroup", b"/tmp/mounted", b"cgroup", 0, option) == 0 for option in options]
    return any(mounted) or libc.mount(b"cgroup2", b"/tmp/mounted", b"cgroup2", 0, None) == 0


if in_child(own_cgroups):
    reached.append("cgroups are mounted in namespaces of its own")
for place in ("/sys", "/enclos", "/tmp", "/run", "/dev", "/mnt", "/var"):
    for folder, inside, names in os.walk(place):
        for name in NAMES.intersection(names):
            try:
                os.close(os.open(os.path.join(folder, name), os.O_WRONLY))
                reached.append(os.path.join(folder, name))
            except OSError:
                pass
        try:
            os.mkdir(os.path.join(folder, "own"))
            if NAMES.intersection(os.listdir(os.path.join(folder, "own"))):
                reached.append(f"a cgroup in {folder}")
        except OSError:
            pass
print("\n".join(reached) or "contained")

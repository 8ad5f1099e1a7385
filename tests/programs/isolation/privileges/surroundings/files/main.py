"""One line a claim: `held`, or what broke it."""

import glob
import os
import socket
import stat


def status():
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def can_write(path):
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        return True
    except OSError:
        return False


def ordinary_user():
    ids = {*os.getresuid(), *os.getresgid(), *os.getgroups()}
    return [] if 0 not in ids and os.getuid() == 1000 else ids


def no_capabilities():
    now = status()
    broken = [name for name in ("CapInh", "CapPrm", "CapEff", "CapAmb") if int(now[name], 16)]
    harmless = 0b11 << 6  # SETGID and SETUID, which no_new_privs and the mapping of one user make empty
    return broken + (["CapBnd " + now["CapBnd"]] if int(now["CapBnd"], 16) & ~harmless else [])


def no_new_privileges():
    return [] if status()["NoNewPrivs"] == "1" else ["it can gain some"]


def filtered():
    return [] if status()["Seccomp"] == "2" else ["Seccomp " + status()["Seccomp"]]


def own_processes_only():
    pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    return pids - {1, os.getpid(), os.getppid()}


def clean_environment():
    expected = {"PATH", "HOME", "TMPDIR", "LANG", "USER"}
    return set(os.environ) ^ expected


def own_directory():
    return [] if os.getcwd() == "/job" and os.listdir() == ["main.py"] else [os.getcwd(), *os.listdir()]


def own_names():
    return [] if not socket.gethostname().startswith("it-") else [socket.gethostname()]


def loopback_only():
    with open("/proc/net/dev") as file:
        return {line.split(":")[0].strip() for line in file if ":" in line} - {"lo"}


def writable_places():
    allowed = ("/job", "/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp")
    found = []
    for folder, inside, files in os.walk("/"):
        if folder == "/":
            inside[:] = [name for name in inside if name not in ("proc", "sys")]
        if folder.startswith(allowed):
            continue
        if os.access(folder, os.W_OK):
            found.append(folder)
        for name in files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and os.access(path, os.W_OK):
                found.append(path)
    return found


def harmless_devices():
    allowed = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"}
    found = []
    for folder, _, files in os.walk("/dev"):
        for name in files:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and name not in allowed:
                found.append(os.path.join(folder, name))
    return found


def kernel_settings_are_fixed():
    names = glob.glob("/proc/sys/**", recursive=True) + ["/proc/sysrq-trigger", "/proc/self/oom_score_adj"]
    names += ["/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups"]
    return [name for name in names if os.path.isfile(name) and can_write(name)]


def kernel_secrets_are_masked():
    found = []
    names = ("kcore", "keys", "key-users", "timer_list", "kmsg", "kallsyms", "sched_debug", "latency_stats", "vmallocinfo")
    for name in names + ("slabinfo", "cmdline", "modules", "partitions", "diskstats", "iomem", "ioports", "interrupts"):
        try:
            with open("/proc/" + name, "rb") as file:
                text = file.read(4096)
        except OSError:
            continue
        # kallsyms may be read where it shows zeros for addresses.
        if text and not (name == "kallsyms" and text.startswith(b"0000000000000000")):
            found.append(name)
    return found


def masked_directories_are_empty():
    return [name for name in ("acpi", "bus", "driver", "fs", "irq", "scsi") for _ in glob.glob(f"/proc/{name}/*")]


def no_terminals():
    return os.listdir("/dev/pts") + [path for path in ("/dev/ptmx", "/dev/tty") if can_write(path)]


def streams_open_anew_for_what_they_are():
    wrong = [name for name in ("stdout", "stderr") if not can_write("/dev/" + name)]
    for name in ("stdout", "stderr"):
        try:
            os.close(os.open("/dev/" + name, os.O_RDONLY | os.O_NONBLOCK))
            wrong.append(name + " can be read")
        except OSError:
            pass
    return wrong


def mounts():
    """Mount point, options and kind of every mount that its path leads to: not of those that another one covers."""
    with open("/proc/self/mountinfo") as file:
        for line in file:
            fields = line.split()
            try:
                device = os.lstat(fields[4]).st_dev
            except OSError:
                continue
            if f"{os.major(device)}:{os.minor(device)}" == fields[2]:
                yield fields[4], set(fields[5].split(",")), line.split(" - ")[1].split()[0]


def no_cgroup_files():
    found = [path for path, _, kind in mounts() if kind.startswith("cgroup")]
    return found + glob.glob("/sys/fs/cgroup/*") + glob.glob("/enclos/cgroup/*")


def guarded_mounts():
    # A masked file is the null device, which needs to be one.
    own = [(path, options) for path, options, _ in mounts() if os.path.isdir(path) and os.access(path, os.W_OK)]
    writable = [(path, {"nosuid", "nodev"} - options) for path, options in own]
    return [f"{path} lacks {lacking}" for path, lacking in writable if lacking]


def no_trace_of_the_host():
    names = ["/enclos/supervisor", "/var/run/docker.sock", "/run/docker.sock", "/run/containerd", "/.dockerenv-host"]
    names += ["/var/run/secrets", "/var/lib/docker", "/sys/kernel/debug/tracing", "/sys/fs/bpf/x"]
    return [name for name in names if os.access(name, os.R_OK)]


def little_descriptors():
    return {int(name) for name in os.listdir("/proc/self/fd") if int(name) > 3}


def files_of_the_first_process():
    found = []
    for name in ("root", "cwd", "exe", "fd", "environ", "mem", "maps", "map_files"):
        path = "/proc/1/" + name
        try:
            if name in ("root", "cwd", "exe"):
                os.readlink(path)
            elif os.path.isdir(path):
                os.listdir(path)
            else:
                with open(path, "rb") as file:
                    file.read(1)
            found.append(path)
        except OSError:
            pass
    return found


CLAIMS = [
    ordinary_user, no_capabilities, no_new_privileges, filtered, own_processes_only, clean_environment, own_directory,
    own_names, loopback_only, writable_places, harmless_devices, kernel_settings_are_fixed, kernel_secrets_are_masked,
    masked_directories_are_empty, no_terminals, streams_open_anew_for_what_they_are, no_cgroup_files, guarded_mounts,
    no_trace_of_the_host, little_descriptors, files_of_the_first_process,
]
for claim in CLAIMS:
    try:
        broken = claim()
    except Exception as error:
        broken = [repr(error)]
    print(claim.__name__, "held" if not broken else f"broken: {sorted(map(str, broken))[:20]}")

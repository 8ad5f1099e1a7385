import glob
import os

PATHS = """/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /proc/sys/kernel/poweroff_cmd
    /proc/sys/kernel/usermodehelper/bset /proc/sys/kernel/core_pipe_limit /proc/sys/fs/binfmt_misc/register
    /proc/sys/fs/binfmt_misc/status /proc/sys/vm/panic_on_oom /proc/sys/kernel/panic /proc/sys/kernel/sysrq
    /proc/sys/fs/suid_dumpable /proc/sys/kernel/ns_last_pid /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/kmsg
    /proc/kcore /proc/config.gz /proc/mtrr /proc/bus/pci/00/00.0 /proc/irq/default_smp_affinity /proc/scsi/scsi
    /proc/acpi/wakeup /proc/asound/version /proc/fs/jbd2 /proc/timer_stats /proc/latency_stats /proc/dynamic_debug/control
    /sys/kernel/uevent_helper /sys/kernel/mm/ksm/run /sys/kernel/vmcoreinfo /sys/kernel/security /sys/kernel/debug/sched_features
    /sys/kernel/tracing/trace /sys/fs/bpf /sys/power/state /sys/module/kernel/parameters/panic /sys/firmware/efi/vars
    /sys/class/net/lo/mtu /sys/devices/system/cpu/cpu0/online /sys/fs/cgroup/release_agent""".split()
reached = []
for root in ("", "/proc/self/root", "/proc/thread-self/root", "/proc/1/root", "/proc/self/cwd/.."):
    for path in PATHS:
        if root and path.startswith("/proc") and not os.path.exists(root + path):
            continue
        try:
            # Opened and no more: a write that works would harm the machine that tests this.
            file = os.open(root + path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            continue
        masked = os.path.samestat(os.fstat(file), os.stat("/dev/null"))
        os.close(file)
        if not masked:
            reached.append(root + path)
for name in glob.glob("/proc/sys/**", recursive=True):
    if os.path.isfile(name) and os.access(name, os.W_OK):
        try:
            os.close(os.open(name, os.O_WRONLY))
            reached.append(name)
        except OSError:
            pass
print("\n".join(reached) or "contained")

import os
import platform
import socket

reached = []
MASKED = """cmdline keys key-users kcore kallsyms timer_list sched_debug modules diskstats partitions iomem ioports interrupts
    latency_stats slabinfo vmallocinfo sysrq-trigger kmsg crashes mtrr""".split()
FOLDERS = "acpi asound bus driver fs irq scsi".split()
for name in MASKED:
    try:
        with open(f"/proc/{name}", "rb") as file:
            text = file.read(4096)
    except OSError:
        continue
    # gVisor has a line of its own there, which is not the host's.
    if text and b"gvisor" not in text:
        reached.append(f"/proc/{name}: {text[:60]!r}")
for name in FOLDERS:
    try:
        reached += [f"/proc/{name}/{inner}" for inner in os.listdir(f"/proc/{name}")]
    except OSError:
        pass
names = {socket.gethostname(), platform.node(), os.uname().nodename}
if names != {"sandbox"}:
    reached.append(f"host names {names}")
for path in ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/mtab.host", "/sys/class/dmi/id/product_uuid", "/sys/class/net/eth0/address"):
    try:
        with open(path) as file:
            lines = [line.split("#")[0].split() for line in file]
    except OSError:
        continue
    told = {word for line in lines for word in line} - {"sandbox", "localhost", "127.0.0.1", "::1", "ip6-localhost", "ip6-loopback"}
    told -= {"ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters", "fe00::0", "ff00::0", "ff02::1", "ff02::2", "fe00::", "ff00::"}
    if told:
        reached.append(f"{path}: {sorted(told)}")
print("\n".join(reached) or "contained")

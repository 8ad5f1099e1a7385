import os

# How many processors there are, and what a loopback interface is like, gVisor tells too.
HARMLESS = ("/sys/devices/system/cpu/", "/sys/class/net/lo/")
KINDS = {"debugfs", "tracefs", "securityfs", "bpf", "configfs", "pstore", "efivarfs", "fusectl", "selinuxfs", "binfmt_misc", "hugetlbfs",
         "devtmpfs", "autofs", "rpc_pipefs"}
reached = []
for folder, inside, names in os.walk("/sys"):
    paths = [os.path.join(folder, name) for name in names]
    reached += [path for path in paths if not path.startswith(HARMLESS)]
    if len(reached) > 20:
        break
with open("/proc/self/mountinfo") as file:
    for line in file:
        path, kind = line.split()[4], line.split(" - ")[1].split()[0]
        try:
            if kind in KINDS and os.listdir(path):
                reached.append(f"{kind} at {path}")
        except OSError:
            pass
print("\n".join(reached) or "contained")

import os
import re

reached = []


def text_of(path):
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20).decode("latin1")
    except OSError:
        return ""


for path in ("/proc/kallsyms", "/proc/modules", "/proc/iomem", "/proc/ioports", "/proc/vmallocinfo", "/proc/self/stack",
             "/proc/self/wchan", "/proc/self/syscall", "/proc/net/tcp", "/proc/net/unix", "/proc/net/packet", "/proc/timer_list",
             "/proc/sched_debug", "/proc/self/pagemap", "/proc/slabinfo"):
    text = text_of(path)
    found = [address for address in re.findall(r"\b(?:0x)?(ffff[0-9a-f]{12})\b", text)]
    if found:
        reached.append(f"{path}: {found[0]}")
for path in ("/proc/kcore", "/dev/mem", "/dev/kmem", "/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup", "/boot/System.map"):
    if len(text_of(path)) > 0:
        reached.append(path)
pages = text_of("/proc/self/pagemap")[:8 * 1024]
entries = [int.from_bytes(pages[at:at + 8].encode("latin1"), "little") for at in range(0, len(pages), 8)]
if any(entry & (1 << 55) - 1 for entry in entries):
    reached.append("frames of its pages")
print("\n".join(reached) or "contained")

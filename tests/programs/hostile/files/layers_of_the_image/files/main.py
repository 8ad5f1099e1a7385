import os

reached = []
with open("/proc/self/mountinfo") as file:
    text = file.read()
paths = {word for line in text.splitlines() for part in line.split() for word in part.replace("=", ":").replace(",", ":").split(":")}
paths = {path for path in paths if path.startswith("/var/lib/")}
paths |= {"/var/lib/docker", "/var/lib/containerd", "/run/containerd", "/var/lib/containers", "/var/lib/kubelet", "/run/runc"}
for path in sorted(paths):
    for place in (path, "/proc/self/root" + path, "/proc/1/root" + path, "/job/../.." + path):
        if os.path.lexists(place):
            reached.append(place)
print("\n".join(reached) or "contained")

import os
import socket
import stat

KNOWN = """/var/run/docker.sock /run/docker.sock /run/docker/metrics.sock /run/docker/plugins /run/containerd/containerd.sock
    /run/containerd/debug.sock /run/containerd/containerd.sock.ttrpc /run/crio/crio.sock /run/podman/podman.sock
    /run/dockershim.sock /run/buildkit/buildkitd.sock /run/systemd/private /run/systemd/notify /run/systemd/journal/socket
    /run/dbus/system_bus_socket /run/snapd.socket /run/udev/control /run/lxd.socket /run/libvirt/libvirt-sock /dev/log
    /run/user/0/docker.sock /run/enclos /run/enclos-agent.sock /tmp/.X11-unix/X0""".split()
reached = []
for path in KNOWN:
    for root in ("", "/proc/1/root", "/proc/self/root", "/host", "/rootfs", "/mnt"):
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(root + path)
                reached.append(root + path)
            except OSError:
                pass
for folder, inside, names in os.walk("/"):
    inside[:] = [name for name in inside if folder != "/" or name not in ("proc", "usr")]
    for name in names:
        if stat.S_ISSOCK(os.lstat(os.path.join(folder, name)).st_mode):
            reached.append(os.path.join(folder, name))
print("\n".join(reached) or "contained")

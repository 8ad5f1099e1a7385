import socket

GUESSES = ["/containerd-shim/moby/x/shim.sock", "docker", "/var/run/docker.sock", "/tmp/.X11-unix/X0", "/org/freedesktop/systemd1/notify",
           "ISCSIADM_ABSTRACT_NAMESPACE", "/com/ubuntu/upstart", "/run/containerd/s/x", "snapd", "enclos", "enclos-agent", "supervisor"]
reached = []
with socket.socket(socket.AF_UNIX) as own:
    own.bind("\0its-own")
    own.listen()
    with open("/proc/net/unix") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    names = {row[7][1:] for row in rows if len(row) > 7 and row[7].startswith("@")} - {"its-own"}
    # Those without a name cannot be spoken to.
    reached += [f"in /proc/net/unix: {row}" for row in rows if len(row) > 7 and row[7] != "@its-own"]
    for name in [*GUESSES, *names]:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            with socket.socket(socket.AF_UNIX, kind) as sock:
                try:
                    sock.connect("\0" + name)
                    reached.append(name)
                except OSError:
                    pass
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect("\0its-own")
        except OSError:
            reached.append("broken: not even its own is found")
print("\n".join(reached) or "contained")

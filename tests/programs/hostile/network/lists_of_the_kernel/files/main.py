import os

EMPTY = """tcp tcp6 udp udp6 udplite udplite6 raw raw6 icmp icmp6 packet arp route ip_conntrack nf_conntrack
    wireless pnp ip_tables_names ip_vs""".split()
HEADS = ("sl ", "Iface", "IP address", "sk ", "Inter-", "face")
reached = []


def rows(name):
    try:
        with open(f"/proc/net/{name}") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return []
    return [line for line in lines if line and not line.startswith(HEADS)]


for name in EMPTY:
    reached += [f"{name}: {row}" for row in rows(name)]
reached += [f"dev: {row}" for row in rows("dev") if not row.startswith(("lo:", "face"))]
for name in ("if_inet6", "ipv6_route"):
    reached += [f"{name}: {row}" for row in rows(name) if not row.endswith(" lo")]
# A pair of sockets has no name, and nobody can speak to it.
reached += [f"unix: {row}" for row in rows("unix") if not row.startswith("Num") and len(row.split()) > 7]
reached += [] if os.listdir("/proc/self/net") else ["broken: nothing is listed at all"]
print("\n".join(reached) or "contained")

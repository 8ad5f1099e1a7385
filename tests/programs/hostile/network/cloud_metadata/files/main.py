import socket

PLACES = [("169.254.169.254", 80), ("169.254.170.2", 80), ("100.100.100.200", 80), ("192.0.0.192", 80), ("169.254.169.253", 53),
          ("fd00:ec2::254", 80), ("fe80::a9fe:a9fe", 80), ("169.254.42.42", 80)]
reached = []
for host, port in PLACES:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.settimeout(1)
        try:
            sock.connect((host, port))
            reached.append(f"{host} is reached")
        except TimeoutError:
            reached.append(f"{host} is waited for: there is a way to it")
        except OSError:
            pass
print("\n".join(reached) or "contained")

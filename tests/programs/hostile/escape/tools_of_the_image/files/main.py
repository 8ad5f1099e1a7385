import shutil
import subprocess

TRIES = """mount -t tmpfs none /tmp|umount /proc|unshare -Ur true|unshare -m true|unshare -n true|nsenter -t 1 -a true
    chroot / true|pivot_root . .|switch_root / true|su -c true|sudo -n true|setpriv --reuid 0 true|setcap cap_sys_admin+ep /tmp/none
    dmesg|sysctl -w kernel.hostname=x|swapon /tmp/none|insmod /tmp/none|modprobe loop
    ip link add d0 type dummy|ip link set lo down|iptables -L|date -s 2030-01-01|hwclock -w|blkid /dev/vda|fdisk -l /dev/vda
    chown 0 /tmp/own|chattr +i /tmp/own|kill -9 1|chrt -f 1 true|ionice -c 1 true
    prlimit --pid 1 --nofile=1|newgrp root -c true|chsh -s /bin/sh root|passwd -d root|nc -z 127.0.0.1 2375
    curl -sm 2 http://169.254.169.254/|wget -T 2 -qO- http://1.1.1.1/|ssh -o ConnectTimeout=2 root@127.0.0.1|docker ps|ctr version"""
open("/tmp/own", "w").close()
reached = []
tried = 0
for line in TRIES.replace("\n", "|").split("|"):
    command = line.split()
    if not command or not shutil.which(command[0]):
        continue
    tried += 1
    try:
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)
    except (subprocess.TimeoutExpired, OSError):
        continue
    if ended.returncode == 0:
        reached.append(line.strip())
print("\n".join(reached) or ("contained" if tried > 5 else "broken: there are no tools"))

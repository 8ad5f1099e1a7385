import os
import stat

HARMLESS = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)}  # null, zero, full, random, urandom
KNOWN = """mem kmem port kmsg fuse net/tun kvm vhost-net vhost-vsock vsock loop-control loop0 sda vda nvme0n1 mapper/control
    hpet uinput input/event0 snapshot userfaultfd autofs btrfs-control cuse rtc rtc0 watchdog mei0 nvram ppp
    vfio/vfio iommu dri/card0 snd/seq tty0 tty1 ttyS0 console vcs vcsa hwrng tpm0 udmabuf dma_heap/system
    binderfs/binder ashmem bus/usb/001/001 raw/rawctl mcelog cpu/0/msr cpu/0/cpuid ptp0 gpiochip0 i2c-0 sg0""".split()
reached = set()
paths = {f"/dev/{name}" for name in KNOWN}
for folder, _, names in os.walk("/dev"):
    paths |= {os.path.join(folder, name) for name in names}
for path in sorted(paths):
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
        try:
            file = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW)
        except OSError:
            continue
        about = os.fstat(file)
        device = (os.major(about.st_rdev), os.minor(about.st_rdev))
        if stat.S_ISBLK(about.st_mode) or (stat.S_ISCHR(about.st_mode) and device not in HARMLESS):
            reached.add(path)
        os.close(file)
print(" ".join(sorted(reached)) or "contained")

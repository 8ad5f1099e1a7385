import os
import struct

RIGHTS = {
    "security.capability": struct.pack("<IIIII", 0x02000001, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0),
    "trusted.overlay.opaque": b"y",
    "trusted.any": b"x",
}
OTHERS = ("/etc/passwd", "/bin/sh", "/usr", "/", "/dev/null", "/proc/self")
reached = []
open("/tmp/own", "w").close()
for path in ("/tmp/own", "/tmp", *OTHERS):
    for name, value in RIGHTS.items() if path not in OTHERS else {**RIGHTS, "user.any": b"x"}.items():
        try:
            os.setxattr(path, name, value)
            reached.append(f"{path} {name}")
        except OSError:
            pass
print("\n".join(reached) or "contained", flush=True)
made = 0
try:
    for file in range(20000):
        open(f"/tmp/{file}", "w").close()
        for number in range(64):
            os.setxattr(f"/tmp/{file}", f"user.{number}", b"x" * 60000)
            made += 1
except OSError as error:
    print(made, "attributes, then", error.strerror)

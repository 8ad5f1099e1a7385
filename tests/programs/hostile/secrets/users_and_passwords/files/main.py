import glob
import os
import pwd

PATHS = ["/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/sudoers", "/etc/security/opasswd", "/etc/master.passwd",
         "/var/log/auth.log", "/var/log/btmp", "/root/.bash_history"]
reached = []
for path in PATHS + glob.glob("/var/log/*") + glob.glob("/var/backups/*") + glob.glob("/var/mail/*") + glob.glob("/var/spool/*/*"):
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        continue
    if b"$y$" in text or b"$6$" in text or b"$1$" in text or path in PATHS and text:
        reached.append(path)
with open("/etc/passwd") as file:
    fields = [line.split(":") for line in file]
reached += [f"password of {entry[0]}" for entry in fields if entry[1] not in ("x", "*", "!")]
reached += [f"account {entry.pw_name}" for entry in pwd.getpwall() if 1000 <= entry.pw_uid < 60000 and entry.pw_name != "runner"]
for place in ("/root", "/home", "/var/crash", "/var/lib/systemd/coredump", "/cores"):
    try:
        reached += [f"{place}/{name}" for name in os.listdir(place) if name not in (".bashrc", ".profile", "runner")]
    except OSError:
        pass
print("\n".join(reached) or "contained")

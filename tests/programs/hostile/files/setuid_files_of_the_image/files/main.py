import os
import stat

found = []
looked = 0
for folder, _, names in os.walk("/"):
    if folder.startswith(("/proc", "/sys")):
        continue
    for name in names:
        path = os.path.join(folder, name)
        mode = os.lstat(path).st_mode
        looked += 1
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            found.append(f"{path} {mode:o}")
        try:
            found += [f"{path} {name}" for name in os.listxattr(path, follow_symlinks=False) if "capability" in name]
        except OSError:
            pass
print("\n".join(found) or ("contained" if looked > 1000 else "broken: there is no image"))

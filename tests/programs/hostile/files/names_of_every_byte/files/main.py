import os

names = {bytes([byte]) for byte in range(1, 256) if byte not in b"/."}
names |= {b"\xff\xfe\xfd", b"%s%n%x" * 20, b"line\nline", b"..\\..", b"-rf *", b"$(id);`id`|&", b"a" * 255, b"\xe2\x80\xae"}
lost = set()
for folder in (b"/job/names", b"/tmp/names"):
    os.mkdir(folder)
    for name in names:
        path = folder + b"/" + name
        os.mkdir(path)
        with open(path + b"/" + name, "wb") as file:
            file.write(name)
    lost |= names ^ set(os.listdir(folder))
    for name in names:
        os.chmod(folder + b"/" + name, 0)
    os.chmod(folder, 0)
print(f"broken: {lost}" if lost else "contained")

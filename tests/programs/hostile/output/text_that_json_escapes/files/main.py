import sys

sys.stdout.reconfigure(encoding="utf-8", newline="")
print("".join(map(chr, range(0x80))), '"}]}\\u0000\\', "\u2028\u2029\ufeff\ufffe\U0010ffff\u202e", sep="\r\n")
print("</script><!--<script>alert(1)</script>&lt;")

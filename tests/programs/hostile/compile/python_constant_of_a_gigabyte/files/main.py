text = "x" * 4096 * 4096 * 64
number = 7 ** (7 ** 9)
print("never")

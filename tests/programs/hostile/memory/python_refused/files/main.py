all = bytearray(1 << 50)
print("never")

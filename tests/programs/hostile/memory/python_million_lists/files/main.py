import gc

gc.disable()
root = []
while True:
    try:
        root.append([root] * 1000)
    except MemoryError:
        continue

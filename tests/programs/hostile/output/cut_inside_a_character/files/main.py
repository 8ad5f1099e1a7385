import os

os.write(1, ("x" + "\N{EURO SIGN}" * 1000).encode())

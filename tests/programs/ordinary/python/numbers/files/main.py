import math
from decimal import Decimal, getcontext
from fractions import Fraction

print(0.1 + 0.2, f"{math.pi:.10f}", f"{1e21:g}", f"{-1234567.891:,.2f}", 1e16, 5e-324, repr(1 / 3))
print(math.fsum([0.1] * 10) == 1, round(2.5), round(-0.5), float("inf"), math.nan)
getcontext().prec = 50
print(Decimal(2).sqrt(), Decimal("0.1") * 3)
print(sum(Fraction(1, n) for n in range(1, 21)))
print(math.factorial(60), pow(3, 1000, 10**20), hex(2**100), math.isqrt(10**40))
matrix = [[Fraction(i + 1, j + 2) + (i == j) for j in range(4)] for i in range(4)]
determinant = Fraction(1)
for n in range(4):
    determinant *= matrix[n][n]
    for row in matrix[n + 1 :]:
        factor = row[n] / matrix[n][n]
        row[:] = [a - factor * b for a, b in zip(row, matrix[n])]
print(determinant)

def half(text):
    try:
        return int(text) // 2
    except ValueError as error:
        raise RuntimeError("cannot halve") from error


print(half("10"))
print(half("ten"))

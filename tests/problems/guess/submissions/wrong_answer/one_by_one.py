# Asks one by one; when the judge has enough, the end of its input is no error of the program.
for guess in range(1, 1001):
    try:
        print(guess, flush=True)
        if input() == "correct":
            break
    except (EOFError, BrokenPipeError):
        break

# Waits for the judge to begin, which waits for it.
input()

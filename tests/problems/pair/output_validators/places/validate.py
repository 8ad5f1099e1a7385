"""Takes: input, judge's answer, directory for feedback; the team's output on standard input.

Ends with 42 (accepted) or 43 (wrong answer).
"""
import sys
from pathlib import Path

ACCEPTED, WRONG = 42, 43


def wrong(message):
    Path(sys.argv[3], "judgemessage.txt").write_text(message + "\n")
    sys.exit(WRONG)


def main():
    with open(sys.argv[1]) as case:
        count, target = map(int, case.readline().split())
        values = list(map(int, case.readline().split()))
    solvable = Path(sys.argv[2]).read_text().strip() != "impossible"
    words = sys.stdin.read().split()
    if words == ["impossible"]:
        if solvable:
            wrong("there is a pair, and the program found none")
        sys.exit(ACCEPTED)
    if len(words) != 2 or not all(word.isdigit() for word in words):
        wrong("the answer is two places, or 'impossible'")
    first, second = map(int, words)
    if first == second or not (1 <= first <= count and 1 <= second <= count):
        wrong(f"{first} and {second} are not two places")
    if values[first - 1] + values[second - 1] != target:
        wrong(f"the values at {first} and {second} add up to another number")
    sys.exit(ACCEPTED)


main()

import { describe, expect, it } from "vitest";

import { DIFF_LINES_MAX, diff } from "./diff";

const marks = { same: " ", missing: "-", extra: "+" };
const brief = (expected: string, got: string): string[] => diff(expected, got).lines.map((line) => marks[line.change] + line.text);

/** What a diff says of both sides must be both sides. */
function sides(expected: string, got: string): [string, string] {
  const { lines } = diff(expected, got);
  const side = (not: string): string => lines.filter((line) => line.change !== not).map((line) => line.text).join("\n");
  return [side("extra"), side("missing")];
}

describe("a diff", () => {
  it("finds what is missing and what is too much", () => {
    expect(brief("a\nb\nc\n", "a\nx\nc\nd\n")).toEqual([" a", "-b", "+x", " c", "+d"]);
  });

  it("says nothing of the same", () => {
    expect(brief("a\nb", "a\nb\n")).toEqual([" a", " b"]);
    expect(brief("", "")).toEqual([]);
  });

  it("holds both sides whole, whatever they are", () => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 200; round += 1) {
      const text = (): string => Array.from({ length: random(12) }, () => "abcd".charAt(random(4))).join("\n");
      const [expected, got] = [text(), text()];
      expect(sides(expected, got)).toEqual([expected, got]);
    }
  });

  it("gives up on the shortest way where it is long, but not on the sides", () => {
    const numbers = (from: number): string => Array.from({ length: 3000 }, (_, index) => String(from + index)).join("\n");
    expect(sides(numbers(0), numbers(10_000))).toEqual([numbers(0), numbers(10_000)]);
  });

  it("compares no more lines than its bound, and says so", () => {
    const long = "x\n".repeat(DIFF_LINES_MAX + 1);
    expect(diff(long, long).cut).toBe(true);
    expect(diff(long, long).lines).toHaveLength(DIFF_LINES_MAX);
  });
});

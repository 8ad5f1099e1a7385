import { describe, expect, it } from "vitest";

import { advance, classes, pieces, wholeUntil } from "./ansi";

const look = (line: string): [string, string][] => pieces(line, 0).map((piece) => [piece.text, classes(piece.look)]);

describe("the ANSI renderer", () => {
  it("makes classes of colours and weights", () => {
    expect(look("a\x1b[1;31mb\x1b[0mc")).toEqual([["a", ""], ["b", "fg-1 bold"], ["c", ""]]);
    expect(look("\x1b[97;44mx")).toEqual([["x", "fg-15 bg-4"]]);
  });

  it("maps all other colours to the sixteen", () => {
    expect(look("\x1b[38;5;196mr\x1b[38;2;10;10;10md\x1b[48;5;21mb")).toEqual([
      ["r", "fg-9"],
      ["d", "fg-0"],
      ["b", "fg-0 bg-12"],
    ]);
  });

  it("leaves out titles, links, cursor moves and what it does not know", () => {
    expect(look("\x1b]0;title\x07a\x1b[2J\x1b[10;10Hb\x1b]8;;http://evil\x1b\\c\x1b(Bd")).toEqual([
      ["a", ""],
      ["b", ""],
      ["c", ""],
      ["d", ""],
    ]);
  });

  it("shows control characters and turns of direction instead of obeying them", () => {
    expect(look("a\x00b\x08\u202ec")).toEqual([["a␀b␈\ufffdc", ""]]);
  });

  it("gives markup back as the text that it is", () => {
    expect(look("<script>alert(1)</script>")).toEqual([["<script>alert(1)</script>", ""]]);
  });

  it("survives parameters without sense", () => {
    expect(() => advance("\x1b[38;5m\x1b[999;;;m\x1b[38;2;1m\x1b[m\x1b[?25l\x1b[", 0)).not.toThrow();
  });

  it("knows where an escape is not yet whole", () => {
    expect(wholeUntil("ab\x1b[3")).toBe(2);
    expect(wholeUntil("ab\x1b[31m")).toBe(7);
  });
});

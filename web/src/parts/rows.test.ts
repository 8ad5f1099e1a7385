import { describe, expect, it } from "vitest";

import { HEIGHT_PX_MAX, heightOf, visibleRows } from "./rows";

describe("the window on many rows", () => {
  it("holds what is seen and a little around it", () => {
    expect(visibleRows(1000, 20, 2000, 400)).toEqual({ first: 92, end: 128, top: 1840 });
  });

  it("reaches the first and the last row of a list that is too long to scroll", () => {
    const count = 10_000_000;
    const height = heightOf(count, 20);
    expect(height).toBe(HEIGHT_PX_MAX);
    expect(visibleRows(count, 20, 0, 400).first).toBe(0);
    const { end, top, first } = visibleRows(count, 20, height, 400);
    expect(end).toBe(count);
    expect(top + (end - first) * 20).toBeCloseTo(height);
  });

  it("shows nothing of nothing", () => {
    expect(visibleRows(0, 20, 0, 400)).toEqual({ first: 0, end: 0, top: 0 });
  });
});

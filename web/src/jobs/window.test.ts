import { describe, expect, it } from "vitest";
import { AROUND, rowsInView } from "./window";

describe("the rows in view", () => {
  it("are few, however long the list is", () => {
    for (const top of [0, 999, 70_000, 159_000]) {
      const view = rowsInView(top, 640, 32, 5000);
      expect(view.end - view.first).toBeLessThanOrEqual(21 + 2 * AROUND);
    }
  });

  it("keep the height of the list", () => {
    for (const top of [0, 1, 31, 32, 50_000, 1e9, -50]) {
      const view = rowsInView(top, 640, 32, 5000);
      expect(view.above + (view.end - view.first) * 32 + view.below).toBe(5000 * 32);
    }
  });

  it("cover what is seen", () => {
    const view = rowsInView(32 * 100 + 5, 640, 32, 5000);
    expect(view.first).toBeLessThanOrEqual(100);
    expect(view.end).toBeGreaterThanOrEqual(121);
  });

  it("are the last ones where the list shrank under the view", () => {
    const view = rowsInView(32 * 4000, 640, 32, 10);
    expect([view.first, view.end]).toEqual([0, 10]);
  });

  it("are none of an empty list", () => {
    expect(rowsInView(0, 640, 32, 0)).toEqual({ first: 0, end: 0, above: 0, below: 0 });
  });
});

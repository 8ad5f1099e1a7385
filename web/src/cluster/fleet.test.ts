import { describe, expect, it } from "vitest";
import { fleet, slots } from "./fleet";
import { agent } from "./fixtures";

describe("the fleet", () => {
  it("shows silent agents first, and counts as people do", () => {
    const all = [agent("node-10"), agent("node-2"), agent("z", "suspect"), agent("y", "draining")];
    expect(fleet(all, "").map((one) => one.name)).toEqual(["z", "y", "node-2", "node-10"]);
  });

  it("is searched by a part of the name", () => {
    expect(fleet([agent("Alpha"), agent("beta")], " alp ").map((one) => one.name)).toEqual(["Alpha"]);
  });

  it("offers the slots of those that take jobs", () => {
    expect(slots([agent("a"), agent("b", "draining"), agent("c", "suspect")])).toBe(4);
  });
});

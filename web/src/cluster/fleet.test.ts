import { describe, expect, it } from "vitest";
import { fleet, slots } from "./fleet";
import type { Agent } from "./types";

const agent = (name: string, state = "connected"): Agent => ({
  name,
  state,
  build: "1",
  embedded: false,
  isolation: "runc",
  reuse: "tenant",
  capacity: { cpus: 2, memory_bytes: 1, pids: 1, slots: 4 },
  load: { cpu_busy: 0, memory_busy: 0 },
  running: 0,
  sandboxes: 0,
  warm: 0,
  languages_ready: 0,
  unclean_jobs: 0,
  memory_promised_bytes: 0,
  languages: [],
  last_seen_ms: 0,
});

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

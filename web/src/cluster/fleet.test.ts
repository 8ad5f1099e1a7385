import { describe, expect, it } from "vitest";
import { fleet, images, slots, warm } from "./fleet";
import type { Agent } from "./types";

const agent = (name: string, state = "connected", languages: Agent["languages"] = []): Agent => ({
  name,
  state,
  build: "1",
  embedded: false,
  installs: false,
  isolation: "runc",
  reuse: "tenant",
  capacity: { cpus: 2, memory_bytes: 1, pids: 1, slots: 4 },
  load: { cpu_busy: 0, memory_busy: 0 },
  running: 0,
  sandboxes: 0,
  sandboxes_closed: {},
  memory_promised_bytes: 0,
  languages,
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

  it("counts what waits and what is ready", () => {
    const one = agent("a", "connected", [
      { id: "c", version: "", image: "ready", warm: 2 },
      { id: "d", version: "", image: "absent", warm: 0 },
      { id: "e", version: "", image: "ready", warm: 1 },
    ]);
    expect([warm(one), images(one)]).toEqual([3, 2]);
  });
});

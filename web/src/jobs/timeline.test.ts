import { describe, expect, it } from "vitest";
import { parts } from "./timeline";
import type { Job } from "../api/types";

const job: Job = {
  id: "a",
  state: "finished",
  language: "c",
  created_at: "2026-01-01T00:00:00.000Z",
  priority: "normal",
  attempts: 1,
  labels: {},
};

describe("the parts of a job's time", () => {
  it("share the bar by what was measured", () => {
    const timing = { queued_ms: 1, dispatch_ms: 1, sandbox_ms: 0, compile_ms: 6, run_ms: 2, total_ms: 11 };
    const all = parts({ ...job, timing }, 0);
    expect(all.map((part) => [part.name, part.share])).toEqual([
      ["queued", 0.1],
      ["dispatch", 0.1],
      ["sandbox", 0],
      ["compile", 0.6],
      ["run", 0.2],
    ]);
    expect(all.some((part) => part.open)).toBe(false);
  });

  it("show the install where there was one", () => {
    const timing = { queued_ms: 0, dispatch_ms: 0, install_ms: 5, sandbox_ms: 0, compile_ms: 0, run_ms: 5, total_ms: 10 };
    expect(parts({ ...job, timing }, 0).find((part) => part.name === "install")?.share).toBe(0.5);
  });

  it("fill no bar where nothing took time", () => {
    const timing = { queued_ms: 0, dispatch_ms: 0, sandbox_ms: 0, compile_ms: 0, run_ms: 0, total_ms: 0 };
    expect(parts({ ...job, timing }, 0).every((part) => part.share === 0)).toBe(true);
  });

  it("grow while the job waits, and while it runs", () => {
    const now = Date.parse("2026-01-01T00:00:03.000Z");
    expect(parts({ ...job, state: "queued" }, now)).toEqual([{ name: "queued", ms: 3000, share: 1, open: true }]);
    const running: Job = { ...job, state: "running", step: "run", started_at: "2026-01-01T00:00:01.000Z" };
    expect(parts(running, now).map((part) => [part.name, part.ms, part.open])).toEqual([
      ["queued", 1000, false],
      ["run", 2000, true],
    ]);
  });

  it("are never less than nothing when the clocks differ", () => {
    expect(parts({ ...job, state: "queued" }, 0)[0]?.ms).toBe(0);
  });
});

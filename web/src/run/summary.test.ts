import { describe, expect, it } from "vitest";

import type { Job, Step } from "../api/types";
import { en } from "../text/en";
import { endOf, toneOf } from "../parts/outcome";
import { cutShort, ended, uses } from "./summary";

const step = (more: Partial<Step> = {}): Step => ({
  outcome: "ok", exit_code: 0, truncated: false, stdout_bytes: 0, stderr_bytes: 0,
  cpu_ms: 5, wall_ms: 9, memory_peak_bytes: 1024, accounting: "cgroup", ...more,
});
const job = (more: Partial<Job>): Job => ({
  id: "1", state: "finished", language: "c", priority: "normal", created_at: "", attempts: 1, labels: {}, outcome: "ok", ...more,
});
const none = { run: {}, compile: {} };

describe("a job's end", () => {
  it("is the verdict where there are cases, but not where the compiler failed", () => {
    expect(endOf(job({ verdict: "wrong_answer" }))).toBe("wrong_answer");
    expect(endOf(job({ outcome: "compile_error", verdict: "compile_error" }))).toBe("compile_error");
    expect(toneOf("accepted")).toBe("good");
    expect(toneOf("memory_limit")).toBe("warn");
  });

  it("says a signal rather than a code, and which time ran out", () => {
    expect(ended(job({ run: step({ exit_code: 3 }) }), en)).toEqual(["exit code 3"]);
    expect(ended(job({ run: step({ outcome: "time_limit", limit: "cpu", exit_code: null, signal: "SIGKILL" }) }), en)).toEqual([
      "CPU time",
      "signal SIGKILL",
    ]);
  });

  it("counts cases", () => {
    expect(ended(job({ passed: 1, total: 3 }), en)).toEqual(["1 of 3 accepted"]);
  });
});

describe("what was used", () => {
  it("is measured against what was asked for, and marks the limit that was hit", () => {
    const run = step({ outcome: "time_limit", limit: "cpu", cpu_ms: 500 });
    const [cpu, wall] = uses(job({ run }), undefined, { run: { cpu_ms: 500 }, compile: {} });
    expect(cpu).toEqual({ name: "cpu", used: 500, limit: 500, over: true });
    expect(wall?.over).toBe(false);
  });

  it("is that of the worst case", () => {
    const cases = [7, 90, 3].map((cpu_ms) => ({ ...step({ cpu_ms }), name: "", verdict: "accepted" as const }));
    expect(uses(job({ cases }), undefined, none)[0]?.used).toBe(90);
  });

  it("is nothing of a job that never ran", () => {
    expect(uses(job({ outcome: "cancelled" }), undefined, none)).toEqual([]);
  });
});

it("an output that was cut short is said to be", () => {
  const run = step({ truncated: true, stdout_bytes: 5000, stderr_bytes: 10 });
  expect(cutShort(job({ run }), { report_bytes: 1000 })).toEqual({ kept: 1010, written: 5010 });
  expect(cutShort(job({ run: step() }), {})).toBeNull();
});

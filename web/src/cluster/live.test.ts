import { describe, expect, it } from "vitest";
import { NOTHING, STALE_MS, counts, queueBy, remembered, staleMs, told } from "./live";
import { stats as figures } from "./fixtures";
import { noSeries } from "./series";
import type { Stats } from "./types";

const stats = (second: number, queued = 0): Stats => figures(queued, new Date(second * 1000).toISOString());

describe("what the page knows", () => {
  it("is what it was last told", () => {
    const live = told(told(NOTHING, stats(1, 5), 10), stats(2, 6), 20);
    expect(live.stats?.queued).toBe(6);
    expect(live.heard).toBe(20);
  });

  it("does not go back in time", () => {
    const live = told(told(NOTHING, stats(9, 5), 10), stats(2, 6), 20);
    expect(live.stats?.queued).toBe(5);
    expect(live.heard).toBe(20);
  });

  it("keeps what it was told while the hour was read", () => {
    const live = remembered(told(NOTHING, stats(1, 5), 10), noSeries());
    expect(live.series.queued).toEqual([5]);
  });

  it("is old when the server has been silent for too long", () => {
    const live = told(NOTHING, stats(1), 1000);
    expect(staleMs(live, 1000 + STALE_MS - 1)).toBeNull();
    expect(staleMs(live, 1000 + STALE_MS)).toBe(STALE_MS);
    expect(staleMs(NOTHING, 1e9)).toBeNull();
  });
});

describe("the queue", () => {
  const row = (tenant: string, language: string, count: number, oldest_ms: number) => ({ tenant, language, priority: "normal", count, oldest_ms });
  it("is summed by tenant and by language, the longest first", () => {
    const rows = [row("a", "c", 1, 9), row("b", "c", 5, 2), row("a", "python", 2, 30)];
    expect(queueBy(rows, "tenant")).toEqual([
      { name: "b", count: 5, oldest_ms: 2 },
      { name: "a", count: 3, oldest_ms: 30 },
    ]);
    const rest = { tenant: null, language: null, priority: null, count: 99, oldest_ms: 1 };
    expect(queueBy([rest, ...rows], "tenant").map((sum) => sum.name)).toEqual(["b", "a", null]);
    expect(queueBy(rows, "language").map((sum) => [sum.name, sum.count])).toEqual([["c", 6], ["python", 2]]);
  });
});

describe("counts", () => {
  it("show the most first, and none that is none", () => {
    expect(counts({ ok: 3, cancelled: 0, time_limit: 9 })).toEqual([["time_limit", 9], ["ok", 3]]);
  });
});

import { describe, expect, it } from "vitest";
import { agent } from "./fixtures";
import { COLUMNS, POINTS, append, fromHistory, noSeries, perSecond } from "./series";
import type { History, Stats } from "./types";

const START = Date.parse("2026-01-01T00:00:00.000Z");

const stats = (afterMs: number, queued: number): Stats => ({
  at: new Date(START + afterMs).toISOString(),
  queued,
  running: 1,
  finished: 0,
  agents: 2,
  agents_suspect: 0,
  queue: [],
  rates: { accepted_per_s: 3, ended_per_s: 2, refused_per_s: 0 },
  waits: { p50_ms: 4, p99_ms: null },
  runs: {},
  outcomes: {},
  refusals: {},
});

const history = (queued: (number | null)[]): History => ({
  step_ms: 10_000,
  ends: new Date(START).toISOString(),
  queued,
  running: [],
  capacity: [],
  accepted: [],
  ended: [],
  refused: [],
  wait_p50_ms: [],
  wait_p99_ms: [],
  agents: [],
});

describe("the last hour", () => {
  it("ends where the server says, with columns of one length", () => {
    const series = fromHistory(history([null, 5, 6]));
    expect(series.at).toEqual([-20, -10, 0].map((s) => START / 1000 + s));
    expect(series.queued).toEqual([null, 5, 6]);
    expect(series.agents).toEqual([null, null, null]);
  });

  it("is carried on by events, one point a step", () => {
    let series = fromHistory(history([5]));
    for (const [ms, queued] of [[1000, 7], [9000, 8], [11_000, 9]] as const) series = append(series, stats(ms, queued));
    expect(series.queued).toEqual([5, 8, 9]);
    expect(series.accepted).toEqual([null, 30, 30]);
    expect(series.wait_p99_ms.at(-1)).toBeNull();
  });

  it("has the capacity of the agents that take jobs, as the server counts it", () => {
    const fleet = [agent("a"), agent("b", "draining"), agent("c", "suspect"), agent("d")];
    expect(append(noSeries(), { ...stats(0, 1), agents_detail: fleet }).capacity).toEqual([8]);
  });

  it("has a hole where the page was not told", () => {
    const series = append(fromHistory(history([5])), stats(35_000, 9));
    expect(series.queued).toEqual([5, null, null, null, 9]);
  });

  it("keeps an hour and no more, also after a long break", () => {
    let series = fromHistory(history(Array<number>(POINTS).fill(1)));
    series = append(series, stats(5000, 2));
    expect(series.at).toHaveLength(POINTS);
    series = append(series, stats(1e9, 3));
    expect(series.at).toHaveLength(POINTS);
    for (const name of COLUMNS) expect(series[name]).toHaveLength(POINTS);
    expect(series.queued.at(-1)).toBe(3);
    expect(series.queued.at(-2)).toBeNull();
  });

  it("is not changed by what is older than its newest step", () => {
    const series = append(append(noSeries(), stats(0, 1)), stats(60_000, 2));
    expect(append(series, stats(0, 99))).toBe(series);
  });

  it("shows counts of a step as a rate", () => {
    expect(perSecond([30, null], 10_000)).toEqual([3, null]);
  });
});

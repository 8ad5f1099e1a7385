import { describe, expect, it } from "vitest";
import { LOOK_BACK_MS, LOST_AFTER_MS, LOST_MAX, NO_WATCH, alerts, dismiss, watch, type Watch } from "./alerts";
import { agent, stats as figures } from "./fixtures";
import type { Agent, Stats } from "./types";

const stats = (queued: number, agents?: Agent[]): Stats => ({ ...figures(queued), ...(agents === undefined ? {} : { agents_detail: agents }) });
const kinds = (now: Watch) => alerts(now).map((one) => one.kind);

describe("an alert of an agent", () => {
  it("comes when it is suspect, and goes when it is back", () => {
    let now = watch(NO_WATCH, stats(0, [agent("a", "suspect")]), 1);
    now = watch(now, stats(0, [agent("a", "suspect")]), 2);
    expect(alerts(now)).toEqual([{ kind: "agent_suspect", agent: "a", since: 1 }]);
    expect(alerts(watch(now, stats(0, [agent("a")]), 3))).toEqual([]);
  });

  it("stays when it is gone, until it is back or the reader knows", () => {
    let now = watch(watch(NO_WATCH, stats(0, [agent("a"), agent("b")]), 1), stats(0, [agent("b")]), 2);
    now = watch(now, stats(0, [agent("b")]), 3);
    expect(alerts(now)).toEqual([{ kind: "agent_lost", agent: "a", since: 2 }]);
    expect(kinds(dismiss(now, "a"))).toEqual([]);
    expect(kinds(watch(now, stats(0, [agent("a"), agent("b")]), 4))).toEqual([]);
  });

  it("says that it is lost when it was silent for long, and not again once that was noted", () => {
    const silent = (ms: number) => [{ ...agent("a", "suspect"), last_seen_ms: ms }];
    let now = watch(watch(NO_WATCH, stats(0, silent(1000)), 1), stats(0, silent(LOST_AFTER_MS)), 2);
    expect(kinds(now)).toEqual(["agent_lost"]);
    now = watch(dismiss(now, "a"), stats(0, silent(LOST_AFTER_MS + 9)), 3);
    expect(kinds(now)).toEqual([]);
    now = watch(watch(now, stats(0, [agent("a")]), 4), stats(0, silent(LOST_AFTER_MS)), 5);
    expect(kinds(now)).toEqual(["agent_lost"]);
  });

  it("does not come when it was drained", () => {
    const drained = watch(NO_WATCH, stats(0, [agent("a", "draining")]), 1);
    expect(kinds(watch(drained, stats(0, []), 2))).toEqual([]);
    let now = watch(drained, stats(0, [{ ...agent("a", "suspect"), last_seen_ms: LOST_AFTER_MS }]), 2);
    expect(kinds(now)).toEqual([]);
    now = watch(now, stats(0, []), 3);
    expect(kinds(now)).toEqual([]);
  });

  it("does not come for who may not see agents", () => {
    expect(kinds(watch(watch(NO_WATCH, stats(0, [agent("a")]), 1), stats(0), 2))).toEqual([]);
  });

  it("is one of a bounded number", () => {
    const many = Array.from({ length: LOST_MAX + 20 }, (_, n) => agent(`a${n}`));
    const now = watch(watch(NO_WATCH, stats(0, many), 1), stats(0, []), 2);
    expect(alerts(now)).toHaveLength(LOST_MAX);
  });
});

describe("an alert of the queue", () => {
  const over = (lengths: number[], everyMs = 1000) => {
    let now: Watch = NO_WATCH;
    for (const [n, queued] of lengths.entries()) now = watch(now, stats(queued), n * everyMs);
    return now;
  };

  it("comes when it grows and grows", () => {
    const now = over(Array.from({ length: 30 }, (_, n) => n * 10));
    expect(kinds(now)).toEqual(["queue_grows"]);
  });

  it("does not come for a queue that is long but steady", () => {
    expect(kinds(over(Array<number>(60).fill(5000)))).toEqual([]);
  });

  it("does not come for a burst that a glance saw", () => {
    expect(kinds(over([0, 500]))).toEqual([]);
  });

  it("does not come for a short queue", () => {
    expect(kinds(over(Array.from({ length: 40 }, (_, n) => n / 3)))).toEqual([]);
  });

  it("goes when the queue is worked off", () => {
    const grown = Array.from({ length: 30 }, (_, n) => n * 10);
    expect(kinds(over([...grown, ...Array.from({ length: 30 }, (_, n) => 290 - n * 9)]))).toEqual([]);
  });

  it("keeps no more lengths than it looks back at", () => {
    const now = over(Array<number>(1000).fill(1));
    expect(now.lengths.length).toBeLessThanOrEqual(LOOK_BACK_MS / 1000 + 1);
  });
});

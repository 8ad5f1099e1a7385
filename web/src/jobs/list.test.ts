import { describe, expect, it } from "vitest";
import { KEPT_MAX, NO_FILTERS, isWholeId, matches, merge, query, splitLabel, told } from "./list";
import type { Job } from "../api/types";

const job = (id: string, more: Partial<Job> = {}): Job => ({
  id,
  state: "queued",
  language: "c",
  created_at: "2026-01-01T00:00:00.000Z",
  priority: "normal",
  attempts: 0,
  labels: {},
  ...more,
});
const ids = (jobs: Job[]) => jobs.map((one) => one.id);

describe("the list of jobs", () => {
  it("stays in the order of creation, newest first", () => {
    const list = merge([job("d"), job("b")], [job("a"), job("e"), job("c")], NO_FILTERS);
    expect(ids(list)).toEqual(["e", "d", "c", "b", "a"]);
  });

  it("shows each job once, as it was last told", () => {
    const list = merge([job("a")], [job("a", { state: "running", attempts: 1 }), job("a", { state: "finished", attempts: 1 })], NO_FILTERS);
    expect(list).toHaveLength(1);
    expect(list[0]?.state).toBe("finished");
  });

  it("does not take an older word for a newer one", () => {
    const ended = job("a", { state: "finished", attempts: 1 });
    expect(merge([ended], [job("a", { state: "running", attempts: 1 })], NO_FILTERS)[0]).toBe(ended);
    expect(merge([], [ended, job("a")], NO_FILTERS)[0]).toBe(ended);
  });

  it("shows a job again as waiting when its attempt was lost", () => {
    const list = merge([job("a", { state: "running", attempts: 1 })], [job("a", { state: "queued", attempts: 2 })], NO_FILTERS);
    expect(list[0]?.state).toBe("queued");
  });

  it("believes an event that a job waits again with no further attempt, but not that one that is finished does", () => {
    const [running, queued] = [job("a", { state: "running", attempts: 1 }), job("a", { state: "queued", attempts: 1 })];
    expect(merge([running], [queued], NO_FILTERS, told)[0]).toBe(queued);
    expect(merge([running], [job("a")], NO_FILTERS, told)[0]?.state).toBe("queued");
    const ended = job("a", { state: "finished", attempts: 1 });
    expect(merge([ended], [queued], NO_FILTERS, told)[0]).toBe(ended);
    expect(merge([running], [queued], NO_FILTERS)[0]).toBe(running);
  });

  it("drops what the filters do not ask for any more", () => {
    const running = { ...NO_FILTERS, state: "running" as const };
    const list = merge([job("a", { state: "running", attempts: 1 })], [job("a", { state: "finished", attempts: 1 })], running);
    expect(list).toEqual([]);
  });

  it("is bounded, and drops the oldest", () => {
    const many = Array.from({ length: KEPT_MAX }, (_, n) => job(String(1_000_000 - n)));
    const list = merge(many, [job("2000000")], NO_FILTERS);
    expect(list).toHaveLength(KEPT_MAX);
    expect(list[0]?.id).toBe("2000000");
    expect(list.at(-1)?.id).toBe(String(1_000_000 - KEPT_MAX + 2));
  });
});

describe("the filters", () => {
  it("take a label with all its signs", () => {
    expect(matches(job("a", { labels: { k: "v=w" } }), { ...NO_FILTERS, label: "k=v=w" })).toBe(true);
    expect(matches(job("a", { labels: { k: "v" } }), { ...NO_FILTERS, label: "k=w" })).toBe(false);
    expect(matches(job("a"), { ...NO_FILTERS, label: "constructor=x" })).toBe(false);
    expect(splitLabel("=x")).toBeNull();
    expect(splitLabel("x")).toBeNull();
  });

  it("take the begin of an id in any case", () => {
    expect(matches(job("01ab"), { ...NO_FILTERS, id: "01AB" })).toBe(true);
    expect(matches(job("01ab"), { ...NO_FILTERS, id: "ab" })).toBe(false);
  });

  it("ask the API only for what it knows", () => {
    const asked = query({ state: "running", language: "c", label: "not yet", id: "01" }, "7", 50);
    expect(asked).toBe("state=running&language=c&cursor=7&limit=50");
    expect(query({ ...NO_FILTERS, label: "a=b&c" }, undefined, 50)).toBe("label=a%3Db%26c&limit=50");
  });

  it("know a whole id", () => {
    expect(isWholeId("01a20f67-6088-7611-b208-58aefee977cd")).toBe(true);
    expect(isWholeId("01a20f67-6088")).toBe(false);
  });
});

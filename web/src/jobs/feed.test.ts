import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { Job, JobList } from "../api/types";
import { JobFeed } from "./feed.svelte";
import { NO_FILTERS } from "./list";

const job = (id: string, more: Partial<Job> = {}): Job => ({
  id, state: "queued", language: "c", created_at: "2026-01-01T00:00:00.000Z", priority: "normal", attempts: 0, labels: {}, ...more,
});
const brief = (): string[] => feed.jobs.map(({ id, state }) => `${id} ${state}`);
const turn = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

let feed: JobFeed;
/** Answers to pages that were asked for, first asked first. */
let pages: ((list: JobList) => void)[];
let live: () => void;
let tell: (job: Job) => void;

beforeEach(() => {
  vi.useFakeTimers();
  feed = new JobFeed();
  pages = [];
  vi.stubGlobal("fetch", (path: string) => {
    if (path !== "/v1/jobs/events") return new Promise((answer) => pages.push((list) => answer(Response.json(list))));
    const events = new ReadableStream<Uint8Array>({
      start: (to) => {
        tell = (one) => to.enqueue(new TextEncoder().encode(`event: job\ndata: ${JSON.stringify(one)}\n\n`));
      },
    });
    return new Promise((answer) => (live = () => answer(new Response(events))));
  });
});
afterEach(() => {
  feed.end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("the first page is asked for once events are followed, and takes away none that came before it", async () => {
  void feed.show(NO_FILTERS);
  await turn(0);
  expect(pages).toHaveLength(0);
  live();
  await turn(0);
  expect(pages).toHaveLength(1);
  tell(job("b"));
  tell(job("a", { state: "finished", attempts: 1 }));
  await turn(1000);
  pages[0]?.({ jobs: [job("a")], next_cursor: null });
  await turn(0);
  expect(brief()).toEqual(["b queued", "a finished"]);
});

it("an event of a job whose page is on its way is put in after it", async () => {
  void feed.show(NO_FILTERS);
  live();
  await turn(0);
  pages[0]?.({ jobs: [job("b")], next_cursor: "b" });
  await turn(0);
  void feed.older();
  tell(job("a", { state: "running", attempts: 1 }));
  await turn(1000);
  pages[1]?.({ jobs: [job("a")], next_cursor: null });
  await turn(0);
  expect(brief()).toEqual(["b queued", "a running"]);
});

it("events that do not begin hold the list up for a moment only, and it is read again when they do", async () => {
  void feed.show(NO_FILTERS);
  await turn(2000);
  pages[0]?.({ jobs: [job("a")], next_cursor: null });
  await turn(0);
  expect(brief()).toEqual(["a queued"]);
  live();
  await turn(2500);
  expect(pages).toHaveLength(2);
});

it("a job that its agent gave back is shown as waiting", async () => {
  void feed.show(NO_FILTERS);
  live();
  await turn(0);
  pages[0]?.({ jobs: [job("a", { state: "running", attempts: 1 })], next_cursor: null });
  await turn(0);
  tell(job("a", { attempts: 1 }));
  await turn(300);
  expect(brief()).toEqual(["a queued"]);
});

// The list of jobs: pages read from the API and events of changes, put into one order.
//
// Ids are UUIDv7, whose order as text is that of creation, so no time is compared. The list is bounded:
// where it is full, the oldest jobs leave it (the server still has them).
import type { Job, JobState } from "../api/types";

/** Jobs that the list keeps. */
export const KEPT_MAX = 10_000;

export interface Filters {
  state: JobState | "";
  language: string;
  /** `key=value`, or empty. */
  label: string;
  /** The begin of an id, or a whole one. */
  id: string;
}

export const NO_FILTERS: Filters = { state: "", language: "", label: "", id: "" };

/** Whether a job is one of those that the filters ask for. */
export function matches(job: Job, filters: Filters): boolean {
  if (filters.state !== "" && job.state !== filters.state) return false;
  if (filters.language !== "" && job.language !== filters.language) return false;
  if (filters.id !== "" && !job.id.startsWith(filters.id.toLowerCase())) return false;
  if (filters.label === "") return true;
  const label = splitLabel(filters.label);
  return label !== null && Object.hasOwn(job.labels, label.key) && job.labels[label.key] === label.value;
}

/** A label as it is asked for; `null`: not one yet. */
export function splitLabel(text: string): { key: string; value: string } | null {
  const at = text.indexOf("=");
  return at < 1 ? null : { key: text.slice(0, at), value: text.slice(at + 1) };
}

/** What the API is asked; an id that is not whole is looked for among what is there. */
export function query(filters: Filters, cursor: string | undefined, limit: number): string {
  const asked = new URLSearchParams();
  if (filters.state !== "") asked.set("state", filters.state);
  if (filters.language !== "") asked.set("language", filters.language);
  if (splitLabel(filters.label) !== null) asked.set("label", filters.label);
  if (cursor !== undefined) asked.set("cursor", cursor);
  asked.set("limit", String(limit));
  return asked.toString();
}

const WHOLE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text is a whole id. */
export function isWholeId(text: string): boolean {
  return WHOLE.test(text);
}

/** Of two answers, which come in any order: how far a state is. */
function later(one: Job, other: Job): boolean {
  if (other.state === "finished") return one.state === "finished";
  if (one.attempts !== other.attempts) return one.attempts > other.attempts || one.state === "finished";
  const order = { queued: 0, running: 1, finished: 2 };
  return order[one.state] >= order[other.state];
}

/**
 * Of an event and what is known: events come in order, so the event, were it of a job that waits again with no
 * further attempt. Only what is finished stays so: a page may have been ahead of the events.
 */
export function told(one: Job, other: Job): boolean {
  return other.state !== "finished" || one.state === "finished";
}

/**
 * `jobs` (newest first) with `changed` put in: a job that is there is replaced unless what is known of it is
 * `newer`, one that is not asked for any more leaves, a new one goes to its place.
 */
export function merge(jobs: readonly Job[], changed: readonly Job[], filters: Filters, newer = later): Job[] {
  if (changed.length === 0) return [...jobs];
  const news = new Map<string, Job>();
  for (const job of changed) {
    const known = news.get(job.id);
    if (known === undefined || newer(job, known)) news.set(job.id, job);
  }
  const kept: Job[] = [];
  for (const job of jobs) {
    const change = news.get(job.id);
    news.delete(job.id);
    const now = change !== undefined && newer(change, job) ? change : job;
    if (matches(now, filters)) kept.push(now);
  }
  const added = [...news.values()].filter((job) => matches(job, filters)).sort((a, b) => (a.id < b.id ? 1 : -1));
  return inOrder(kept, added).slice(0, KEPT_MAX);
}

/** Two lists, each newest first, as one. */
function inOrder(left: readonly Job[], right: readonly Job[]): Job[] {
  if (right.length === 0) return [...left];
  const all: Job[] = [];
  let [l, r] = [0, 0];
  for (;;) {
    const [one, other] = [left[l], right[r]];
    if (one === undefined) return all.concat(right.slice(r));
    if (other === undefined) return all.concat(left.slice(l));
    if (one.id >= other.id) {
      all.push(one);
      l += 1;
    } else {
      all.push(other);
      r += 1;
    }
  }
}

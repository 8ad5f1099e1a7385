// What an operator should look at: agents that were lost, and a queue that grows.
//
// Pure: the watch before, an event, the watch after. Only the page's own memory is used, so a page that is
// opened after an agent went does not miss it (it never knew it); one that is suspect it sees at once.
import type { Agent, Stats } from "./types";

export type Alert =
  | { kind: "agent_suspect"; agent: string; since: number }
  | { kind: "agent_lost"; agent: string; since: number }
  | { kind: "queue_grows"; since: number; from: number; to: number };

/** For how long the queue is looked back at, in milliseconds. */
export const LOOK_BACK_MS = 30_000;
/** A shorter queue raises no alert, however fast it grew. */
export const QUEUE_MIN = 20;
/** By what a queue has grown that is said to grow. */
const GROWTH = 1.5;
/** Lost agents that are remembered; the oldest are dropped. */
export const LOST_MAX = 50;
/** An agent that was silent for so long is lost: three times what its jobs are kept for it (the lease). */
export const LOST_AFTER_MS = 15_000;

export interface Watch {
  /** Agents of the last event, and whether they drained when they were last heard: those are meant to go. */
  agents: ReadonlyMap<string, boolean>;
  /** Lost agents, and when that was seen. */
  lost: ReadonlyMap<string, number>;
  suspect: ReadonlyMap<string, number>;
  /** Lost agents that the reader has taken note of; until they are back. */
  noted: ReadonlySet<string>;
  /** Lengths of the queue of the last while. */
  lengths: readonly { at: number; queued: number }[];
  grows: { since: number; from: number; to: number } | null;
}

export const NO_WATCH: Watch = { agents: new Map(), lost: new Map(), suspect: new Map(), noted: new Set(), lengths: [], grows: null };

/** The watch after an event that came at `now` (milliseconds of this page's clock). */
export function watch(before: Watch, stats: Stats, now: number): Watch {
  const lengths = [...before.lengths.filter(({ at }) => at > now - LOOK_BACK_MS), { at: now, queued: stats.queued }];
  const next = { ...before, lengths, grows: growth(before.grows, lengths, now) };
  return stats.agents_detail === undefined ? next : { ...next, ...fleet(before, stats.agents_detail, now) };
}

type OfFleet = Pick<Watch, "agents" | "lost" | "suspect" | "noted">;

function fleet(before: Watch, detail: readonly Agent[], now: number): OfFleet {
  const agents = new Map<string, boolean>();
  const suspect = new Map<string, number>();
  const lost = new Map(before.lost);
  for (const { name, state, last_seen_ms } of detail) {
    const drains = state === "draining" || (state === "suspect" && before.agents.get(name) === true);
    agents.set(name, drains);
    if (state !== "suspect") lost.delete(name);
    else if (drains) continue;
    else if (last_seen_ms >= LOST_AFTER_MS) lost.set(name, lost.get(name) ?? now);
    else suspect.set(name, before.suspect.get(name) ?? now);
  }
  for (const [name, drained] of before.agents) {
    if (!agents.has(name) && !drained) lost.set(name, lost.get(name) ?? now);
  }
  for (const name of [...lost.keys()].slice(0, Math.max(0, lost.size - LOST_MAX))) lost.delete(name);
  const noted = new Set([...before.noted].filter((name) => lost.has(name)));
  return { agents, lost, suspect, noted };
}

/** Whether the queue grows: it is half as long again as at any time before within the while looked at. */
function growth(before: Watch["grows"], lengths: Watch["lengths"], now: number): Watch["grows"] {
  const [last, first] = [lengths.at(-1), lengths[0]];
  if (last === undefined || first === undefined || last.queued < QUEUE_MIN) return null;
  const looked = last.at - first.at >= LOOK_BACK_MS / 2;
  if (looked && last.queued >= Math.max(first.queued * GROWTH, first.queued + QUEUE_MIN / 2)) {
    return { since: before?.since ?? now, from: before?.from ?? first.queued, to: last.queued };
  }
  // It is over when the queue is shorter than it was at any time of the while.
  const shortest = Math.min(...lengths.map(({ queued }) => queued));
  if (before === null || last.queued <= shortest || last.queued <= before.from) return null;
  return { ...before, to: last.queued };
}

/** Without an agent that the reader has taken note of. */
export function dismiss(before: Watch, agent: string): Watch {
  return { ...before, noted: new Set(before.noted).add(agent) };
}

/** The alerts, what is worst first. */
export function alerts(now: Watch): Alert[] {
  const unnoted = [...now.lost].filter(([agent]) => !now.noted.has(agent));
  const lost = unnoted.map(([agent, since]): Alert => ({ kind: "agent_lost", agent, since }));
  const suspect = [...now.suspect].map(([agent, since]): Alert => ({ kind: "agent_suspect", agent, since }));
  const grows: Alert[] = now.grows === null ? [] : [{ kind: "queue_grows", ...now.grows }];
  return [...lost, ...suspect, ...grows];
}

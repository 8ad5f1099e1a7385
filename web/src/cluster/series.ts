// The last hour as columns that a chart takes: read once, then carried on from the live events.
//
// A point is a step of the server's; the newest one is open and replaced by each event within it.
import { slots } from "./fleet";
import type { History, Stats } from "./types";

/** Points that are kept: an hour of 10 s. */
export const POINTS = 360;
/** Milliseconds of a step where the server has said nothing else. */
const STEP_MS = 10_000;

export const COLUMNS = [
  "queued",
  "running",
  "capacity",
  "accepted",
  "ended",
  "refused",
  "wait_p50_ms",
  "wait_p99_ms",
  "agents",
] as const;
export type ColumnName = (typeof COLUMNS)[number];
export type Columns = Record<ColumnName, (number | null)[]>;

export interface Series extends Columns {
  step_ms: number;
  /** Seconds since 1970 at the end of each point. */
  at: number[];
}

export function noSeries(): Series {
  return { step_ms: STEP_MS, at: [], ...columns(() => []) };
}

function columns(make: (name: ColumnName) => (number | null)[]): Columns {
  return Object.fromEntries(COLUMNS.map((name) => [name, make(name)])) as unknown as Columns;
}

/** The server's hour. Columns that are shorter than the longest one are filled at their begin. */
export function fromHistory(history: History): Series {
  const length = Math.min(POINTS, Math.max(0, ...COLUMNS.map((name) => history[name].length)));
  const ends = Date.parse(history.ends) / 1000;
  const step = history.step_ms / 1000;
  const at = Array.from({ length }, (_, point) => ends - (length - 1 - point) * step);
  const filled = columns((name) => {
    const told = history[name].slice(-length);
    return [...Array<null>(length - told.length).fill(null), ...told];
  });
  return { step_ms: history.step_ms, at, ...filled };
}

/** What one event says of the point that it falls into. */
function point(stats: Stats, stepMs: number): Record<ColumnName, number | null> {
  const perStep = (rate: number) => (rate * stepMs) / 1000;
  const agents = stats.agents_detail;
  return {
    queued: stats.queued,
    running: stats.running,
    capacity: agents === undefined ? null : slots(agents),
    accepted: perStep(stats.rates.accepted_per_s),
    ended: perStep(stats.rates.ended_per_s),
    refused: perStep(stats.rates.refused_per_s),
    wait_p50_ms: stats.waits.p50_ms ?? null,
    wait_p99_ms: stats.waits.p99_ms ?? null,
    agents: stats.agents ?? null,
  };
}

/** `series` with an event; steps of which nothing was told are holes. An event of the past changes nothing. */
export function append(series: Series, stats: Stats): Series {
  const now = Date.parse(stats.at) / 1000;
  const step = series.step_ms / 1000;
  const last = series.at.at(-1);
  const next: Series = { step_ms: series.step_ms, at: [...series.at], ...columns((name) => [...series[name]]) };
  const values = point(stats, series.step_ms);
  if (last === undefined) {
    push(next, now, values);
  } else if (now > last) {
    const missed = Math.min(POINTS, Math.ceil((now - last) / step) - 1);
    for (let hole = 1; hole <= missed; hole += 1) push(next, last + hole * step, null);
    push(next, last + (missed + 1) * step, values);
  } else if (now > last - step) {
    for (const name of COLUMNS) next[name][next.at.length - 1] = values[name];
  } else {
    return series;
  }
  const beyond = Math.max(0, next.at.length - POINTS);
  next.at.splice(0, beyond);
  for (const name of COLUMNS) next[name].splice(0, beyond);
  return next;
}

function push(series: Series, at: number, values: Record<ColumnName, number | null> | null): void {
  series.at.push(at);
  for (const name of COLUMNS) series[name].push(values === null ? null : values[name]);
}

/** Counts of steps as counts of a second. */
export function perSecond(column: readonly (number | null)[], stepMs: number): (number | null)[] {
  return column.map((count) => (count === null ? null : (count * 1000) / stepMs));
}

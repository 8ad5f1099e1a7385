// What the page knows of the cluster, from the events of `/v1/stats/events`; pure.
import { NO_WATCH, watch, type Watch } from "./alerts";
import { append, noSeries, type Series } from "./series";
import type { QueueRow, Stats } from "./types";

/** Without a word for so long, what is shown is said to be old. */
export const STALE_MS = 5000;

export interface Live {
  stats: Stats | null;
  series: Series;
  watch: Watch;
  /** When the server was last heard, on this page's clock; `null`: never. */
  heard: number | null;
}

export const NOTHING: Live = { stats: null, series: noSeries(), watch: NO_WATCH, heard: null };

/** After an event. One that is older than what is shown changes nothing but that the server was heard. */
export function told(before: Live, stats: Stats, now: number): Live {
  if (before.stats !== null && Date.parse(stats.at) < Date.parse(before.stats.at)) return { ...before, heard: now };
  return { stats, series: append(before.series, stats), watch: watch(before.watch, stats, now), heard: now };
}

/** After the server said anything, were it only that it is there. */
export function heard(before: Live, now: number): Live {
  return { ...before, heard: now };
}

/** After the hour was read; what was told since is put in again. */
export function remembered(before: Live, hour: Series): Live {
  return { ...before, series: before.stats === null ? hour : append(hour, before.stats) };
}

/** How long ago the server was heard, where that is too long; else `null`. */
export function staleMs(live: Live, now: number): number | null {
  if (live.heard === null) return null;
  const silent = now - live.heard;
  return silent >= STALE_MS ? silent : null;
}

export interface QueueSum {
  /** `null`: all that has no name of its own; it is the last. */
  name: string | null;
  count: number;
  oldest_ms: number;
}

/** The queue by one of its columns, the longest first. */
export function queueBy(rows: readonly QueueRow[], column: "tenant" | "language" | "priority"): QueueSum[] {
  const sums = new Map<string | null, QueueSum>();
  for (const row of rows) {
    const sum = sums.get(row[column]);
    if (sum === undefined) {
      sums.set(row[column], { name: row[column], count: row.count, oldest_ms: row.oldest_ms });
    } else {
      sum.count += row.count;
      sum.oldest_ms = Math.max(sum.oldest_ms, row.oldest_ms);
    }
  }
  return [...sums.values()].sort(
    (a, b) => Number(a.name === null) - Number(b.name === null) || b.count - a.count || ((a.name ?? "") < (b.name ?? "") ? -1 : 1),
  );
}

/** Counts by name, the most first; names of which there is none are left out. */
export function counts(of: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(of)
    .filter(([, count]) => count > 0)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}

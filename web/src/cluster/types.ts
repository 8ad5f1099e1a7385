// What the API says of the cluster: agents, counts, the last hour.
import type { Agent as Listed } from "../api/types";

/** `unclean_jobs`: jobs that left something in their sandbox. */
export type Agent = Listed & { unclean_jobs?: number | null };

/** One row of what waits; `other` stands for all beyond the bound of rows. */
export interface QueueRow {
  tenant: string;
  language: string;
  priority: string;
  count: number;
  oldest_ms: number;
}

/** Two quantiles in milliseconds; absent where nothing was measured. */
export interface Quantiles {
  p50_ms?: number | null;
  p99_ms?: number | null;
}

export interface Stats {
  at: string;
  queued: number;
  running: number;
  finished: number;
  agents: number;
  agents_suspect: number;
  queue: QueueRow[];
  rates: { accepted_per_s: number; ended_per_s: number; refused_per_s: number };
  waits: Quantiles;
  runs: Quantiles;
  outcomes: Record<string, number>;
  refusals: Record<string, number>;
  /** Absent for a key without the scope `operate`. */
  agents_detail?: Agent[];
}

type Column = (number | null)[];

/** The last hour; `null` where there was no master. */
export interface History {
  step_ms: number;
  ends: string;
  queued: Column;
  running: Column;
  capacity: Column;
  accepted: Column;
  ended: Column;
  refused: Column;
  wait_p50_ms: Column;
  wait_p99_ms: Column;
  agents: Column;
}

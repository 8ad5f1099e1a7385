/** What the API says of the cluster: agents, counts, the last hour. */

export interface AgentLanguage {
  id: string;
  version: string;
  /** `absent`, `preparing`, `ready` or `failed`. */
  image: string;
  progress?: string;
  reason?: string;
  /** Sandboxes that wait for a job. */
  warm: number;
}

export interface Agent {
  name: string;
  /** `connected`, `suspect` or `draining`. */
  state: string;
  embedded?: boolean;
  isolation: string;
  reuse?: string;
  build?: string;
  capacity: { cpus: number; memory_bytes: number; pids: number; slots: number };
  /** 0 to 1. */
  load: { cpu_busy: number; memory_busy: number };
  running: number;
  sandboxes: number;
  sandboxes_closed?: Record<string, number>;
  unclean_jobs?: number;
  installs?: boolean;
  derived_images?: number;
  derived_bytes?: number;
  memory_promised_bytes: number;
  languages: AgentLanguage[];
  last_seen_ms: number;
}

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

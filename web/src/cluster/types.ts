// What the API says of the cluster: agents, counts, the last hour.

/** What changes of an agent; versions of its languages are at `/v1/agents`. */
export interface Agent {
  name: string;
  /** `connected`, `suspect` or `draining`. */
  state: string;
  embedded: boolean;
  isolation: string;
  reuse: string;
  build: string;
  capacity: { cpus: number; memory_bytes: number; pids: number; slots: number };
  /** 0 to 1. */
  load: { cpu_busy: number; memory_busy: number };
  running: number;
  sandboxes: number;
  /** Sandboxes that wait for a job. */
  warm: number;
  languages_ready: number;
  /** Those of which sandboxes wait, or whose image is being made or could not be. */
  languages: { id: string; image: string; warm: number; progress?: string | null; reason?: string | null }[];
  /** Jobs that left something in their sandbox. */
  unclean_jobs: number;
  memory_promised_bytes: number;
  last_seen_ms: number;
}

/** One row of what waits; without names: all that has no row of its own. */
export interface QueueRow {
  tenant: string | null;
  language: string | null;
  priority: string | null;
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
  /** These four only with the scope `operate`. */
  finished?: number;
  agents?: number;
  agents_suspect?: number;
  agents_detail?: Agent[];
  queue: QueueRow[];
  rates: { accepted_per_s: number; ended_per_s: number; refused_per_s: number };
  waits: Quantiles;
  runs: Quantiles;
  outcomes: Record<string, number>;
  refusals: Record<string, number>;
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

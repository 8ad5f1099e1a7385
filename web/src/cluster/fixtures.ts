// For tests: an agent and figures of which nothing is to be said.
import type { Agent, Stats } from "./types";

export const agent = (name: string, state = "connected"): Agent => ({
  name,
  state,
  build: "1",
  embedded: false,
  isolation: "runc",
  reuse: "tenant",
  capacity: { cpus: 2, memory_bytes: 1, pids: 1, slots: 4 },
  load: { cpu_busy: 0, memory_busy: 0 },
  running: 0,
  sandboxes: 0,
  warm: 0,
  languages_ready: 0,
  unclean_jobs: 0,
  memory_promised_bytes: 0,
  languages: [],
  last_seen_ms: 0,
});

export const stats = (queued: number, at = ""): Stats => ({
  at,
  queued,
  running: 0,
  finished: 0,
  agents: 0,
  agents_suspect: 0,
  queue: [],
  rates: { accepted_per_s: 0, ended_per_s: 0, refused_per_s: 0 },
  waits: {},
  runs: {},
  outcomes: {},
  refusals: {},
});

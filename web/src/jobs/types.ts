/** What the API says of jobs, as far as these pages show it. Source: /openapi.json. */

export type JobState = "queued" | "running" | "finished";

export type Outcome =
  | "ok"
  | "compile_error"
  | "runtime_error"
  | "time_limit"
  | "memory_limit"
  | "output_limit"
  | "process_limit"
  | "file_limit"
  | "cancelled"
  | "internal_error";

export type Verdict = Outcome | "accepted" | "wrong_answer" | "skipped" | (string & {});

/** A step that ended. Outputs are absent in lists and events. */
export interface Step {
  outcome: Outcome;
  exit_code?: number;
  signal?: string;
  limit?: "cpu" | "wall";
  stdout?: string;
  stdout_base64?: string;
  stderr?: string;
  stderr_base64?: string;
  truncated: boolean;
  stdout_bytes: number;
  stderr_bytes: number;
  cpu_ms: number;
  wall_ms: number;
  memory_peak_bytes: number;
  accounting: string;
  cached?: boolean;
}

/** A case of a job; a skipped one has a verdict only. */
export interface Case extends Partial<Step> {
  name: string;
  verdict: Verdict;
  feedback?: string;
}

/** Where the time of a job went, in milliseconds. */
export interface Timing {
  queued_ms: number;
  dispatch_ms: number;
  install_ms?: number;
  sandbox_ms: number;
  compile_ms: number;
  run_ms: number;
  total_ms: number;
}

export interface KeptFile {
  path: string;
  size_bytes: number;
  executable?: boolean;
}

export type StepName = "image" | "install" | "compile" | "judge_compile" | "run" | "case";

export interface Job {
  id: string;
  state: JobState;
  language: string;
  created_at: string;
  started_at?: string;
  finished_at?: string;
  priority: "low" | "normal" | "high";
  expires_at?: string;
  queue?: { position: number; estimated_start_ms?: number };
  step?: StepName;
  case?: number;
  progress?: string;
  outcome?: Outcome;
  message?: string;
  compile?: Step;
  judge_compile?: Step;
  run?: Step;
  verdict?: Verdict;
  passed?: number;
  total?: number;
  score?: number;
  cases?: Case[];
  groups?: { name: string; weight: number; verdict: Verdict; score: number }[];
  files?: KeptFile[];
  files_error?: string;
  timing?: Timing;
  agent?: string;
  attempts: number;
  isolation?: string;
  reuse?: string;
  labels: Record<string, string>;
}

/** A page of jobs, newest first, without outputs. */
export interface JobList {
  jobs: Job[];
  next_cursor?: string;
}

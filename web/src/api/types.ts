// The API's types, as `/openapi.json` describes them (by hand: the page uses a fifth of it). Sizes in
// bytes, durations in milliseconds, times RFC 3339. A field that may be absent may also be `null`.

type Maybe<T> = T | null | undefined;

export type JobState = "queued" | "running" | "finished";
export type Outcome =
  | "ok"
  | "runtime_error"
  | "compile_error"
  | "time_limit"
  | "memory_limit"
  | "output_limit"
  | "process_limit"
  | "file_limit"
  | "cancelled"
  | "internal_error";
export type Verdict = Exclude<Outcome, "ok"> | "accepted" | "wrong_answer" | "checker_error" | "skipped";
export type StepName = "image" | "install" | "compile" | "judge_compile" | "run" | "case";
export type StreamName = "stdout" | "stderr";
export type Priority = "low" | "normal" | "high";

export interface Step {
  outcome: Outcome;
  exit_code?: Maybe<number>;
  signal?: Maybe<string>;
  limit?: Maybe<"cpu" | "wall">;
  stdout?: Maybe<string>;
  stdout_base64?: Maybe<string>;
  stderr?: Maybe<string>;
  stderr_base64?: Maybe<string>;
  stdout_bytes: number;
  stderr_bytes: number;
  truncated: boolean;
  cpu_ms: number;
  wall_ms: number;
  memory_peak_bytes: number;
  accounting: string;
  cached?: boolean;
}

/** A case: what its run came to (absent where it was skipped) and its verdict. */
export interface Case extends Partial<Step> {
  name: string;
  verdict: Verdict;
  feedback?: Maybe<string>;
  score?: Maybe<number>;
}

export interface Timing {
  queued_ms: number;
  dispatch_ms: number;
  install_ms?: Maybe<number>;
  sandbox_ms: number;
  compile_ms: number;
  run_ms: number;
  total_ms: number;
}

export interface KeptFile {
  path: string;
  size_bytes: number;
}

export interface Job {
  id: string;
  state: JobState;
  language: string;
  priority: Priority;
  created_at: string;
  started_at?: Maybe<string>;
  finished_at?: Maybe<string>;
  expires_at?: Maybe<string>;
  queue?: Maybe<{ position: number; estimated_start_ms?: Maybe<number> }>;
  prediction?: Maybe<{ cpu_ms: number; wall_ms: number; memory_bytes: number; level: string; observations: number }>;
  step?: Maybe<StepName>;
  case?: Maybe<number>;
  progress?: Maybe<string>;
  outcome?: Maybe<Outcome>;
  verdict?: Maybe<Verdict>;
  message?: Maybe<string>;
  compile?: Maybe<Step>;
  judge_compile?: Maybe<Step>;
  run?: Maybe<Step>;
  cases?: Maybe<Case[]>;
  passed?: Maybe<number>;
  total?: Maybe<number>;
  score?: Maybe<number>;
  timing?: Maybe<Timing>;
  agent?: Maybe<string>;
  attempts: number;
  isolation?: Maybe<string>;
  reuse?: Maybe<string>;
  files?: Maybe<KeptFile[]>;
  files_error?: Maybe<string>;
  labels: Record<string, string>;
}

export interface JobList {
  jobs: Job[];
  next_cursor?: Maybe<string>;
}

export interface StateEvent {
  state: JobState;
  step?: Maybe<StepName>;
  case?: Maybe<number>;
  position?: Maybe<number>;
  progress?: Maybe<string>;
  agent?: Maybe<string>;
  /** Names the attempt: where it differs from the last, its output begins anew. */
  attempt?: Maybe<string>;
}

/** Exactly one of `text` and `bytes_base64` (not UTF-8). */
export interface OutputEvent {
  step: StepName;
  stream: StreamName;
  case?: Maybe<number>;
  offset: number;
  text?: Maybe<string>;
  bytes_base64?: Maybe<string>;
}

export interface CaseEvent extends Case {
  index: number;
}

export interface LimitBound {
  default: number;
  min: number;
  max: number;
}

export type LimitName =
  | "cpu_ms"
  | "wall_ms"
  | "memory_bytes"
  | "pids"
  | "output_bytes"
  | "report_bytes"
  | "file_bytes"
  | "stack_bytes"
  | "cpus";
export type Bounds = Partial<Record<LimitName, LimitBound>>;
export type LimitValues = Partial<Record<LimitName, number>>;

export interface Language {
  id: string;
  name: string;
  aliases: string[];
  extensions: string[];
  entry: string;
  version: string;
  limits: { compile?: Maybe<Bounds>; run: Bounds };
  image: { name: string; state: string; ready: boolean; agents: number; progress?: Maybe<string>; reason?: Maybe<string> };
  installer?: Maybe<string>;
}

export interface SubmittedFile {
  path: string;
  content?: string;
  content_base64?: string;
}

export interface SubmittedCase {
  name?: string;
  stdin?: string;
  args?: string[];
  expected_stdout?: string;
}

export interface Submission {
  language: string;
  files: SubmittedFile[];
  entry?: string;
  compile?: { args: string[] };
  run?: { args?: string[]; env?: Record<string, string>; attach?: boolean };
  stdin?: string;
  cases?: SubmittedCase[];
  checker?: "exact" | "trim" | "tokens" | "unordered_lines";
  limits?: { compile?: LimitValues; run?: LimitValues };
  keep_files?: string[];
  labels?: Record<string, string>;
}

export interface Agent {
  name: string;
  build: string;
  state: string;
  isolation: string;
  reuse: string;
  running: number;
  sandboxes: number;
  sandboxes_closed: Record<string, number>;
  capacity: { cpus: number; memory_bytes: number; pids: number; slots: number };
  load: { cpu_busy: number; memory_busy: number };
  memory_promised_bytes: number;
  languages: { id: string; image: string; version: string; warm: number; progress?: Maybe<string>; reason?: Maybe<string> }[];
  last_seen_ms: number;
  embedded: boolean;
  installs: boolean;
}

export type Scope = "submit" | "read" | "operate";

export interface Key {
  id: string;
  name: string;
  tenant: string;
  scopes: Scope[];
  state: "works" | "expired" | "revoked";
  created_at: string;
  expires_at?: Maybe<string>;
  revoked_at?: Maybe<string>;
}

/** `GET /v1/session`: who the page speaks for. `open`: the server has no keys and asks for none. */
export interface Session {
  open: boolean;
  signed_in: boolean;
  tenant?: Maybe<string>;
  key?: Maybe<{ id: string; name: string; scopes: Scope[]; expires_at?: Maybe<string> }>;
  expires_at?: Maybe<string>;
}

export interface Version {
  version: string;
  api: string;
}

// One job, followed from where it is to its end.
import { json } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import { watch, type ServerEvent, type StreamState } from "../api/sse";
import type { CaseEvent, Job, OutputEvent, StateEvent } from "../api/types";
import { LiveLog } from "../parts/live-log.svelte";
import { Utf8 } from "./utf8";

export class FollowedJob {
  job = $state.raw<Job | null>(null);
  problem = $state.raw<Problem | null>(null);
  stream = $state<StreamState>("connecting");
  /** What it writes while it runs. */
  readonly log = new LiveLog();
  /** It wrote something while it was followed. */
  wrote = $state(false);
  /** Cases that ended while it was followed. */
  cases = $state.raw<readonly CaseEvent[]>([]);

  #stop: (() => void) | null = null;
  #attempt: string | null = null;
  #bytes = new Utf8();
  readonly #leaving = new AbortController();

  constructor(readonly id: string) {}

  async begin(): Promise<void> {
    await this.read();
    if (this.job === null || this.job.state === "finished" || this.#leaving.signal.aborted) return;
    this.#stop = watch(`${this.#path}/events`, {
      onEvent: (event) => this.#take(event),
      onState: (state) => (this.stream = state),
      onEnd: () => void this.read(),
      onRefused: (problem) => (this.problem = problem),
      isLast: ({ event }) => event === "finished",
    });
  }

  end(): void {
    this.#leaving.abort();
    this.#stop?.();
  }

  get #path(): string {
    return `/v1/jobs/${encodeURIComponent(this.id)}`;
  }

  /** Reads it with its outputs. */
  async read(): Promise<void> {
    try {
      this.job = await json<Job>(this.#path, { signal: this.#leaving.signal });
      this.problem = null;
    } catch (error) {
      if (!this.#leaving.signal.aborted) this.problem = asProblem(error);
    }
  }

  /** Whether it has ended; if not, its agent was told to end it. */
  async cancel(): Promise<boolean> {
    this.job = await json<Job>(`${this.#path}/cancel`, { method: "POST" });
    return this.job.state === "finished";
  }

  async erase(): Promise<void> {
    await json(this.#path, { method: "DELETE" });
    this.end();
  }

  #take({ event, data }: ServerEvent): void {
    if (this.job === null) return;
    if (event === "state") this.#state(JSON.parse(data) as StateEvent);
    else if (event === "output") this.#output(JSON.parse(data) as OutputEvent);
    else if (event === "case") this.cases = [...this.cases, JSON.parse(data) as CaseEvent];
  }

  #state(told: StateEvent): void {
    if (this.job === null) return;
    if (told.attempt && this.#attempt !== null && told.attempt !== this.#attempt) {
      this.log.clear();
      this.cases = [];
    }
    this.#attempt = told.attempt ?? this.#attempt;
    const queue = told.position ? { position: told.position, estimated_start_ms: this.job.queue?.estimated_start_ms } : null;
    const { state, step, case: index, progress } = told;
    const started = state === "running" ? (this.job.started_at ?? new Date().toISOString()) : null;
    this.job = { ...this.job, state, step, case: index, progress, queue, started_at: started, agent: told.agent ?? this.job.agent };
  }

  #output(told: OutputEvent): void {
    const text = told.text ?? this.#bytes.text(told.bytes_base64 ?? "");
    this.log.append({ step: told.step, case: told.case ?? null }, told.stream, text);
    this.wrote = true;
  }
}

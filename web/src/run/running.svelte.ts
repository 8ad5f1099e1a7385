// One job as Run follows it: sent, waited for, watched, spoken with, and found again after a reload.
//
//   idle ─ start ▶ sending ▶ queued ⇄ running ▶ finished
//     └─── resume ──────────▲       any ▶ failed (the server refused, or is gone for good)
import { attach, type Conversation, type Frame, type Signal } from "../api/attach";
import { json } from "../api/client";
import { Problem, asProblem } from "../api/problem";
import { watch, type StreamState } from "../api/sse";
import type { CaseEvent, Job, OutputEvent, StateEvent, StepName, Submission } from "../api/types";
import { kept } from "../app/kept";
import { LiveLog } from "../parts/live-log.svelte";
import { fromBase64 } from "./bytes";

export type Phase = "idle" | "sending" | "queued" | "running" | "finished" | "failed";
/** Whether the program takes live input, as the server has it. */
export type StdinStage = "waiting" | "open" | "ended" | "idle" | "closed" | "over";

interface Followed {
  id: string;
  live: boolean;
}

/** Between two looks at where a waiting job stands and when it may start. */
const QUEUE_LOOK_MS = 1500;

// This tab's only: another tab has its own job.
const store = kept<Followed | null>(
  "followed",
  (value) => (typeof (value as Followed | null)?.id === "string" ? (value as Followed) : null),
  () => sessionStorage,
);

export class Running {
  phase = $state<Phase>("idle");
  job = $state.raw<Job | null>(null);
  problem = $state.raw<Problem | null>(null);
  step = $state<StepName | null>(null);
  caseIndex = $state<number | null>(null);
  progress = $state<string | null>(null);
  position = $state<number | null>(null);
  estimatedMs = $state<number | null>(null);
  /** Cases that have ended, by their place. */
  cases = $state.raw<readonly CaseEvent[]>([]);
  stream = $state<StreamState>("connecting");
  stdin = $state<StdinStage | null>(null);
  isLive = $state(false);
  cancelling = $state(false);
  /** When it was sent or found again, in ms since 1970. */
  began = $state(0);
  readonly output = new LiveLog();

  #stop: () => void = () => {};
  #conversation: Conversation | null = null;
  #attempt: string | null = null;
  #decoders = new Map<string, TextDecoder>();
  #look: ReturnType<typeof setTimeout> | undefined;

  /** Called when a job was admitted, and when it has ended. */
  constructor(
    private readonly onAdmitted: (job: Job) => void,
    private readonly onEnded: (job: Job) => void,
  ) {}

  get isBusy(): boolean {
    return this.phase === "sending" || this.phase === "queued" || this.phase === "running";
  }

  async start(sent: Submission): Promise<void> {
    this.#reset("sending", sent.run?.attach === true);
    try {
      // So that a try whose answer was lost is not a second job.
      const headers = { "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
      const job = await json<Job>("/v1/jobs", { method: "POST", body: sent, headers });
      store.write({ id: job.id, live: this.isLive });
      this.onAdmitted(job);
      this.#take(job);
      this.#follow(job.id);
    } catch (error) {
      this.#fail(asProblem(error));
    }
  }

  /** Goes on with the job that this tab followed before a reload; whether there is one. */
  async resume(): Promise<boolean> {
    const followed = store.read();
    if (!followed) return false;
    await this.open(followed.id, followed.live);
    return true;
  }

  /** Shows a job that exists. */
  async open(id: string, live = false): Promise<void> {
    this.#reset("sending", live);
    try {
      const job = await json<Job>(`/v1/jobs/${encodeURIComponent(id)}`);
      this.isLive = live && job.state !== "finished";
      this.#take(job);
      this.#follow(id);
    } catch (error) {
      // Erased, or another server's: nothing to go on with.
      store.clear();
      const problem = asProblem(error);
      if (problem.status === 404) this.#reset("idle", false);
      else this.#fail(problem);
    }
  }

  async cancel(): Promise<void> {
    if (!this.job || this.cancelling) return;
    this.cancelling = true;
    try {
      await json(`/v1/jobs/${this.job.id}/cancel`, { method: "POST" });
    } catch (error) {
      this.problem = asProblem(error);
      this.cancelling = false;
    }
  }

  /** Sends text to the program, and shows it among the output. */
  say(text: string): boolean {
    if (!this.#conversation?.send(text)) return false;
    this.output.append({ step: "run", case: null }, "stdin", text);
    return true;
  }

  endInput(): boolean {
    return this.#conversation?.end() ?? false;
  }

  signal(name: Signal): boolean {
    return this.#conversation?.signal(name) ?? false;
  }

  /** Watches no more; the job goes on. */
  leave(): void {
    this.#stop();
    this.#conversation?.close();
    this.#conversation = null;
    clearTimeout(this.#look);
  }

  #reset(phase: Phase, live: boolean): void {
    this.leave();
    this.phase = phase;
    this.isLive = live;
    this.job = null;
    this.problem = null;
    this.cases = [];
    this.stdin = null;
    this.cancelling = false;
    this.began = Date.now();
    this.#place(null, null, null);
    this.#beginAttempt(null);
  }

  #place(step: StepName | null, caseIndex: number | null, progress: string | null): void {
    this.step = step;
    this.caseIndex = caseIndex;
    this.progress = progress;
    this.position = null;
    this.estimatedMs = null;
  }

  #beginAttempt(name: string | null): void {
    this.#attempt = name;
    this.#decoders.clear();
    this.output.clear();
    this.cases = [];
  }

  #follow(id: string): void {
    const onState = (state: StreamState): void => void (this.stream = state);
    const onRefused = (problem: Problem): void => this.#fail(problem);
    const onEnd = (): void => void this.#end(id);
    if (this.isLive) {
      const onFrame = (frame: Frame): void => this.#hear(frame.type, frame.data);
      this.#conversation = attach(id, { onFrame, onState, onEnd, onRefused });
      return;
    }
    this.#stop = watch(`/v1/jobs/${id}/events`, {
      onEvent: ({ event, data }) => this.#hear(event, JSON.parse(data)),
      isLast: ({ event }) => event === "finished",
      onState,
      onEnd,
      onRefused,
    });
  }

  #hear(kind: string, data: unknown): void {
    if (kind === "output") this.#write(data as OutputEvent);
    else if (kind === "state") this.#move(data as StateEvent);
    else if (kind === "case") this.cases = [...this.cases.filter((one) => one.index !== (data as CaseEvent).index), data as CaseEvent];
    else if (kind === "stdin") this.stdin = (data as { stage: StdinStage }).stage;
    else if (kind === "error") this.problem = new Problem((data as { code: string }).code, 0, (data as { detail: string }).detail);
  }

  #move(event: StateEvent): void {
    if (event.attempt && event.attempt !== this.#attempt) this.#beginAttempt(event.attempt);
    if (event.state === "finished") return;
    this.phase = event.state;
    this.#place(event.step ?? null, event.case ?? null, event.progress ?? null);
    this.position = event.position ?? null;
    if (event.state === "queued") this.#lookAtQueue();
  }

  #write(event: OutputEvent): void {
    const section = { step: event.step, case: event.case ?? null };
    this.output.append(section, event.stream, this.#text(event));
  }

  /** A character may come in two events, of which none is text then. */
  #text(event: OutputEvent): string {
    const key = `${event.step} ${event.case ?? ""} ${event.stream}`;
    if (event.bytes_base64) {
      const decoder = this.#decoders.get(key) ?? new TextDecoder();
      this.#decoders.set(key, decoder);
      return decoder.decode(fromBase64(event.bytes_base64), { stream: true });
    }
    return (this.#decoders.get(key)?.decode() ?? "") + (event.text ?? "");
  }

  #lookAtQueue(): void {
    clearTimeout(this.#look);
    this.#look = setTimeout(() => void this.#ask(), QUEUE_LOOK_MS);
  }

  async #ask(): Promise<void> {
    const id = this.job?.id;
    if (!id || this.phase !== "queued") return;
    try {
      const job = await json<Job>(`/v1/jobs/${id}`);
      if (this.phase !== "queued" || this.job?.id !== id) return;
      this.#take(job);
    } catch {
      // The stream tells when the server is gone.
    }
    if (this.phase === "queued") this.#lookAtQueue();
  }

  #take(job: Job): void {
    this.job = job;
    if (job.state === "finished") return;
    this.phase = job.state;
    this.position = job.queue?.position ?? null;
    this.estimatedMs = job.queue?.estimated_start_ms ?? null;
    if (job.state === "queued") this.#lookAtQueue();
  }

  async #end(id: string): Promise<void> {
    this.leave();
    try {
      // Events tell outcomes without outputs; cases are compared with theirs.
      const job = await json<Job>(`/v1/jobs/${id}`);
      if (this.job?.id !== id) return;
      this.job = job;
      this.cases = (job.cases ?? []).map((one, index) => ({ ...one, index }));
      this.phase = "finished";
      this.#place(null, null, null);
      this.onEnded(job);
    } catch (error) {
      this.#fail(asProblem(error));
    }
  }

  #fail(problem: Problem): void {
    this.leave();
    this.problem = problem;
    this.phase = "failed";
  }
}

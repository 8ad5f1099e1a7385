// Server-sent events over fetch: unlike EventSource it tells a refusal from a break, and can be stopped
// and resumed at an event of our choice.
import { ask } from "./client";
import { Problem, asProblem } from "./problem";
import { EventParser, type ServerEvent } from "./sse-parse";

export type { ServerEvent };
export type StreamState = "connecting" | "live" | "broken";

export interface Watched {
  onEvent(event: ServerEvent): void;
  /** Anything came, were it a comment that only says that the server is there. */
  onHeard?(): void;
  /** Called at each change; `broken` says that a new try follows. */
  onState?(state: StreamState): void;
  /** The server has no more to tell (204), or the stream ended after `isLast`. */
  onEnd?(): void;
  /** It was refused for good: no new try. */
  onRefused?(problem: Problem): void;
  /** An event after which the end of the stream is no break. */
  isLast?(event: ServerEvent): boolean;
  /** Go on after this event. */
  after?: string;
}

const WAIT_MS_MIN = 250;
const WAIT_MS_MAX = 8000;

/** Watches a stream until it ends, is refused, or the function returned is called. */
export function watch(path: string, watched: Watched): () => void {
  const stop = new AbortController();
  void follow(path, watched, stop.signal);
  return () => stop.abort();
}

async function follow(path: string, watched: Watched, signal: AbortSignal): Promise<void> {
  let after = watched.after ?? "";
  let tries = 0;
  while (!signal.aborted) {
    watched.onState?.(tries === 0 ? "connecting" : "broken");
    let problem: Problem | null = null;
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (after !== "") headers["last-event-id"] = after;
      const answer = await ask(path, { headers, signal });
      if (answer.status === 204) return watched.onEnd?.();
      watched.onState?.("live");
      const ended = await read(answer, watched, (id) => {
        after = id;
        tries = 0;
      });
      if (ended) return watched.onEnd?.();
    } catch (error) {
      if (signal.aborted) return;
      problem = asProblem(error);
      if (isFinal(problem)) return watched.onRefused?.(problem);
    }
    tries += 1;
    watched.onState?.("broken");
    await pause(problem?.retryAfterMs ?? backoff(tries), signal);
  }
}

/** Whether asking again would be answered the same. */
function isFinal({ status }: Problem): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

async function read(answer: Response, watched: Watched, seen: (id: string) => void): Promise<boolean> {
  const reader = answer.body?.getReader();
  if (!reader) return false;
  const parser = new EventParser();
  const text = new TextDecoder();
  let last = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return last;
    watched.onHeard?.();
    for (const event of parser.take(text.decode(value, { stream: true }))) {
      if (event.id !== "") seen(event.id);
      watched.onEvent(event);
      last = watched.isLast?.(event) ?? false;
    }
  }
}

/** Doubles up to a bound; the half that is drawn keeps many pages from coming back at once. */
export function backoff(tries: number, random: () => number = Math.random): number {
  const full = Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** Math.min(tries - 1, 10));
  return full / 2 + (full / 2) * random();
}

/** Waits; ends early when the browser is online again or the watch is stopped. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    globalThis.addEventListener?.("online", end);
    signal.addEventListener("abort", end);
  });
}

// The cluster, followed: one stream of events, the hour before it, and a watch on the line itself.
import { json } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import { watch, type StreamState } from "../api/sse";
import { dismiss } from "./alerts";
import { NOTHING, heard, remembered, staleMs, told, type Live } from "./live";
import { fromHistory } from "./series";
import type { History, Stats } from "./types";

/** How often it is looked whether the server is silent. */
const LOOK_MS = 500;
/** A line that was silent for so long is given up: a proxy may hold it open though nobody is there. */
const GIVE_UP_MS = 12_000;

export class Cluster {
  live = $state.raw<Live>(NOTHING);
  stream = $state<StreamState>("connecting");
  problem = $state.raw<Problem | null>(null);
  /** For how long the server has been silent, where that is too long. */
  silentMs = $state<number | null>(null);
  /** Bytes of all events so far, as they were read: what this page costs. */
  bytes = 0;

  #stop: (() => void) | null = null;
  #looking: ReturnType<typeof setInterval> | null = null;
  #begun = 0;

  begin(): void {
    this.#follow();
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
  }

  end(): void {
    this.#stop?.();
    this.#stop = null;
    if (this.#looking !== null) clearInterval(this.#looking);
  }

  dismiss(agent: string): void {
    this.live = { ...this.live, watch: dismiss(this.live.watch, agent) };
  }

  #follow(): void {
    this.#stop?.();
    this.#begun = Date.now();
    this.#stop = watch("/v1/stats/events", {
      onEvent: ({ event, data }) => {
        if (event !== "stats") return;
        this.bytes += data.length;
        this.live = told(this.live, JSON.parse(data) as Stats, Date.now());
        this.silentMs = null;
      },
      onHeard: () => (this.live = heard(this.live, Date.now())),
      onState: (state) => {
        this.stream = state;
        if (state === "live") void this.#remember();
      },
      onRefused: (problem) => (this.problem = problem),
    });
  }

  /** Reads the hour: at the begin, and after each break, whose time it fills. */
  async #remember(): Promise<void> {
    try {
      const hour = await json<History>("/v1/stats/history?of=hour");
      // What was told while it was read stays.
      this.live = remembered(this.live, fromHistory(hour));
      this.problem = null;
    } catch (error) {
      this.problem = asProblem(error);
    }
  }

  #look(): void {
    const now = Date.now();
    this.silentMs = staleMs(this.live, now);
    const since = Math.max(this.#begun, this.live.heard ?? 0);
    if (this.stream === "live" && now - since > GIVE_UP_MS) this.#follow();
  }
}

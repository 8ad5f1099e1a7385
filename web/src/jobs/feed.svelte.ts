// The list of jobs, alive: pages from the API, changes from its events.
//
// Changes are put in a few times a second, however many come. A reader who fell behind is told so by the
// server (`gap`) and reads the list again.
import { json } from "../api/client";
import { asProblem, type Problem } from "../api/problem";
import { watch, type ServerEvent, type StreamState } from "../api/sse";
import type { Job, JobList } from "../api/types";
import { KEPT_MAX, NO_FILTERS, isWholeId, matches, merge, query, told, type Filters } from "./list";

/** Jobs of a page; the server's bound. */
export const PAGE_JOBS = 200;
/** How often changes are put in. */
const PUT_MS = 200;
/** Changes that are held; beyond, the list is read again. */
const HELD_MAX = KEPT_MAX;
/** The list is not read again more often than this. */
const AGAIN_MS = 2000;
/** Pages that are read again at once. */
const AGAIN_PAGES = 5;
/** The first page waits so long for the events: some proxies hold back even the begin of a stream. */
const LIVE_MS = 1500;

export class JobFeed {
  jobs = $state.raw<readonly Job[]>([]);
  loading = $state(true);
  problem = $state.raw<Problem | null>(null);
  stream = $state<StreamState>("connecting");
  paused = $state(false);
  /** Changes that wait because of the pause. */
  held = $state(0);
  /** There are older ones. */
  more = $state(false);
  /** How deep the list is looked at: the index of the last row that is seen. */
  depth = 0;

  #filters: Filters = NO_FILTERS;
  #cursor: string | undefined;
  #changes = new Map<string, Job>();
  #gap = false;
  #putting: ReturnType<typeof setTimeout> | null = null;
  #again: ReturnType<typeof setTimeout> | null = null;
  #begin: ReturnType<typeof setTimeout> | null = null;
  /** The first page was asked for. */
  #begun = false;
  #reading = new AbortController();
  #stop: (() => void) | null = null;

  /** Shows what these filters ask for; events are followed from the first call on, and read before the first page. */
  async show(filters: Filters): Promise<void> {
    this.#filters = filters;
    if (this.#begun) return this.#read(1);
    this.#begin ??= setTimeout(() => this.#readFirst(), LIVE_MS);
    this.#stop ??= watch("/v1/jobs/events", {
      onEvent: (event) => this.#take(event),
      onState: (state) => {
        this.stream = state;
        // What happened while the line was down is not told again.
        if (state === "live" && this.#begun) this.#readAgain();
        else if (state !== "connecting") this.#readFirst();
      },
      onRefused: (problem) => {
        this.problem = problem;
        this.#readFirst();
      },
    });
  }

  #readFirst(): void {
    if (this.#begin !== null) clearTimeout(this.#begin);
    this.#begin = null;
    if (this.#begun) return;
    this.#begun = true;
    void this.#read(1);
  }

  end(): void {
    this.#reading.abort();
    this.#stop?.();
    this.#stop = null;
    if (this.#putting !== null) clearTimeout(this.#putting);
    if (this.#again !== null) clearTimeout(this.#again);
    if (this.#begin !== null) clearTimeout(this.#begin);
    this.#putting = this.#again = this.#begin = null;
    this.#begun = false;
  }

  pause(paused: boolean): void {
    this.paused = paused;
    if (!paused) this.#put();
  }

  /** Puts the next older page in, if there is one and none is being read. */
  async older(): Promise<void> {
    if (this.loading || !this.more) return;
    const signal = this.#reading.signal;
    await this.#loads(signal, async () => {
      const page = await this.#page(this.#cursor, signal);
      this.#cursor = page.next_cursor ?? undefined;
      this.jobs = merge(this.jobs, page.jobs, this.#filters);
      this.more = this.#cursor !== undefined && this.jobs.length < KEPT_MAX;
    });
  }

  /** Reads the newest pages anew. */
  async #read(pages: number): Promise<void> {
    this.#reading.abort();
    this.#reading = new AbortController();
    const signal = this.#reading.signal;
    await this.#loads(signal, async () => {
      let [read, cursor]: [Job[], string | undefined] = [[], undefined];
      for (let page = 0; page < pages; page += 1) {
        const answer = await this.#page(cursor, signal);
        read = read.concat(answer.jobs);
        cursor = answer.next_cursor ?? undefined;
        if (cursor === undefined) break;
      }
      if (isWholeId(this.#filters.id)) read = read.concat(await this.#one(this.#filters.id, signal));
      this.#cursor = cursor;
      this.jobs = merge([], read, this.#filters);
      this.more = cursor !== undefined;
      this.problem = null;
    });
  }

  /** What is told meanwhile is put in after it: it is the newer. */
  async #loads(signal: AbortSignal, read: () => Promise<void>): Promise<void> {
    this.loading = true;
    try {
      await read();
    } catch (error) {
      if (!signal.aborted) this.problem = asProblem(error);
    } finally {
      if (!signal.aborted) {
        this.loading = false;
        this.#put();
      }
    }
  }

  #page(cursor: string | undefined, signal: AbortSignal): Promise<JobList> {
    return json<JobList>(`/v1/jobs?${query(this.#filters, cursor, PAGE_JOBS)}`, { signal });
  }

  /** A job by its id, were it older than all that is listed; none where there is none. */
  async #one(id: string, signal: AbortSignal): Promise<Job[]> {
    try {
      return [await json<Job>(`/v1/jobs/${id}`, { signal })];
    } catch (error) {
      if (asProblem(error).status === 404) return [];
      throw error;
    }
  }

  #take(event: ServerEvent): void {
    if (event.event === "gap") return this.#readAgain();
    if (event.event !== "job") return;
    const job = JSON.parse(event.data) as Job;
    const known = this.#changes.has(job.id);
    if (!known && this.#changes.size >= HELD_MAX) {
      this.#gap = true;
      return;
    }
    this.#changes.set(job.id, job);
    if (this.paused) this.held = this.#changes.size;
    else this.#putting ??= setTimeout(() => this.#put(), PUT_MS);
  }

  #put(): void {
    if (this.#putting !== null) clearTimeout(this.#putting);
    this.#putting = null;
    // A page on its way may be older than they are: they go in after it.
    if (this.paused || this.loading) return;
    this.held = 0;
    if (this.#gap) {
      this.#gap = false;
      this.#changes.clear();
      this.#readAgain();
      return;
    }
    // A job that is older than all that was read is not put in: between would be a hole.
    const last = this.more ? this.jobs.at(-1)?.id : undefined;
    const changes = [...this.#changes.values()].filter(({ id }) => last === undefined || id >= last);
    this.#changes.clear();
    if (changes.length > 0) this.jobs = merge(this.jobs, changes, this.#filters, told);
    if (this.jobs.length >= KEPT_MAX) this.more = false;
  }

  #readAgain(): void {
    if (this.paused) {
      this.#gap = true;
      return;
    }
    this.#again ??= setTimeout(() => {
      this.#again = null;
      const pages = Math.min(AGAIN_PAGES, Math.ceil((this.depth + 1) / PAGE_JOBS));
      void this.#read(pages);
    }, AGAIN_MS);
  }

  /** Takes an erased job out. */
  drop(id: string): void {
    this.#changes.delete(id);
    this.jobs = this.jobs.filter((job) => job.id !== id && matches(job, this.#filters));
  }
}

// Where the time of a job went, as parts of one bar.
import type { Job, Timing } from "../api/types";

export type PartName = "queued" | "dispatch" | "install" | "sandbox" | "compile" | "run";

export interface Part {
  name: PartName;
  ms: number;
  /** Of the whole bar, 0 to 1. */
  share: number;
  /** It goes on. */
  open: boolean;
}

const ENDED: readonly [PartName, keyof Timing][] = [
  ["queued", "queued_ms"],
  ["dispatch", "dispatch_ms"],
  ["install", "install_ms"],
  ["sandbox", "sandbox_ms"],
  ["compile", "compile_ms"],
  ["run", "run_ms"],
];

/**
 * The parts of a job's time. Of one that has ended they are those that the server measured; of another what
 * the times of its states tell at `now` (milliseconds of the server's clock), the last one open.
 */
export function parts(job: Job, now: number): Part[] {
  if (job.timing) return ofEnded(job.timing);
  const created = Date.parse(job.created_at);
  const started = job.started_at ? Date.parse(job.started_at) : undefined;
  const waits = job.state === "queued";
  const queued = Math.max(0, (waits ? now : (started ?? now)) - created);
  const all: Part[] = [{ name: "queued", ms: queued, share: 0, open: waits }];
  if (!waits && started !== undefined) {
    all.push({ name: openPart(job), ms: Math.max(0, now - started), share: 0, open: true });
  }
  return withShares(all);
}

function ofEnded(timing: Timing): Part[] {
  const all = ENDED.flatMap(([name, field]): Part[] => {
    const ms = timing[field];
    return ms == null ? [] : [{ name, ms: Math.max(0, ms), share: 0, open: false }];
  });
  return withShares(all);
}

function openPart(job: Job): PartName {
  switch (job.step) {
    case "install":
      return "install";
    case "compile":
    case "judge_compile":
      return "compile";
    case "run":
    case "case":
      return "run";
    default:
      return "sandbox";
  }
}

function withShares(all: Part[]): Part[] {
  const sum = all.reduce((total, part) => total + part.ms, 0);
  return all.map((part) => ({ ...part, share: sum === 0 ? 0 : part.ms / sum }));
}

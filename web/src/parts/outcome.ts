// What a job came to, in one word, and the colour that stands by it.
import type { Job, Outcome, Verdict } from "../api/types";

export type Standing = Outcome | Verdict | "queued" | "running";
export type Tone = "good" | "bad" | "warn" | "info" | "quiet";

/** Never a colour alone: its name always stands by. */
export function toneOf(of: Standing): Tone {
  if (of === "ok" || of === "accepted") return "good";
  if (of === "running") return "info";
  if (of === "queued" || of === "cancelled" || of === "skipped") return "quiet";
  // What it was not let do, or what is no fault of the program's.
  return of.endsWith("_limit") || of === "internal_error" || of === "checker_error" ? "warn" : "bad";
}

/** The verdict of a job with cases, else its outcome: trouble of ours says more than a verdict. */
export function endOf(job: Job): Outcome | Verdict | null {
  return job.outcome === "ok" ? (job.verdict ?? job.outcome) : (job.outcome ?? null);
}

/** The same, or how far it is. */
export function standing(job: Job): Standing {
  if (job.state === "queued" || job.state === "running") return job.state;
  return endOf(job) ?? "internal_error";
}

import type { Job, Outcome, Verdict } from "../api/types";

export type Tone = "good" | "bad" | "warn" | "info" | "plain";

/** How what a job came to is coloured; its name always stands by. */
export function tone(of: Outcome | Verdict | "queued" | "running"): Tone {
  switch (of) {
    case "ok":
    case "accepted":
      return "good";
    case "running":
      return "info";
    case "time_limit":
    case "memory_limit":
    case "output_limit":
    case "process_limit":
    case "file_limit":
      return "warn";
    case "queued":
    case "cancelled":
    case "skipped":
      return "plain";
    default:
      return "bad";
  }
}

/** What a job is called in short: its verdict, its outcome, or how far it is. */
export function standing(job: Job): Outcome | Verdict | "queued" | "running" {
  if (job.state === "queued" || job.state === "running") return job.state;
  // A verdict says more than that the job came to its end; trouble of ours says more than a verdict.
  if (job.outcome === "ok") return job.verdict ?? "ok";
  return job.outcome ?? "internal_error";
}

// What a job came to, as one look shows it: outcome, how it ended, what it used against its limits.
import type { Bounds, Job, Language, LimitName, LimitValues, Outcome, Step } from "../api/types";
import type { Text } from "../text/en";

export interface Use {
  name: "cpu" | "wall" | "memory";
  used: number;
  limit: number | null;
  /** This limit ended the program. */
  over: boolean;
}

/** `exit code 3`, `signal SIGSEGV`, and which limit of time. */
export function ended(job: Job, text: Text): string[] {
  const step = deciding(job);
  const said: string[] = [];
  if (job.total) said.push(text.run.cases.passed(job.passed ?? 0, job.total));
  if (step?.outcome === "time_limit" && step.limit) said.push(text.run.result.limit[step.limit]);
  if (step?.signal) said.push(text.run.result.signal(step.signal));
  else if (typeof step?.exit_code === "number") said.push(text.run.result.exit(step.exit_code));
  if (job.attempts > 1) said.push(text.run.result.attempts(job.attempts));
  return said;
}

/** The step whose end is the job's end. */
function deciding(job: Job): Step | null {
  if (job.outcome === "compile_error") return job.compile ?? null;
  return job.run ?? null;
}

/** What was used: of the compiler where it failed, else of the run, of the worst case where there are many. */
export function uses(job: Job, language: Language | undefined, asked: { run: LimitValues; compile: LimitValues }): Use[] {
  const isCompile = job.outcome === "compile_error";
  const steps: Partial<Step>[] = isCompile ? [job.compile ?? {}] : job.run ? [job.run] : (job.cases ?? []);
  if (!steps.some((step) => step.cpu_ms !== undefined)) return [];
  const limit = limitIn(isCompile ? language?.limits.compile : language?.limits.run, isCompile ? asked.compile : asked.run);
  const most = (of: (step: Partial<Step>) => number | undefined): number => Math.max(0, ...steps.map((step) => of(step) ?? 0));
  const hits = (outcome: Outcome, which?: "cpu" | "wall"): boolean =>
    steps.some((step) => step.outcome === outcome && (which === undefined || step.limit === which));
  return [
    { name: "cpu", used: most((step) => step.cpu_ms), limit: limit("cpu_ms"), over: hits("time_limit", "cpu") },
    { name: "wall", used: most((step) => step.wall_ms), limit: limit("wall_ms"), over: hits("time_limit", "wall") },
    { name: "memory", used: most((step) => step.memory_peak_bytes), limit: limit("memory_bytes"), over: hits("memory_limit") },
  ];
}

function limitIn(bounds: Bounds | null | undefined, asked: LimitValues): (name: LimitName) => number | null {
  return (name) => asked[name] ?? bounds?.[name]?.default ?? null;
}

/** Bytes written and bytes kept, where fewer were kept. */
export function cutShort(job: Job, limits: LimitValues): { kept: number; written: number } | null {
  const step = job.run;
  if (!step?.truncated) return null;
  const kept = Math.min(limits.report_bytes ?? 0, step.stdout_bytes) + Math.min(limits.report_bytes ?? 0, step.stderr_bytes);
  return { kept, written: step.stdout_bytes + step.stderr_bytes };
}

// Everything that can go wrong between the page and the server, as one type.

export interface ProblemBody {
  code: string;
  title: string;
  detail: string;
  status: number;
  field?: string | null;
}

/** Codes that are the page's own; all others are the server's (`/docs`). */
export const UNREACHABLE = "unreachable";
export const NOT_UNDERSTOOD = "not_understood";

export class Problem extends Error {
  constructor(
    readonly code: string,
    /** HTTP status; 0 where there was no answer. */
    readonly status: number,
    readonly detail: string,
    readonly field: string | null = null,
    /** How long the server asks to wait before the next try. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(detail);
    this.name = "Problem";
  }
}

/** The problem that a refused answer tells of, whoever made it (a proxy answers in HTML). */
export async function problemOf(answer: Response): Promise<Problem> {
  const seconds = Number(answer.headers.get("retry-after") ?? Number.NaN);
  const retry = Number.isFinite(seconds) ? seconds * 1000 : null;
  try {
    const body = (await answer.json()) as Partial<ProblemBody>;
    if (typeof body.code === "string" && typeof body.detail === "string") {
      return new Problem(body.code, answer.status, body.detail, body.field ?? null, retry);
    }
  } catch {
    // Not JSON: what follows says what is known.
  }
  return new Problem(NOT_UNDERSTOOD, answer.status, `${answer.status} ${answer.statusText}`.trim(), null, retry);
}

/** Any thrown thing as a problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(UNREACHABLE, 0, error instanceof Error ? error.message : String(error));
}

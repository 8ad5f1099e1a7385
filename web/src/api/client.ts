// JSON over fetch. The page and the API share an origin, so paths are enough and the session's cookie
// goes along by itself.
import { NOT_UNDERSTOOD, Problem, UNREACHABLE, problemOf } from "./problem";

export interface Ask {
  method?: "GET" | "POST" | "DELETE";
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

type SignedOut = () => void;
let onSignedOut: SignedOut = () => {};

/** Called when an answer says that the session has ended (401). */
export function whenSignedOut(listener: SignedOut): void {
  onSignedOut = listener;
}

/** The answer as it is; throws a `Problem` where it is a refusal or there is none. */
export async function ask(path: string, { method = "GET", body, headers = {}, signal }: Ask = {}): Promise<Response> {
  const init: RequestInit = { method, headers: { ...headers }, cache: "no-store" };
  if (signal) init.signal = signal;
  if (method === "POST") {
    init.headers = { ...headers, "content-type": "application/json" };
    init.body = JSON.stringify(body ?? {});
  }
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(UNREACHABLE, 0, error instanceof Error ? error.message : String(error));
  }
  if (answer.ok) return answer;
  const problem = await problemOf(answer);
  if (problem.status === 401) onSignedOut();
  throw problem;
}

/** The answer's JSON, of the type that the API's description gives. */
export async function json<T>(path: string, how: Ask = {}): Promise<T> {
  const answer = await ask(path, how);
  if (answer.status === 204) return undefined as T;
  try {
    return (await answer.json()) as T;
  } catch (error) {
    if (how.signal?.aborted) throw error;
    throw new Problem(NOT_UNDERSTOOD, answer.status, "the answer is not JSON");
  }
}

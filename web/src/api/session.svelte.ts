// Who the page speaks for. The key itself is never kept here: the server gives a cookie that scripts
// cannot read.
import { json, whenSignedOut } from "./client";
import { asProblem, type Problem } from "./problem";
import type { Scope, Session } from "./types";

let current = $state.raw<Session | null>(null);
let trouble = $state.raw<Problem | null>(null);

/** `null` until it is known. */
export function session(): Session | null {
  return current;
}

/** Why it is not known. */
export function sessionProblem(): Problem | null {
  return trouble;
}

/** Whether requests will be let in: nobody is asked for a key, or one was given. */
export function mayEnter(): boolean {
  return current !== null && (current.open || current.signed_in);
}

export function may(scope: Scope): boolean {
  if (!current) return false;
  return current.open || (current.key?.scopes.includes(scope) ?? false);
}

export async function loadSession(): Promise<void> {
  try {
    current = await json<Session>("/v1/session");
    trouble = null;
  } catch (error) {
    trouble = asProblem(error);
  }
}

/** Throws the `Problem` of a key that is refused. */
export async function signIn(key: string): Promise<void> {
  await json("/v1/session", { method: "POST", body: { key } });
  await loadSession();
}

export async function signOut(): Promise<void> {
  await json("/v1/session", { method: "DELETE" });
  await loadSession();
}

whenSignedOut(() => {
  if (current?.signed_in) current = { open: false, signed_in: false };
});

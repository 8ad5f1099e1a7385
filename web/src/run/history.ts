// The programs that this browser ran. Kept here only, bounded, and cleared by a button.
import type { Outcome, Verdict } from "../api/types";
import { kept } from "../app/kept";
import { parseProgram, type Program } from "./program";

export interface Past {
  /** The job's id; empty where it was not run (a draft that a link replaced). */
  id: string;
  /** When, in ms since 1970. */
  at: number;
  outcome: Outcome | Verdict | null;
  program: Program;
}

export const PAST_MAX = 50;
/** A program that is larger is not kept, in UTF-16 units of JSON. */
const PROGRAM_CHARS_MAX = 100_000;
/** All of them: browsers give some 5 million to a site. */
const PAST_CHARS_MAX = 1_500_000;

const store = kept<Past[]>("history", (value) => (Array.isArray(value) ? value.flatMap(parsePast) : []));

function parsePast(value: Partial<Past> | null): Past[] {
  const program = parseProgram(value?.program);
  if (!program || typeof value?.at !== "number" || typeof value.id !== "string") return [];
  return [{ id: value.id, at: value.at, outcome: value.outcome ?? null, program }];
}

/** Newest first. */
export function past(): Past[] {
  return store.read();
}

/** Adds one, or takes what is new of one with the same id. Whether it could be kept. */
export function remember(one: Past): boolean {
  if (JSON.stringify(one.program).length > PROGRAM_CHARS_MAX) return false;
  const others = store.read().filter((other) => other.id === "" || other.id !== one.id);
  return store.write(bounded([one, ...others]));
}

/** Adds how a job ended. */
export function rememberEnd(id: string, outcome: Past["outcome"]): void {
  store.write(store.read().map((one) => (one.id === id ? { ...one, outcome } : one)));
}

/** The program of a job that was run from here. */
export function programOf(id: string): Program | null {
  return store.read().find((one) => one.id === id)?.program ?? null;
}

export function forgetPast(): void {
  store.clear();
}

/** As many of the newest as there is room for. */
export function bounded(list: readonly Past[]): Past[] {
  let room = PAST_CHARS_MAX;
  return list.slice(0, PAST_MAX).filter((one) => (room -= JSON.stringify(one).length) >= 0);
}

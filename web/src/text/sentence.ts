import type { Problem } from "../api/problem";
import type { Text } from "./en";

/** What to tell a person of a problem: our own words where we have them, else the server's. */
export function sentence(problem: Problem, text: Text): string {
  return text.problems[problem.code] ?? problem.detail;
}

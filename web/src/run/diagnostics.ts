// Errors and warnings of compilers and runtimes, as marks in the editor. What no rule knows is still in
// the output, word for word.
import { placesIn } from "../parts/places";

export type Severity = "error" | "warning" | "info";

export interface Diagnostic {
  path: string;
  /** From 1. */
  line: number;
  /** From 1; 0 where it was not named. */
  column: number;
  severity: Severity;
  message: string;
}

/** More marks than anybody reads; C++ makes thousands of one mistake. */
const DIAGNOSTICS_MAX = 100;

/** What the output of a failed step says of files that we have. */
export function diagnostics(output: string, paths: readonly string[]): Diagnostic[] {
  const lines = output.split("\n");
  const ends = endsOf(lines);
  const found: Diagnostic[] = [];
  for (let at = 0; at < lines.length && found.length < DIAGNOSTICS_MAX; at += 1) {
    const one = ofRust(lines, at, paths) ?? ofLine(lines[at] ?? "", paths) ?? ofTrace(lines, at, ends, paths);
    if (one && !found.some((other) => isSame(other, one))) found.push(one);
  }
  return found;
}

const isSame = (a: Diagnostic, b: Diagnostic): boolean => a.path === b.path && a.line === b.line && a.message === b.message;

/** `path:1:2: error: text` of gcc, ghc and others; `path:1: error: text` of javac; `path(1,2): error TS1: text` of tsc; `./path:1:2: text` of go. */
function ofLine(line: string, paths: readonly string[]): Diagnostic | null {
  const place = placesIn(line, paths)[0];
  if (!place || line.slice(0, place.start).trim() !== "" || line.slice(place.start).startsWith("File ")) return null;
  const rest = line.slice(place.end).replace(/^\s*:?\s*/, "");
  if (rest === "") return null;
  const word = /^\[?(fatal error|error|warning|note|info)\b\]?/i.exec(rest)?.[1]?.toLowerCase() ?? "error";
  if (word === "note") return null;
  const severity: Severity = word === "warning" ? "warning" : word === "info" ? "info" : "error";
  const message = rest.replace(/^\[?(?:fatal error|error|warning|info)\]?\s*:?\s*/i, "").trim();
  return { path: place.path, line: place.line, column: place.column, severity, message: message || rest };
}

/** `error[E1]: text`, and on the next line ` --> path:1:2`. */
function ofRust(lines: readonly string[], at: number, paths: readonly string[]): Diagnostic | null {
  const arrow = /^\s*-->\s/.test(lines[at] ?? "");
  const place = arrow ? placesIn(lines[at] ?? "", paths)[0] : undefined;
  const head = /^(error|warning)(?:\[\w+\])?: (.*)$/.exec(lines[at - 1] ?? "");
  if (!place || !head) return null;
  const severity = head[1] === "warning" ? "warning" : "error";
  return { path: place.path, line: place.line, column: place.column, severity, message: head[2] ?? "" };
}

const MESSAGE = /^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Iteration)\b/;

/** The first message at or below each line. Looked for from each line anew, a long trace would freeze the page. */
function endsOf(lines: readonly string[]): (string | undefined)[] {
  const ends = new Array<string | undefined>(lines.length);
  for (let at = lines.length - 1; at >= 0; at -= 1) ends[at] = MESSAGE.test(lines[at] ?? "") ? lines[at] : ends[at + 1];
  return ends;
}

/** Python's `File "path", line 1` (the error stands at the end), and node's `path:1` with the error below. */
function ofTrace(lines: readonly string[], at: number, ends: readonly (string | undefined)[], paths: readonly string[]): Diagnostic | null {
  const line = lines[at] ?? "";
  const place = placesIn(line, paths)[0];
  if (!place) return null;
  const isPython = /^\s*File "/.test(line);
  const isNode = line.slice(place.end).trim() === "" && line.slice(0, place.start).trim() === "";
  if (!isPython && !isNode) return null;
  const message = ends[at + 1];
  if (message === undefined) return null;
  return { path: place.path, line: place.line, column: place.column, severity: "error", message };
}

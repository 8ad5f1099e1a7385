// A program as the page holds it: what the editor, the input and the limits say, before it is a job.
import type { Language, LimitValues, Submission, SubmittedFile } from "../api/types";
import { words } from "./words";

export interface ProgramFile {
  path: string;
  text: string;
  /** Base64 of a file that is not text; `text` is empty then. */
  bytes?: string;
}

export interface ProgramCase {
  name: string;
  stdin: string;
  /** Empty: any output will do. */
  expected: string;
}

/** Where the program's input comes from. */
export const INPUTS = ["text", "cases", "live"] as const;
export type Input = (typeof INPUTS)[number];

export const CHECKERS = ["trim", "exact", "tokens", "unordered_lines"] as const;
export type Checker = (typeof CHECKERS)[number];

export interface Program {
  language: string;
  files: ProgramFile[];
  input: Input;
  stdin: string;
  cases: ProgramCase[];
  checker: Checker;
  /** Words as a shell splits them. */
  args: string;
  compileArgs: string;
  limits: { run: LimitValues; compile: LimitValues };
  /** Paths of files to give back, as words. */
  keep: string;
}

/** Live output ends where the answer ends; the server's default of 64 KiB is little for a person who watches. */
export const REPORT_BYTES = 1024 * 1024;

export function emptyProgram(language: string, entry: string): Program {
  return {
    language,
    files: [{ path: entry, text: "" }],
    input: "text",
    stdin: "",
    cases: [],
    checker: "trim",
    args: "",
    compileArgs: "",
    limits: { run: {}, compile: {} },
    keep: "",
  };
}

/** What is sent. Where the language is not known yet, all that was asked for is. */
export function submission(program: Program, language: Language | undefined): Submission {
  const compiles = language === undefined || Boolean(language.limits.compile);
  const sent: Submission = { language: program.language, files: program.files.map(submittedFile) };
  const first = program.files[0];
  if (first) sent.entry = first.path;
  const args = words(program.args);
  const run: NonNullable<Submission["run"]> = {};
  if (args.length > 0) run.args = args;
  if (program.input === "live") run.attach = true;
  if (Object.keys(run).length > 0) sent.run = run;
  const compileArgs = words(program.compileArgs);
  if (compiles && compileArgs.length > 0) sent.compile = { args: compileArgs };
  if (program.input === "text" && program.stdin !== "") sent.stdin = program.stdin;
  if (program.input === "cases") {
    sent.cases = program.cases.map((one, index) => ({
      name: one.name || String(index + 1),
      stdin: one.stdin,
      ...(one.expected === "" ? {} : { expected_stdout: one.expected }),
    }));
    // Named, it wants an expected output of every case; unnamed, the server's own is the first of ours.
    if (program.checker !== CHECKERS[0]) sent.checker = program.checker;
  }
  sent.limits = limitsOf(program, language, compiles);
  const keep = words(program.keep);
  if (keep.length > 0) sent.keep_files = keep;
  return sent;
}

function limitsOf({ input, limits }: Program, language: Language | undefined, compiles: boolean): NonNullable<Submission["limits"]> {
  const run = { ...askedLimits(input, language), ...limits.run };
  const asked: NonNullable<Submission["limits"]> = {};
  if (Object.keys(run).length > 0) asked.run = run;
  if (compiles && Object.keys(limits.compile).length > 0) asked.compile = limits.compile;
  return asked;
}

/** What is asked for where a person asks for nothing; many cases share the room of one answer. */
export function askedLimits(input: Input, language: Language | undefined): LimitValues {
  const bound = language?.limits.run.report_bytes;
  if (input === "cases" || !bound) return {};
  return { report_bytes: Math.max(bound.default, Math.min(REPORT_BYTES, bound.max)) };
}

function submittedFile({ path, text, bytes }: ProgramFile): SubmittedFile {
  return bytes === undefined ? { path, content: text } : { path, content_base64: bytes };
}

/** More than the page shows with ease; what is shared is then kept, and would freeze it at each visit. Of cases the server takes no more. */
const FILES_MAX = 256;
const CASES_MAX = 1000;

/** Reads what was kept or shared, whoever made it; `null` where it is no program. */
export function parseProgram(value: unknown): Program | null {
  if (!isRecord(value) || typeof value["language"] !== "string" || !Array.isArray(value["files"])) return null;
  if (value["files"].length === 0 || value["files"].length > FILES_MAX) return null;
  const files = value["files"].map(parseFile);
  if (files.some((file) => file === null)) return null;
  const text = (name: string): string => (typeof value[name] === "string" ? value[name] : "");
  const limits = isRecord(value["limits"]) ? value["limits"] : {};
  return {
    language: value["language"],
    files: files as ProgramFile[],
    input: INPUTS.find((input) => input === value["input"]) ?? "text",
    stdin: text("stdin"),
    cases: Array.isArray(value["cases"]) ? value["cases"].slice(0, CASES_MAX).flatMap(parseCase) : [],
    checker: CHECKERS.find((checker) => checker === value["checker"]) ?? "trim",
    args: text("args"),
    compileArgs: text("compileArgs"),
    limits: { run: parseLimits(limits["run"]), compile: parseLimits(limits["compile"]) },
    keep: text("keep"),
  };
}

function parseFile(value: unknown): ProgramFile | null {
  if (!isRecord(value) || typeof value["path"] !== "string" || typeof value["text"] !== "string") return null;
  const file: ProgramFile = { path: value["path"], text: value["text"] };
  if (typeof value["bytes"] === "string") file.bytes = value["bytes"];
  return file;
}

function parseCase(value: unknown): ProgramCase[] {
  if (!isRecord(value)) return [];
  const text = (name: string): string => (typeof value[name] === "string" ? value[name] : "");
  return [{ name: text("name"), stdin: text("stdin"), expected: text("expected") }];
}

function parseLimits(value: unknown): LimitValues {
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(([, number]) => Number.isFinite(number))) as LimitValues;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A path that is not taken yet: `file.c`, `file2.c`, … */
export function freshPath(taken: readonly string[], wanted: string): string {
  const dot = wanted.lastIndexOf(".");
  const [stem, end] = dot > 0 ? [wanted.slice(0, dot), wanted.slice(dot)] : [wanted, ""];
  for (let number = 1; ; number += 1) {
    const path = number === 1 ? wanted : `${stem}${number}${end}`;
    if (!taken.includes(path)) return path;
  }
}

// Control characters would be refused by the server.
// eslint-disable-next-line no-control-regex
const BAD = /[\x00-\x1f\x7f-\x9f]/;

/** Whether the server would take it as a path: relative, no empty or dotted components, at most 16. */
export function isPath(path: string): boolean {
  const parts = path.split("/");
  if (path.length === 0 || path.length > 512 || parts.length > 16 || path.startsWith("-") || BAD.test(path)) return false;
  return parts.every((part) => part !== "" && part !== "." && part !== "..");
}

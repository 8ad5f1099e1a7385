// The editor's grammar of a language, loaded when it is first used. A language without one is edited
// as plain text.
import { StreamLanguage, type StreamParser } from "@codemirror/language";
import type { Extension } from "@codemirror/state";

type Mode = () => Promise<Extension>;

const stream = <T>(parser: Promise<StreamParser<T>>): Promise<Extension> => parser.then((found) => StreamLanguage.define(found));
const clike = (name: "csharp" | "kotlin" | "scala" | "dart") => (): Promise<Extension> =>
  stream(import("@codemirror/legacy-modes/mode/clike").then((mode) => mode[name]));

const modes: Record<string, Mode> = {
  c: () => import("@codemirror/lang-cpp").then((mode) => mode.cpp()),
  java: () => import("@codemirror/lang-java").then((mode) => mode.java()),
  javascript: () => import("@codemirror/lang-javascript").then((mode) => mode.javascript()),
  typescript: () => import("@codemirror/lang-javascript").then((mode) => mode.javascript({ typescript: true })),
  python: () => import("@codemirror/lang-python").then((mode) => mode.python()),
  rust: () => import("@codemirror/lang-rust").then((mode) => mode.rust()),
  go: () => import("@codemirror/lang-go").then((mode) => mode.go()),
  csharp: clike("csharp"),
  kotlin: clike("kotlin"),
  scala: clike("scala"),
  groovy: () => stream(import("@codemirror/legacy-modes/mode/groovy").then((mode) => mode.groovy)),
  bash: () => stream(import("@codemirror/legacy-modes/mode/shell").then((mode) => mode.shell)),
  clojure: () => stream(import("@codemirror/legacy-modes/mode/clojure").then((mode) => mode.clojure)),
  cobol: () => stream(import("@codemirror/legacy-modes/mode/cobol").then((mode) => mode.cobol)),
  crystal: () => stream(import("@codemirror/legacy-modes/mode/crystal").then((mode) => mode.crystal)),
  d: () => stream(import("@codemirror/legacy-modes/mode/d").then((mode) => mode.d)),
  erlang: () => stream(import("@codemirror/legacy-modes/mode/erlang").then((mode) => mode.erlang)),
  elixir: () => stream(import("@codemirror/legacy-modes/mode/ruby").then((mode) => mode.ruby)),
  fortran: () => stream(import("@codemirror/legacy-modes/mode/fortran").then((mode) => mode.fortran)),
  haskell: () => stream(import("@codemirror/legacy-modes/mode/haskell").then((mode) => mode.haskell)),
  lisp: () => stream(import("@codemirror/legacy-modes/mode/commonlisp").then((mode) => mode.commonLisp)),
  lua: () => stream(import("@codemirror/legacy-modes/mode/lua").then((mode) => mode.lua)),
  nasm: () => stream(import("@codemirror/legacy-modes/mode/gas").then((mode) => mode.gas)),
  ocaml: () => stream(import("@codemirror/legacy-modes/mode/mllike").then((mode) => mode.oCaml)),
  octave: () => stream(import("@codemirror/legacy-modes/mode/octave").then((mode) => mode.octave)),
  pascal: () => stream(import("@codemirror/legacy-modes/mode/pascal").then((mode) => mode.pascal)),
  perl: () => stream(import("@codemirror/legacy-modes/mode/perl").then((mode) => mode.perl)),
  r: () => stream(import("@codemirror/legacy-modes/mode/r").then((mode) => mode.r)),
  ruby: () => stream(import("@codemirror/legacy-modes/mode/ruby").then((mode) => mode.ruby)),
  scheme: () => stream(import("@codemirror/legacy-modes/mode/scheme").then((mode) => mode.scheme)),
  sql: () => stream(import("@codemirror/legacy-modes/mode/sql").then((mode) => mode.sqlite)),
  swift: () => stream(import("@codemirror/legacy-modes/mode/swift").then((mode) => mode.swift)),
  tcl: () => stream(import("@codemirror/legacy-modes/mode/tcl").then((mode) => mode.tcl)),
};

const same: Record<string, string> = { cpp: "c", vala: "csharp", ada: "pascal", raku: "perl", awk: "perl" };

/** Extensions of files that are not of the program's own language. */
const byEnd: Record<string, string> = {
  c: "c", h: "c", cpp: "c", hpp: "c", cc: "c", py: "python", js: "javascript", mjs: "javascript", ts: "typescript",
  java: "java", rs: "rust", go: "go", sh: "bash", rb: "ruby", lua: "lua", sql: "sql", hs: "haskell", kt: "kotlin",
};

/** The grammar of a file in a program of a language; nothing where there is none. */
export async function modeOf(language: string, path: string, ownEnds: readonly string[]): Promise<Extension> {
  const end = path.slice(path.lastIndexOf(".") + 1).toLowerCase();
  const name = ownEnds.includes(end) || !path.includes(".") ? language : byEnd[end];
  if (name === undefined) return [];
  return (await modes[same[name] ?? name]?.()) ?? [];
}

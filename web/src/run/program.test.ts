import { describe, expect, it } from "vitest";

import type { Language } from "../api/types";
import { bounded, type Past } from "./history";
import { emptyProgram, freshPath, isPath, parseProgram, submission, type Program } from "./program";
import { packed, unpacked } from "./share";
import { words } from "./words";

const program = (more: Partial<Program> = {}): Program => ({ ...emptyProgram("c", "main.c"), ...more });

const language = (compiles: boolean, reportMax = 4_194_304): Language => ({
  id: "c", name: "C", aliases: [], extensions: ["c"], entry: "main.c", version: "",
  limits: { run: { report_bytes: { default: 65_536, min: 0, max: reportMax } }, compile: compiles ? {} : null },
  image: { name: "gcc", state: "ready", ready: true, agents: 1 },
});

describe("what is sent", () => {
  it("is the input that was chosen and no other", () => {
    const both = { stdin: "1", cases: [{ name: "", stdin: "2", expected: "3" }] };
    expect(submission(program({ ...both }), language(true)).cases).toBeUndefined();
    const cases = submission(program({ ...both, input: "cases" }), language(true));
    expect(cases.stdin).toBeUndefined();
    expect(cases.cases).toEqual([{ name: "1", stdin: "2", expected_stdout: "3" }]);
    expect(submission(program({ ...both, input: "live" }), language(true)).run).toEqual({ attach: true });
  });

  it("asks for compiler arguments only where there is a compiler", () => {
    const asked = program({ compileArgs: "-O2 -Wall" });
    expect(submission(asked, language(true)).compile).toEqual({ args: ["-O2", "-Wall"] });
    expect(submission(asked, language(false)).compile).toBeUndefined();
  });

  it("keeps within what the language keeps of output", () => {
    const kept = (max: number): number | undefined => submission(program(), language(true, max)).limits?.run?.report_bytes;
    expect([kept(4_194_304), kept(100_000)]).toEqual([1_048_576, 100_000]);
    expect(submission(program(), undefined).limits).toEqual({});
  });

  it("leaves an expected output out where none was given", () => {
    const sent = submission(program({ input: "cases", cases: [{ name: "a", stdin: "", expected: "" }] }), language(true));
    expect(sent.cases?.[0]).toEqual({ name: "a", stdin: "" });
    expect(sent.checker).toBeUndefined();
  });
});

describe("words", () => {
  it("are split as by a shell", () => {
    expect(words(` a "b c"  'd"e' f\\ g "" "h\\"i" `)).toEqual(["a", "b c", 'd"e', "f g", "", 'h"i']);
    expect(words("")).toEqual([]);
  });
});

describe("a shared program", () => {
  it("comes back as it was", async () => {
    const shared = program({ stdin: "Grüße 🌍\n", cases: [{ name: "x", stdin: "1", expected: "2" }], limits: { run: { cpu_ms: 500 }, compile: {} } });
    const text = await packed(shared);
    expect(text).toMatch(/^[\w-]+$/);
    expect(await unpacked(text)).toEqual(shared);
  });

  it("is not taken from what is none", async () => {
    expect(await unpacked("%%%")).toBeNull();
    expect(await unpacked("")).toBeNull();
    expect(parseProgram({ language: "c", files: [] })).toBeNull();
    expect(parseProgram({ language: "c", files: [{ path: 1 }] })).toBeNull();
    expect(parseProgram([])).toBeNull();
  });

  it("is not unfolded beyond its bound", async () => {
    const huge = await packed(program({ stdin: "a".repeat(5 * 1024 * 1024) }));
    expect(huge.length).toBeLessThan(20_000);
    expect(await unpacked(huge)).toBeNull();
  });

  it("has no more files and cases than the page can show, in no longer link than it would make", async () => {
    const files = Array.from({ length: 257 }, (_, at) => ({ path: `${at}.c`, text: "" }));
    expect(parseProgram(program({ files }))).toBeNull();
    expect(parseProgram(program({ files: files.slice(1) }))?.files).toHaveLength(256);
    const cases = Array.from({ length: 50_000 }, () => ({ name: "", stdin: "", expected: "" }));
    expect((await unpacked(await packed(program({ cases }))))?.cases).toHaveLength(1000);
    const noise = Array.from(crypto.getRandomValues(new Uint8Array(60_000)), (byte) => String.fromCharCode(0x21 + (byte % 64))).join("");
    expect(await unpacked(await packed(program({ stdin: noise })))).toBeNull();
  });
});

describe("paths", () => {
  it("are those that the server takes", () => {
    expect(["a.c", "a/b.c", "a b", "ü.c"].every(isPath)).toBe(true);
    expect(["", "/a", "a/", "a//b", "../a", "./a", "-a", "a\n"].some(isPath)).toBe(false);
  });

  it("of new files are not taken yet", () => {
    expect(freshPath(["file.c", "file2.c"], "file.c")).toBe("file3.c");
    expect(freshPath([], "file.c")).toBe("file.c");
  });
});

describe("the history", () => {
  it("keeps the newest of its bound, in number and in size", () => {
    const past = (text: string): Past => ({ id: "", at: 0, outcome: null, program: program({ stdin: text }) });
    expect(bounded(Array.from({ length: 80 }, () => past("")))).toHaveLength(50);
    expect(bounded(Array.from({ length: 40 }, () => past("x".repeat(99_000))))).toHaveLength(15);
  });
});

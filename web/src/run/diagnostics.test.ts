import { describe, expect, it } from "vitest";

import { diagnostics } from "./diagnostics";

const brief = (output: string, ...paths: string[]): string[] =>
  diagnostics(output, paths).map(({ path, line, column, severity, message }) => `${path}:${line}:${column} ${severity} ${message}`);

describe("errors are linked to lines", () => {
  it("of gcc, with its warnings and without its notes", () => {
    const output = [
      "main.cpp: In function ‘int main()’:",
      "main.cpp:2:21: error: ‘y’ was not declared in this scope",
      "    2 | int main(){ int x = y; std::cout << 1 }",
      "main.cpp:3:5: warning: unused variable ‘x’ [-Wunused-variable]",
      "main.cpp:2:1: note: declared here",
      "/usr/include/stdio.h:4:2: error: not ours",
    ].join("\n");
    expect(brief(output, "main.cpp")).toEqual([
      "main.cpp:2:21 error ‘y’ was not declared in this scope",
      "main.cpp:3:5 warning unused variable ‘x’ [-Wunused-variable]",
    ]);
  });

  it("of javac", () => {
    expect(brief("Main.java:1: error: ';' expected\nclass …\n      ^\n1 error\n", "Main.java")).toEqual([
      "Main.java:1:0 error ';' expected",
    ]);
  });

  it("of tsc", () => {
    expect(brief("main.ts(2,13): error TS2304: Cannot find name 'y'.\n", "main.ts")).toEqual([
      "main.ts:2:13 error TS2304: Cannot find name 'y'.",
    ]);
  });

  it("of rustc", () => {
    expect(brief("error[E0425]: cannot find value `y` in this scope\n --> main.rs:1:46\n  |\n", "main.rs")).toEqual([
      "main.rs:1:46 error cannot find value `y` in this scope",
    ]);
  });

  it("of go", () => {
    expect(brief("# command-line-arguments\n./main.go:3:15: declared and not used: x\n", "main.go")).toEqual([
      "main.go:3:15 error declared and not used: x",
    ]);
  });

  it("of Python, at each of our lines in the trace", () => {
    const output = [
      "Traceback (most recent call last):",
      '  File "/job/main.py", line 4, in <module>',
      "    helper()",
      '  File "/job/lib/helper.py", line 2, in helper',
      '  File "/usr/lib/python3.13/json/__init__.py", line 9, in loads',
      "ValueError: boom",
    ].join("\n");
    expect(brief(output, "main.py", "lib/helper.py")).toEqual([
      "main.py:4:0 error ValueError: boom",
      "lib/helper.py:2:0 error ValueError: boom",
    ]);
  });

  it("of node", () => {
    const output = "/job/main.js:2\n  throw 1\n        ^\n\nSyntaxError: Unexpected number\n    at wrapSafe (node:internal/x:1:2)\n";
    expect(brief(output, "main.js")).toEqual(["main.js:2:0 error SyntaxError: Unexpected number"]);
  });

  it("and no further than anybody reads", () => {
    const output = Array.from({ length: 5000 }, (_, line) => `main.c:${line + 1}:1: error: x${line}`).join("\n");
    expect(diagnostics(output, ["main.c"])).toHaveLength(100);
  });

  it("in a trace without an end as well, reading each line but a few times", () => {
    const trace = '  File "main.py", line 1\n'.repeat(100_000);
    expect(diagnostics(trace, ["main.py"])).toEqual([]);
    expect(brief(`${trace}RecursionError: too deep\n`, "main.py")).toEqual(["main.py:1:0 error RecursionError: too deep"]);
  });
});

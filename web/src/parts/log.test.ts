import { describe, expect, it } from "vitest";

import { LOG_CHARS_MAX, Log, ROW_CHARS_MAX } from "./log";

const RUN = { step: "run", case: null };
const rows = (log: Log, filter: "all" | "stdout" | "stderr" = "all"): string[] =>
  Array.from({ length: log.count(filter) }, (_, place) => {
    const row = log.row(place, filter);
    return `${row.stream ?? "#"}:${row.text}`;
  });

describe("a log", () => {
  it("puts a line together from pieces of any size", () => {
    const log = new Log();
    for (const char of "ab\ncd\n") log.append(RUN, "stdout", char);
    expect(rows(log)).toEqual(["stdout:ab", "stdout:cd"]);
  });

  it("tells the streams apart in the order in which they came", () => {
    const log = new Log();
    log.append(RUN, "stdout", "a");
    log.append(RUN, "stderr", "bad\n");
    log.append(RUN, "stdout", "b\n");
    expect(rows(log)).toEqual(["stdout:a", "stderr:bad", "stdout:b"]);
    expect(rows(log, "stderr")).toEqual(["stderr:bad"]);
    expect(log.text(["stdout"])).toBe("ab\n");
  });

  it("begins a section with a heading, but not a run that stands alone", () => {
    const log = new Log();
    log.append({ step: "compile", case: null }, "stderr", "warning\n");
    log.append(RUN, "stdout", "hi\n");
    expect(rows(log)).toEqual(["#:", "stderr:warning", "#:", "stdout:hi"]);
    expect(log.row(2).section).toEqual(RUN);
  });

  it("cuts a line without end, and loses nothing of it", () => {
    const log = new Log();
    const line = "x".repeat(ROW_CHARS_MAX * 3 + 7);
    log.append(RUN, "stdout", line.slice(0, 1500));
    log.append(RUN, "stdout", line.slice(1500));
    expect(log.count()).toBe(4);
    expect(log.row(1).continued).toBe(true);
    expect(rows(log).map((row) => row.slice(7)).join("")).toBe(line);
    expect(log.text()).toBe(line);
  });

  it("keeps a colour from one line to the next, and an escape that came in halves", () => {
    const log = new Log();
    log.append(RUN, "stdout", "\x1b[3");
    log.append(RUN, "stdout", "1mred\nstill\x1b[0m\nplain\n");
    expect(log.row(1).look).toBe(2);
    expect(log.row(2).look).toBe(0);
    expect(log.row(0).text).toBe("\x1b[31mred");
  });

  it("shows of a line that was written over what stands last", () => {
    const log = new Log();
    log.append(RUN, "stdout", "10%\r50%\r100%\r\ndone\r\n");
    expect(rows(log)).toEqual(["stdout:100%", "stdout:done"]);
  });

  it("holds ten megabytes in rows of any place", () => {
    const log = new Log();
    const piece = `${"y".repeat(79)}\n`.repeat(1024);
    for (let index = 0; index < 128; index += 1) log.append(RUN, "stdout", piece);
    expect(log.count()).toBe(131_072);
    expect(log.row(131_071).text).toBe("y".repeat(79));
  });

  it("keeps no more than its bound, and counts the rest", () => {
    const log = new Log();
    const piece = "z".repeat(LOG_CHARS_MAX / 4);
    for (let index = 0; index < 5; index += 1) log.append(RUN, "stdout", piece);
    expect(log.dropped).toBe(piece.length);
  });

  it("is empty once it was cleared", () => {
    const log = new Log();
    log.append(RUN, "stdout", "\x1b[31mred");
    log.clear();
    log.append(RUN, "stdout", "new\n");
    expect(rows(log)).toEqual(["stdout:new"]);
    expect(log.row(0).look).toBe(0);
  });
});

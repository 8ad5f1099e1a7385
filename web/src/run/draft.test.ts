import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Draft } from "./draft.svelte";
import { forgetPast, past } from "./history";
import { emptyProgram } from "./program";

beforeEach(() => {
  const store = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => store.get(name) ?? null,
    setItem: (name: string, text: string) => void store.set(name, text),
    removeItem: (name: string) => void store.delete(name),
  });
});
afterEach(() => vi.unstubAllGlobals());

const next = emptyProgram("c", "main.c");
const written = (text: string): Draft => {
  const draft = new Draft();
  draft.write(text);
  return draft;
};

describe("what was written", () => {
  it("is in the history when another program takes its place", () => {
    expect(new Draft().replace(next)).toBe("dropped");
    expect(written("print(1)").replace(next)).toBe("saved");
    expect(past()[0]?.program.files[0]?.text).toBe("print(1)");
    forgetPast();
  });

  it("stays where it is too large for the history, until it was downloaded as it is", () => {
    const text = "x".repeat(100_001);
    const draft = written(text);
    expect(draft.replace(next)).toBe("refused");
    expect(draft.file?.text).toBe(text);
    draft.downloaded(draft.program.files);
    draft.write(`${text}y`);
    expect(draft.replace(next)).toBe("refused");
    draft.downloaded(draft.program.files);
    expect(draft.replace(next)).toBe("dropped");
    expect(draft.program.language).toBe("c");
  });

  it("stays where the browser keeps nothing", () => {
    vi.stubGlobal("localStorage", undefined);
    expect(written("print(1)").replace(next)).toBe("refused");
  });
});

import { readFile } from "node:fs/promises";

import { describe, expect, it } from "vitest";

/** What the page's policy would refuse, or what makes markup of text. */
const FORBIDDEN: [name: string, pattern: RegExp][] = [
  ["markup from text", /\{@html|\.(?:inner|outer)HTML|insertAdjacentHTML|document\.write/],
  ["style in markup", /<[^>]*\sstyle="(?!\{)[^"]*"/],
  ["code from text", /\beval\(|new Function\(/],
  ["another site", /(?:src|href)="https?:/],
];

describe("no source of the page has", () => {
  it.each(FORBIDDEN)("%s", async (_, pattern) => {
    const paths = sources();
    expect(paths.length).toBeGreaterThan(40);
    const found: string[] = [];
    for (const path of paths) if (pattern.test(await readFile(path, "utf8"))) found.push(path);
    expect(found).toEqual([]);
  });
});

function sources(): string[] {
  return Object.keys(import.meta.glob(["../**/*.svelte", "../**/*.ts", "!../**/*.test.ts"])).map((path) => new URL(path, import.meta.url).pathname);
}

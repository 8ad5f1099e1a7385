import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { crc32, tar, zip } from "./archive";

const deep = `${"folder/".repeat(16)}file.txt`;
const files = [
  { path: "main.py", text: "print('Grüße')\n" },
  { path: deep, text: "deep\n" },
  { path: "data.bin", text: "", bytes: "AP8BAg==" },
];

describe("a download of many files", () => {
  let folder = "";
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "page-"))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const read = (path: string): string => readFileSync(join(folder, path)).toString("latin1");

  it("as tar is read by tar", () => {
    writeFileSync(join(folder, "all.tar"), tar(files));
    execFileSync("tar", ["-xf", "all.tar"], { cwd: folder });
    expect(readFileSync(join(folder, "main.py"), "utf8")).toBe("print('Grüße')\n");
    expect(read(deep)).toBe("deep\n");
    expect(read("data.bin")).toBe("\x00\xff\x01\x02");
  });

  it("as zip is read by Python, which checks its sums", async () => {
    writeFileSync(join(folder, "all.zip"), await zip(files));
    const script = "import zipfile; z = zipfile.ZipFile('all.zip'); assert z.testzip() is None; z.extractall()";
    execFileSync("python3", ["-c", script], { cwd: folder });
    expect(read(deep)).toBe("deep\n");
    expect(read("data.bin")).toBe("\x00\xff\x01\x02");
  });
});

it("the sum of zip is that of its specification", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

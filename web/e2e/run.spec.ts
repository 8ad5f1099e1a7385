import { readFile } from "node:fs/promises";

import { expect, test } from "@playwright/test";

import { watched } from "./cluster-looks";
import { Server } from "./cluster-server";
import { AGENT, IMAGES, choose, editor, ended, example, openRun, output, run, runButton, write } from "./run-hands";

let server: Server;
let silent: () => void;
test.beforeAll(async () => {
  server = await Server.start();
  await server.agent(AGENT, 2, IMAGES);
});
test.afterAll(async () => server.end());
test.beforeEach(({ page }) => void (silent = watched(page, server.url)));
test.afterEach(() => silent());

for (const language of ["C", "C++", "Java", "JavaScript", "TypeScript", "Python", "Bash", "Perl"]) {
  test(`a program in ${language} is chosen, run, and its output and use shown`, async ({ page }) => {
    await openRun(page, server.url);
    if (language !== "Python") await choose(page, language);
    await run(page, "Finished");
    await expect(output(page)).toContainText("Hello, world!");
    await expect(page.locator("[data-phase=finished] .detail")).toContainText("exit code 0");
    await expect(page.getByRole("img", { name: /^Memory: .+ of .+iB$/ })).toBeVisible();
  });
}

test("standard input and arguments reach the program", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, "import sys\nprint(sys.stdin.read().upper(), sys.argv[1:])\n");
  await page.getByLabel("Standard input").fill("from the page\n");
  await page.getByRole("tab", { name: "Options" }).click();
  await page.getByLabel("Arguments of the program").fill("one 'two words'");
  await run(page, "Finished");
  await expect(output(page)).toContainText("FROM THE PAGE");
  await expect(output(page)).toContainText("['one', 'two words']");
});

const BROKEN: Record<string, { source: string; line: number; outcome: string }> = {
  C: { source: "#include <stdio.h>\nint main(void) {\n    return totl;\n}\n", line: 3, outcome: "Compile error" },
  Java: { source: "public class Main {\n    int x = y;\n}\n", line: 2, outcome: "Compile error" },
  TypeScript: { source: "const a = 1;\n\nconst x: number = 'a';\nconsole.log(x + a);\n", line: 3, outcome: "Compile error" },
  Python: { source: "def f():\n    return 1 / 0\n\n\nf()\n", line: 2, outcome: "Runtime error" },
};
for (const [language, { source, line, outcome }] of Object.entries(BROKEN)) {
  test(`an error of ${language} is marked at its line, and its place in the output leads there`, async ({ page }) => {
    await openRun(page, server.url);
    if (language !== "Python") await choose(page, language);
    await write(page, source);
    await run(page, outcome);
    await expect(page.locator(".cm-lint-marker-error").first()).toBeVisible();
    await output(page).getByRole("button", { name: new RegExp(`\\b${line}\\b`) }).first().click();
    await expect(editor(page)).toBeFocused();
    await expect(page.locator(".cm-activeLineGutter.cm-gutterElement").filter({ hasText: String(line) })).toBeVisible();
  });
}

test("a program that does not end is stopped by its limit, and the limit is what stands out", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, "while True: pass\n");
  await page.getByRole("tab", { name: "Limits" }).click();
  await page.getByLabel("CPU time").fill("0.3");
  await page.getByLabel("CPU time").press("Tab");
  await run(page, "Time limit");
  await expect(page.getByRole("img", { name: /^CPU: 3\d\d ms of 300 ms$/ })).toHaveClass(/over/);
});

test("a limit outside of its bounds is said before anything is sent", async ({ page }) => {
  await openRun(page, server.url);
  await page.getByRole("tab", { name: "Limits" }).click();
  await page.getByLabel("CPU time").fill("9999");
  await page.getByLabel("CPU time").press("Tab");
  await expect(page.getByText(/^Must be between 10 ms and/)).toBeVisible();
  await runButton(page).click();
  await expect(page.getByRole("alert")).toContainText("A limit is outside of its bounds.");
  await expect(page.getByText("Run the program to see what it does.")).toBeVisible();
});

test("a run is cancelled", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, "import time\nprint('begun', flush=True)\ntime.sleep(60)\n");
  await runButton(page).click();
  await expect(output(page)).toContainText("begun");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await ended(page, "Cancelled");
  await expect(runButton(page)).toBeVisible();
});

test("cases tell which answer is wrong, and how", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, "n = int(input())\nprint(n * n)\nprint('done' if n < 3 else 'Done')\n");
  await page.getByText("Cases", { exact: true }).click();
  for (const [stdin, expected] of [["2", "4\ndone\n"], ["3", "9\ndone\n"]] as const) {
    await page.getByRole("button", { name: "Add a case" }).click();
    await page.getByRole("textbox", { name: "Input", exact: true }).last().fill(stdin);
    await page.getByRole("textbox", { name: "Expected output" }).last().fill(expected);
  }
  await run(page, "Wrong answer");
  await expect(page.locator("[data-phase=finished] .detail")).toContainText("1 of 2 accepted");
  const difference = page.getByRole("region", { name: "Difference" });
  await expect(difference.locator("tr.missing")).toContainText("done");
  await expect(difference.locator("tr.extra")).toContainText("Done");
  await expect(difference.locator("tr.same")).toContainText("9");
});

test("a program is spoken with while it runs", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, "name = input('Who? ')\nprint('Hello', name)\nprint(input('Still? ') == 'yes')\n");
  await page.getByText("Live", { exact: true }).click();
  await page.keyboard.press("Control+Enter");
  const line = page.getByLabel("Line for the program");
  await expect(output(page)).toContainText("Who?");
  await expect(line).toBeFocused();
  await page.keyboard.type("Ada\n");
  await expect(output(page)).toContainText("Hello Ada");
  await page.keyboard.type("yes\n");
  await ended(page, "Finished");
  await expect(output(page)).toContainText("True");
  await expect(line).toHaveCount(0);
});

test("many files are one program: added, renamed, removed and brought back", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, "from lib.answer import answer\nprint(answer())\n");
  await page.getByRole("button", { name: "Add a file" }).click();
  await page.getByLabel("Path of the file").fill("../out.py");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("A relative path");
  await page.getByLabel("Path of the file").fill("lib/answer.py");
  await page.keyboard.press("Enter");
  await write(page, "def answer():\n    return 6 * 7\n");
  await run(page, "Finished");
  await expect(output(page)).toContainText("42");
  await page.getByRole("tab", { name: "lib/answer.py" }).focus();
  await page.keyboard.press("Delete");
  await run(page, "Runtime error");
  await page.getByRole("button", { name: "Undo" }).click();
  await run(page, "Finished");
});

test("files are taken from this machine and given back, one, as tar and as zip", async ({ page }) => {
  await openRun(page, server.url);
  const files = [
    { name: "table.csv", mimeType: "text/csv", buffer: Buffer.from("a;b\n") },
    { name: "raw.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 255, 1]) },
  ];
  await page.locator("input[type=file]").setInputFiles(files);
  await expect(page.getByText("A file of 3 B that is not text.")).toBeVisible();
  await page.getByRole("tab", { name: "main.py" }).click();
  await write(page, "open('out.bin', 'wb').write(open('raw.bin', 'rb').read() + open('table.csv', 'rb').read())\n");
  await page.getByRole("tab", { name: "Options" }).click();
  await page.getByLabel("Files to give back").fill("out.bin");
  await run(page, "Finished");
  await page.getByRole("tab", { name: "Files" }).click();
  const given = async (click: () => Promise<void>): Promise<{ name: string; bytes: Buffer }> => {
    const [download] = await Promise.all([page.waitForEvent("download"), click()]);
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  };
  expect(await given(() => page.getByRole("button", { name: "out.bin" }).click())).toEqual({
    name: "out.bin",
    bytes: Buffer.from([0, 255, 1, ...Buffer.from("a;b\n")]),
  });
  const act = async (name: string): Promise<void> => {
    await page.getByRole("button", { name: "File actions" }).click();
    await page.getByRole("menuitem", { name }).click();
  };
  const tar = await given(() => act("Download all as tar"));
  expect([tar.name, tar.bytes.subarray(257, 262).toString(), tar.bytes.length % 512]).toEqual(["main.tar", "ustar", 0]);
  const zip = await given(() => act("Download all as zip"));
  expect([zip.name, zip.bytes.subarray(0, 2).toString()]).toEqual(["main.zip", "PK"]);
});

test("a reload during a run goes on with it, from its first line to its end", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, "import time\nfor n in range(40):\n    print('tick', n, flush=True)\n    time.sleep(0.1)\n");
  await runButton(page).click();
  await expect(output(page)).toContainText("tick 2");
  await page.reload();
  await expect(page.getByRole("button", { name: "Cancel", exact: true })).toBeVisible();
  await expect(editor(page)).toContainText("range(40)");
  await ended(page, "Finished");
  const text = (await output(page).innerText()).split("\n").filter((line) => line.startsWith("tick"));
  expect(text.length).toBeGreaterThan(5);
  await output(page).evaluate((view) => (view.scrollTop = 0));
  await expect(output(page)).toContainText("tick 0");
});

test("a link holds the program, and the server never sees it", async ({ page, context, browser }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await openRun(page, server.url);
  await write(page, "print('shared Grüße')\n");
  await page.getByLabel("Standard input").fill("with its input");
  await page.getByRole("button", { name: "Share" }).click();
  await expect(page.getByText("The link is copied.")).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toMatch(/#\/run\?p=[\w-]+$/);
  const other = await browser.newPage();
  const asked: string[] = [];
  other.on("request", (request) => asked.push(request.url()));
  await other.goto(link);
  await expect(editor(other)).toContainText("shared Grüße");
  await expect(other.getByLabel("Standard input")).toHaveValue("with its input");
  expect(asked.filter((url) => url.includes("p="))).toEqual([]);
  await other.close();
});

test("the history brings back what was run here, until it is cleared", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, "print('first of all')\n");
  await run(page, "Finished");
  await example(page, "Reads its input");
  await expect(editor(page)).not.toContainText("first of all");
  await page.getByRole("button", { name: "History" }).click();
  await page.getByRole("button", { name: /Finished.*first of all/ }).click();
  await expect(editor(page)).toContainText("first of all");
  await expect(output(page)).toContainText("first of all");
  await page.getByRole("button", { name: "History" }).click();
  await expect(page.getByRole("button", { name: /Not run.*never run/ })).toHaveCount(0);
  await page.keyboard.press("Escape");
  await write(page, "print('never run')\n");
  await page.reload();
  await expect(editor(page)).toContainText("never run");
  await example(page, "Hello");
  await page.getByRole("button", { name: "History" }).click();
  await expect(page.getByRole("button", { name: /Not run.*never run/ })).toBeVisible();
  await page.getByRole("button", { name: "Clear the history" }).click();
  await expect(page.getByText("Nothing yet.")).toBeVisible();
});

test("who waits is told the place in the queue, and until when", async ({ page }) => {
  const sleeps = { language: "python", source: "import time; time.sleep(60)" };
  const before = [await server.job(sleeps), await server.job(sleeps)];
  await expect.poll(async () => (await server.get<{ running: number }>("/v1/stats")).body.running).toBe(2);
  await openRun(page, server.url);
  await runButton(page).click();
  await expect(page.locator("[data-phase=queued]")).toContainText(/Place 1 in the queue · starts/);
  for (const { id } of before) await server.post(`/v1/jobs/${id}/cancel`, {});
  await ended(page, "Finished");
});

test("a server that is gone is said to be, and the program is still there", async ({ page }) => {
  await openRun(page, server.url);
  await page.route("**/v1/jobs", (route) => route.abort());
  await runButton(page).click();
  await expect(page.getByRole("alert")).toContainText("The server does not answer.");
  await expect(editor(page)).toContainText("Hello, world!");
  await page.unroute("**/v1/jobs");
  await run(page, "Finished");
});

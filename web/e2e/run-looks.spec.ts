import { get } from "node:http";

import { expect, test, type Page } from "@playwright/test";

import { accessible, fitsPhone, followsTheme, watched } from "./cluster-looks";
import { Server } from "./cluster-server";
import { AGENT, editor, ended, example, openRun, output, run, runButton, write } from "./run-hands";

/** First load, compressed, with the editor. */
const FIRST_LOAD_BYTES_MAX = 300 * 1024;

let server: Server;
let silent: () => void;
test.beforeAll(async () => {
  server = await Server.start();
  await server.agent(AGENT);
});
test.afterAll(async () => server.end());
test.beforeEach(({ page }) => void (silent = watched(page, server.url)));
test.afterEach(() => silent());

/** Bytes of an answer as brotli; a browser asks for that only where the connection is secure. */
function compressed(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { "accept-encoding": "br" } }, (answer) => {
      let bytes = 0;
      answer.on("data", (piece: Buffer) => (bytes += piece.length));
      answer.on("end", () => resolve(bytes));
    }).on("error", reject);
  });
}

test("the first load, with the editor, is under 300 KiB", async ({ page }) => {
  const urls = new Set<string>();
  page.on("response", (response) => urls.add(response.url().replace(/#.*/, "")));
  await openRun(page, server.url);
  await page.waitForLoadState("networkidle");
  const sizes = await Promise.all([...urls].filter((url) => !url.includes("/v1/")).map(compressed));
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  console.log(`first load: ${sizes.length} files, ${total} bytes as brotli`);
  expect(total).toBeLessThan(FIRST_LOAD_BYTES_MAX);
});

test("axe-core finds no violation in any state of Run", async ({ page }) => {
  await openRun(page, server.url);
  await accessible(page);
  await write(page, "import sys\nprint('\\x1b[31mred\\x1b[0m \\x1b[7;33mback\\x1b[0m')\nsys.exit(1 / 0)\n");
  await run(page, "Runtime error");
  await accessible(page);
  for (const tab of ["Options", "Limits"]) {
    await page.getByRole("tab", { name: tab }).click();
    await accessible(page);
  }
  await example(page, "A graph problem");
  await page.getByRole("tab", { name: "Input" }).click();
  await write(page, "print('no answer')\n");
  await run(page, "Wrong answer");
  await accessible(page);
  await page.getByRole("button", { name: /^Language:/ }).click();
  await accessible(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "File actions" }).click();
  await accessible(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "History" }).click();
  await accessible(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Keyboard" }).click();
  await accessible(page);
});

test("Run is dark where that is preferred, and where it is chosen, and stays so", async ({ page }) => {
  await openRun(page, server.url);
  await followsTheme(page);
  await page.emulateMedia({ colorScheme: "light" });
  const theme = page.getByRole("button", { name: /^Theme:/ });
  await theme.click();
  await theme.click();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
});

test("a phone shows code, input and result one at a time, and nothing beside its screen", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await openRun(page, server.url);
  await fitsPhone(page);
  await page.getByRole("tablist", { name: "Parts of this page" }).getByRole("tab", { name: "Input" }).click();
  await page.getByLabel("Standard input").fill("typed on a phone");
  await fitsPhone(page);
  await page.getByRole("tab", { name: "Limits" }).click();
  await fitsPhone(page);
  await page.getByRole("tab", { name: "Code" }).click();
  await write(page, "print(input() * 1)\nint('x')\n");
  await runButton(page).click();
  await ended(page, "Runtime error");
  await expect(output(page)).toContainText("typed on a phone");
  await fitsPhone(page);
  await accessible(page);
  await output(page).getByRole("button", { name: /line 2/ }).click();
  await expect(editor(page)).toBeVisible();
});

test.describe("a browser that speaks French", () => {
  test.use({ locale: "fr-FR" });

  test("is answered in French, and in English once that is chosen", async ({ page }) => {
    await openRun(page, server.url);
    await expect(page.locator("html")).toHaveAttribute("lang", "fr");
    await page.getByRole("button", { name: "Exécuter", exact: true }).click();
    await ended(page, "Terminé");
    await expect(page.locator("[data-phase=finished] .detail")).toContainText("code de sortie 0");
    await expect(page.getByRole("img", { name: /^Mémoire : .+ sur 256 Mio$/ })).toBeVisible();
    await accessible(page);
    await fitsPhone(page);
    await page.getByLabel("Langue de cette page").selectOption("en");
    await expect(page.locator("[data-phase=finished] .badge")).toHaveText("Finished");
    await page.reload();
    await expect(page.getByRole("button", { name: "Run", exact: true })).toBeVisible();
  });
});

/** Presses Tab until what has the focus has a name. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("Tab");
    const focused = page.locator(":focus");
    const label = (await focused.getAttribute("aria-label")) ?? (await focused.innerText());
    if (name.test(label)) return;
  }
  throw new Error(`Tab does not reach ${String(name)}`);
}

test("everything is reached by keyboard alone", async ({ page }) => {
  await openRun(page, server.url);
  await page.keyboard.press("Tab");
  await expect(page.getByText("Skip to content")).toBeFocused();
  await page.keyboard.press("Enter");
  await tabTo(page, /^Language:/);
  await page.keyboard.press("Enter");
  await page.keyboard.type("python");
  await page.keyboard.press("Escape");
  await tabTo(page, /Examples/);
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await expect(editor(page)).toContainText("for line in sys.stdin");
  await tabTo(page, /^main\.py/);
  await page.keyboard.press("F2");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("start.py\n");
  await expect(page.getByRole("tab", { name: "start.py" })).toBeFocused();
  await page.keyboard.press("Alt+c");
  await expect(editor(page)).toBeFocused();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("print('by hand')");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  await expect(page.getByRole("separator")).toBeFocused();
  const before = await page.getByRole("separator").getAttribute("aria-valuenow");
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("separator")).not.toHaveAttribute("aria-valuenow", before ?? "");
  await run(page, "Finished");
  await expect(output(page)).toContainText("by hand");
  await page.keyboard.press("Alt+r");
  await expect(page.getByRole("tab", { name: "Output" })).toBeFocused();
  await page.keyboard.press("Alt+2");
  await expect(page).toHaveURL(/#\/jobs$/);
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});

const HOSTILE = String.raw`
import sys
print("<script>window.broken=1</script><img src=x onerror=window.broken=1>")
print("\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\ \x1b[2J\x1b[1;1Hmoved \u202eturned")
print("<b>err</b>", file=sys.stderr)
`;

test("output is text, whatever it says", async ({ page }) => {
  await openRun(page, server.url);
  await write(page, HOSTILE);
  await run(page, "Finished");
  await expect(output(page)).toContainText("<script>window.broken=1</script>");
  await expect(output(page).locator(".fg-1")).toHaveText("red");
  await expect(output(page).locator(".stderr")).toContainText("<b>err</b>");
  await expect(output(page)).not.toContainText("\u202e");
  await expect(output(page)).not.toContainText("javascript:");
  expect(await page.locator("main script, main img").count()).toBe(0);
  expect(await page.evaluate(() => "broken" in window)).toBe(false);
});

/** Longest time between two frames that is still called smooth here: hosts of tests have two cores. */
const FRAME_MS_MAX = 1500;
const HEAP_BYTES_MAX = 250 * 1024 * 1024;
const ROWS_MAX = 120;

test("ten megabytes of output stay smooth: frames, heap and elements are bounded", async ({ page }) => {
  await openRun(page, server.url);
  // What a job answers ends at 4 MiB a stream; each event comes three times, so that it is 12.
  await page.route("**/v1/jobs/*/events", async (route) => {
    const answer = await route.fetch();
    const events = (await answer.text()).split("\n\n").flatMap((event) => (event.includes("event: output") ? [event, event, event] : [event]));
    await route.fulfill({ response: answer, body: events.join("\n\n") });
  });
  await write(page, "for n in range(52000): print(f'{n:07d}', 'x' * 71)\n");
  await page.getByRole("tab", { name: "Limits" }).click();
  await page.getByLabel("Output that is kept").fill("4096");
  await page.getByLabel("Output that is kept").press("Tab");
  await page.evaluate(() => {
    const frames: number[] = [];
    Object.assign(window, { frames });
    let last = performance.now();
    const look = (now: number): void => {
      frames.push(now - last);
      last = now;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await run(page, "Finished");
  await expect(output(page)).toContainText("0051999");
  for (const share of [0, 0.25, 0.5, 0.75, 1, 0.1]) {
    await output(page).evaluate((view, at) => (view.scrollTop = at * view.scrollHeight), share);
    await expect(output(page)).toContainText("xxxx");
    expect(await output(page).locator(".row").count()).toBeLessThan(ROWS_MAX);
  }
  const { frames, heap } = await page.evaluate(() => ({
    frames: (window as unknown as { frames: number[] }).frames.sort((a, b) => a - b),
    heap: (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize,
  }));
  const at = (share: number): string => (frames[Math.floor(share * (frames.length - 1))] ?? 0).toFixed(0);
  console.log(`12 MiB of output: ${frames.length} frames, median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms, heap ${heap} bytes`);
  expect(frames.at(-1)).toBeLessThan(FRAME_MS_MAX);
  expect(heap).toBeLessThan(HEAP_BYTES_MAX);
});

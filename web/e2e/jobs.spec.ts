import { expect, test, type Page } from "@playwright/test";

import { accessible, fitsPhone, followsTheme, watched } from "./cluster-looks";
import { Server } from "./cluster-server";

let server: Server;
test.beforeAll(async () => {
  server = await Server.start();
  await server.agent("worker");
  // The first job waits for the image where it is not there yet.
  await server.job({ language: "python", source: "print('first')" }, true);
});
test.afterAll(async () => server.end());

const row = (page: Page, id: string) => page.getByRole("row").filter({ has: page.locator(`a[href="#/jobs/${id}"]`) });
const SLEEPS = "import time\nfor n in range(600):\n    print('beat', n, flush=True)\n    time.sleep(0.1)\n";

test("jobs come into the list as they are made, and change there until they end", async ({ page }) => {
  const silent = watched(page, server.url);
  await page.goto(`${server.url}/#/jobs`);
  await expect(page.getByText("Live")).toBeVisible();
  const { id } = await server.job({ language: "python", source: SLEEPS });
  await expect(row(page, id)).toContainText("Running");
  await server.post(`/v1/jobs/${id}/cancel`, {});
  await expect(row(page, id)).toContainText("Cancelled");
  silent();
});

test("while it is paused the list stands still, and then takes up what it missed", async ({ page }) => {
  await page.goto(`${server.url}/#/jobs`);
  await expect(page.getByText("Live")).toBeVisible();
  await page.getByRole("button", { name: "Pause" }).click();
  const { id } = await server.job({ language: "python", source: "pass" }, true);
  await expect(page.getByTestId("job-count")).toContainText("change");
  await expect(row(page, id)).toHaveCount(0);
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(row(page, id)).toContainText("Finished");
});

test("filters ask for a state, a language, a label and an id, and can be bookmarked", async ({ page }) => {
  const wanted = await server.job({ language: "python", source: "1/0", labels: { course: "cs=101" } }, true);
  const other = await server.job({ language: "c", source: "int main(void) { return 0; }" }, true);
  await page.goto(`${server.url}/#/jobs`);
  await expect(row(page, other.id)).toBeVisible();
  await page.getByLabel("Label").fill("course=cs=101");
  await expect(row(page, other.id)).toHaveCount(0);
  await expect(row(page, wanted.id)).toContainText("Runtime error");
  await page.reload();
  await expect(page.getByLabel("Label")).toHaveValue("course=cs=101");
  await expect(row(page, wanted.id)).toBeVisible();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByRole("combobox", { name: "Language", exact: true }).selectOption("c");
  await expect(row(page, wanted.id)).toHaveCount(0);
  await expect(row(page, other.id)).toBeVisible();
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByLabel("Job id").fill(wanted.id);
  await expect(row(page, other.id)).toHaveCount(0);
  await expect(row(page, wanted.id)).toBeVisible();
  await page.getByLabel("State").selectOption("Running");
  await expect(page.getByText("No job matches these filters.")).toBeVisible();
});

test("the field that is typed into keeps the focus, and the list its place while a job is looked at", async ({ page }) => {
  const { body } = await server.post<{ jobs: unknown[] }>("/v1/jobs/batch", {
    jobs: Array.from({ length: 60 }, (_, n) => ({ language: "python", source: "pass", labels: { many: String(n % 2) } })),
  });
  expect(body.jobs).toHaveLength(60);
  await page.goto(`${server.url}/#/jobs`);
  await page.getByLabel("Label").pressSequentially("many=1", { delay: 80 });
  await expect(page).toHaveURL(/label=many%3D1/);
  await expect(page.getByLabel("Label")).toBeFocused();
  await expect(page.getByTestId("job-count")).toHaveText("30 jobs");
  const view = page.getByRole("rowgroup", { name: "Jobs, newest first" });
  await view.evaluate((one) => (one.scrollTop = 200));
  await page.locator("[data-row='12']").click();
  await expect(page.getByRole("heading", { name: "About this job" })).toBeVisible();
  await page.goBack();
  await expect(page.getByTestId("job-count")).toHaveText("30 jobs");
  await expect.poll(() => view.evaluate((one) => one.scrollTop)).toBe(200);
});

test("a job's page shows where its time went, what it wrote, and the files that it gives back", async ({ page }) => {
  const source = "import sys\nprint('to the one')\nprint('to the other', file=sys.stderr)\nopen('kept.txt', 'w').write('kept text')\nsys.exit(3)\n";
  const { id } = await server.job({ language: "python", source, keep_files: ["kept.txt"], labels: { who: "me" } }, true);
  await page.goto(`${server.url}/#/jobs`);
  await row(page, id).getByRole("link").click();
  await expect(page.getByRole("heading", { name: "Runtime error" })).toBeVisible();
  await expect(page.getByRole("figure", { name: "Where the time went" })).toContainText("Run");
  await expect(page.getByText("Exit code 3")).toBeVisible();
  const output = page.getByRole("region", { name: "Program: Output" });
  await expect(output).toContainText("to the one");
  await expect(output).toContainText("to the other");
  await expect(page.getByRole("article").getByText("who=me")).toBeVisible();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download kept.txt" }).click();
  const stream = await (await download).createReadStream();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toBe("kept text");
  await accessible(page);
  await page.getByRole("link", { name: "All jobs" }).click();
  await expect(row(page, id)).toBeVisible();
});

test("a compiled job shows its compiler's words, and a judged one each case", async ({ page }) => {
  const broken = await server.job({ language: "c", source: "int main(void) { return missing; }" }, true);
  await page.goto(`${server.url}/#/jobs/${broken.id}`);
  await expect(page.getByRole("region", { name: "Compiler: Output" })).toContainText("missing");
  const cases = [
    { name: "right", stdin: "2", expected_stdout: "4" },
    { name: "wrong", stdin: "3", expected_stdout: "7" },
  ];
  const judged = await server.job({ language: "python", source: "print(int(input()) * 2)", cases }, true);
  await page.goto(`${server.url}/#/jobs/${judged.id}`);
  await expect(page.getByText("1 of 2 accepted")).toBeVisible();
  await page.getByRole("button", { name: "wrong" }).click();
  await expect(page.getByRole("region", { name: "Output: wrong" })).toContainText("6");
  await accessible(page);
});

test("a running job is followed, again after a reload, and can be cancelled", async ({ page }) => {
  const { id } = await server.job({ language: "python", source: SLEEPS });
  await page.goto(`${server.url}/#/jobs/${id}`);
  const output = page.getByRole("region", { name: "Output" });
  await expect(output).toContainText("beat 3");
  await page.reload();
  await expect(output).toContainText("beat 8");
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("heading", { name: "Cancelled" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Cancel" })).toHaveCount(0);
});

test("the line breaks and comes back, and nothing is missed or told twice", async ({ page, context }) => {
  await page.goto(`${server.url}/#/jobs`);
  await expect(page.getByText("Live")).toBeVisible();
  await context.setOffline(true);
  const { id } = await server.job({ language: "python", source: "pass" }, true);
  await context.setOffline(false);
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  const again = await server.job({ language: "python", source: "pass" }, true);
  for (const one of [id, again.id]) {
    await expect(row(page, one)).toContainText("Finished", { timeout: 30_000 });
    await expect(row(page, one)).toHaveCount(1);
  }
});

test("a job is erased only after a question, and leaves the list", async ({ page }) => {
  const { id } = await server.job({ language: "python", source: "pass" }, true);
  await page.goto(`${server.url}/#/jobs`);
  await row(page, id).getByRole("link").click();
  await page.getByRole("button", { name: "Erase" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  expect((await server.get(`/v1/jobs/${id}`)).status).toBe(200);
  await page.getByRole("button", { name: "Erase" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Erase" }).click();
  await expect(page.getByRole("heading", { name: "Jobs", level: 1 })).toBeVisible();
  await expect(row(page, id)).toHaveCount(0);
  expect((await server.get(`/v1/jobs/${id}`)).status).toBe(404);
  await page.goto(`${server.url}/#/jobs/${id}`);
  await expect(page.getByText("There is no such job")).toBeVisible();
});

test("rows are gone through and opened by keyboard alone", async ({ page }) => {
  for (let n = 0; n < 3; n += 1) await server.job({ language: "python", source: "pass" }, true);
  await page.goto(`${server.url}/#/run`);
  await page.keyboard.press("Alt+2");
  await expect(page.locator("[data-row='2']")).toBeVisible();
  await page.keyboard.press("j");
  await expect(page.locator("[data-row='0']")).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("j");
  await expect(page.locator("[data-row='2']")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "About this job" })).toBeVisible();
});

test("it is accessible, fits a phone, follows the theme, and speaks French", async ({ page }) => {
  const silent = watched(page, server.url);
  await page.goto(`${server.url}/#/jobs`);
  await expect(page.locator("[data-row='0']")).toBeVisible();
  await accessible(page);
  await followsTheme(page);
  await fitsPhone(page);
  await expect(page.locator("[data-row='0']")).toBeVisible();
  await accessible(page);
  await page.getByLabel("Language of this page").selectOption("fr");
  await expect(page.getByRole("heading", { name: "Tâches" })).toBeVisible();
  await page.locator("[data-row='0']").click();
  await expect(page.getByRole("heading", { name: "Où le temps est passé" })).toBeVisible();
  await fitsPhone(page);
  silent();
});

test("a program that was run here can be run again from its job", async ({ page }) => {
  await page.goto(`${server.url}/#/run`);
  const { id } = await server.job({ language: "python", source: "print('again')" }, true);
  const program = { language: "python", files: [{ path: "main.py", text: "print('again')" }], input: "text" };
  await page.evaluate(
    ([id, program]) => localStorage.setItem("enclos.history", JSON.stringify([{ id, at: Date.now(), outcome: "ok", program }])),
    [id, program] as const,
  );
  await page.goto(`${server.url}/#/jobs/${id}`);
  await page.reload();
  await page.getByRole("button", { name: "Run again" }).click();
  await expect(page).toHaveURL(/#\/run/);
  await expect(page.getByText("print('again')")).toBeVisible();
});


import { expect, test, type Page } from "@playwright/test";

import { watched } from "./cluster-looks";
import { Server } from "./cluster-server";

let server: Server;
test.beforeAll(async () => {
  server = await Server.start();
  await server.agent("worker");
});
test.afterAll(async () => server.end());

const MARKUP = "<script>window.broken=1</script><img src=x onerror=window.broken=1>";
const OUTPUT = String.raw`
import sys
print("${MARKUP}")
print("\x1b[31mred\x1b[0m plain \x1b]0;title\x07 \x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\ \x1b[2J\x1b[1;1Hmoved")
print("\u202eturned\u202c \x00\x07\x7f")
print("${MARKUP}", file=sys.stderr)
`;

async function unbroken(page: Page): Promise<void> {
  expect(await page.evaluate(() => "broken" in window)).toBe(false);
  expect(await page.locator("main script, main img").count()).toBe(0);
}

test("output of a job is text, whatever it says", async ({ page }) => {
  const silent = watched(page, server.url);
  const { id } = await server.job({ language: "python", source: OUTPUT }, true);
  await page.goto(`${server.url}/#/jobs/${id}`);
  const output = page.getByRole("region", { name: "Program: Output" });
  await expect(output).toContainText(MARKUP);
  await expect(output.locator(".fg-1")).toHaveText("red");
  await expect(output).not.toContainText("\u202e");
  await expect(output).not.toContainText("javascript:");
  await expect(output).toContainText("moved");
  expect(await page.title()).not.toContain("title");
  await unbroken(page);
  silent();
});

test("names of labels, cases and files are text, in the list and on the page of a job", async ({ page }) => {
  const silent = watched(page, server.url);
  const cases = [{ name: "<b onclick=x>case</b>", stdin: "1", expected_stdout: MARKUP }];
  const judged = await server.job({ language: "python", source: `print("${MARKUP}!")`, cases, labels: { mark: MARKUP } }, true);
  await page.goto(`${server.url}/#/jobs`);
  await expect(page.getByRole("row").filter({ hasText: "<script>" })).toBeVisible();
  await page.goto(`${server.url}/#/jobs/${judged.id}`);
  await page.getByRole("button", { name: "<b onclick=x>case</b>" }).click();
  await expect(page.getByRole("article").getByText("mark=<script>")).toBeVisible();
  await expect(page.getByRole("region", { name: "Output: <b" })).toContainText(MARKUP);
  const name = "<img src=x onerror=alert(1)>.txt";
  const files = await server.job({ language: "python", source: `open(${JSON.stringify(name)}, "w").write("x")`, keep_files: [name] }, true);
  await page.goto(`${server.url}/#/jobs/${files.id}`);
  await expect(page.getByRole("link", { name: `Download ${name}` })).toBeVisible();
  await unbroken(page);
  silent();
});

test("an address that names no job, no agent and no page breaks nothing", async ({ page }) => {
  const silent = watched(page, server.url);
  await page.goto(`${server.url}/#/jobs/${encodeURIComponent("../<script>")}`);
  await expect(page.getByText("There is no such job")).toBeVisible();
  await page.goto(`${server.url}/#/cluster/${encodeURIComponent(MARKUP)}`);
  await expect(page.getByRole("heading", { name: "<script>" })).toBeVisible();
  await expect(page.getByText("This agent is not connected.")).toBeVisible();
  await page.goto(`${server.url}/#/jobs?state=<script>&label=%3Cscript%3E&id=%00`);
  await expect(page.getByRole("heading", { name: "Jobs", level: 1 })).toBeVisible();
  await unbroken(page);
  silent();
});

test("megabytes of output are in few rows of the document", async ({ page }) => {
  const silent = watched(page, server.url);
  const limits = { run: { output_bytes: 16 * 1024 * 1024, report_bytes: 1024 * 1024 } };
  const { id } = await server.job({ language: "python", source: "for n in range(200000): print(n, 'x' * 40)", limits }, true);
  await page.goto(`${server.url}/#/jobs/${id}`);
  await expect(page.getByText("The answer holds less than was written.")).toBeVisible();
  const output = page.getByRole("region", { name: "Program: Output" });
  await expect(output).toContainText("x".repeat(40));
  expect(await page.locator("*").count()).toBeLessThan(1000);
  silent();
});

test("a running job that floods its page leaves it responsive", async ({ page }) => {
  const silent = watched(page, server.url);
  const source = "import time\nfor n in range(8000000): print(n, 'y' * 40)\ntime.sleep(30)";
  const limits = { run: { output_bytes: 16 * 1024 * 1024 } };
  const { id } = await server.job({ language: "python", source, limits, on_output_limit: "truncate" });
  await page.goto(`${server.url}/#/jobs/${id}`);
  await expect(page.getByRole("region", { name: "Output" })).toContainText("y".repeat(40));
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByRole("heading", { name: "Cancelled" })).toBeVisible({ timeout: 30_000 });
  expect(await page.locator("*").count()).toBeLessThan(1000);
  silent();
});

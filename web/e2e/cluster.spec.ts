import { expect, test, type Page } from "@playwright/test";

import { accessible, fitsPhone, followsTheme, watched } from "./cluster-looks";
import { Server } from "./cluster-server";

let server: Server;
test.beforeAll(async () => {
  server = await Server.start();
  await server.agent("steady");
});
test.afterAll(async () => server.end());

const tile = (page: Page, name: string) => page.locator(`[data-agent="${name}"]`);
const SLEEPS = "import time\nfor n in range(600):\n    print('beat', n, flush=True)\n    time.sleep(0.1)\n";

test("an agent that joins is shown, one that is killed raises an alert, and it may come back", async ({ page }) => {
  const silent = watched(page, server.url);
  await page.goto(`${server.url}/#/cluster`);
  await expect(tile(page, "steady")).toContainText("connected");
  const guest = await server.agent("guest");
  await expect(tile(page, "guest")).toContainText("connected");
  guest.kill("SIGKILL");
  const alerts = page.getByTestId("alerts");
  await expect(alerts).toContainText("Agent guest is silent", { timeout: 30_000 });
  await expect(tile(page, "guest")).toContainText("silent");
  await expect(alerts).toContainText("Agent guest is lost.", { timeout: 60_000 });
  await accessible(page);
  await page.getByRole("button", { name: "Noted" }).click();
  await expect(alerts).toHaveCount(0);
  const back = await server.agent("guest");
  await expect(tile(page, "guest")).toContainText("connected");
  back.kill("SIGTERM");
  await expect(tile(page, "guest")).toContainText("silent");
  silent();
});

test("a master that falls silent makes the page say that it is old, until it speaks again", async ({ page }) => {
  await page.goto(`${server.url}/#/cluster`);
  await expect(tile(page, "steady")).toBeVisible();
  server.process.kill("SIGSTOP");
  try {
    await expect(page.getByTestId("stale")).toContainText("The server has been silent for", { timeout: 30_000 });
    await accessible(page);
  } finally {
    server.process.kill("SIGCONT");
  }
  await expect(page.getByTestId("stale")).toBeEmpty({ timeout: 30_000 });
  await expect(page.getByText("Live")).toBeVisible();
});

test("what runs is counted, and an agent shows the jobs on it", async ({ page }) => {
  await page.goto(`${server.url}/#/cluster`);
  const ids = [];
  for (let n = 0; n < 4; n += 1) ids.push((await server.job({ language: "python", source: SLEEPS })).id);
  await expect(tile(page, "steady").getByRole("meter", { name: "Slots" })).toHaveAttribute("aria-valuetext", "2/2");
  const queue = page.getByRole("table", { name: "By language" });
  await expect(queue).toContainText("python");
  await expect(queue.getByRole("cell").first()).toHaveText("2");
  await tile(page, "steady").getByRole("link").click();
  await expect(page.getByRole("heading", { name: "steady" })).toBeVisible();
  await expect(page.getByRole("listitem").filter({ hasText: "python" })).toHaveCount(2);
  await accessible(page);
  for (const id of ids) await server.post(`/v1/jobs/${id}/cancel`, {});
  await expect(page.getByText("None of your tenant’s jobs runs here.")).toBeVisible();
  await page.getByRole("link", { name: "All agents" }).click();
  await expect(page.getByRole("definition").filter({ hasText: "Cancelled" }).or(page.getByText("Cancelled"))).toBeVisible();
});

test("an agent is drained only after a question", async ({ page }) => {
  await server.agent("leaves", 4);
  const ids = [];
  for (let n = 0; n < 8; n += 1) ids.push((await server.job({ language: "python", source: SLEEPS })).id);
  await page.goto(`${server.url}/#/cluster/leaves`);
  await page.getByRole("button", { name: "Drain" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByText("connected")).toBeVisible();
  await page.getByRole("button", { name: "Drain" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
  await expect(page.getByText("draining", { exact: true })).toBeVisible();
  await expect(page.getByRole("button", { name: "Drain" })).toHaveCount(0);
  for (const id of ids) await server.post(`/v1/jobs/${id}/cancel`, {});
  await expect(page.getByText("silent", { exact: true })).toBeVisible({ timeout: 60_000 });
  await page.getByRole("link", { name: "All agents" }).click();
  await expect(tile(page, "steady")).toBeVisible();
  // It was meant to go.
  await expect(page.getByTestId("alerts").filter({ hasText: "leaves" })).toHaveCount(0);
});

test("a reload shows the hour that was, in charts that have their numbers beside them", async ({ page }) => {
  await page.goto(`${server.url}/#/cluster`);
  await server.job({ language: "python", source: "pass" }, true);
  await expect(page.getByRole("img", { name: /^Jobs, The last hour: queued \d/ })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("img", { name: /^Agents, The last hour: agents 1/ })).toBeVisible();
  await page.getByText("As a table").first().click();
  await expect(page.getByRole("columnheader", { name: "running" })).toBeVisible();
});

test("an agent is reached by keyboard alone", async ({ page }) => {
  await page.goto(`${server.url}/#/run`);
  await page.keyboard.press("Alt+3");
  await tile(page, "steady").getByRole("link").focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "steady" })).toBeVisible();
  await page.getByRole("button", { name: "Drain" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.getByText("connected")).toBeVisible();
});

test("it is accessible, fits a phone, follows the theme, and speaks French", async ({ page }) => {
  const silent = watched(page, server.url);
  await page.goto(`${server.url}/#/cluster`);
  await expect(tile(page, "steady")).toBeVisible();
  await accessible(page);
  await followsTheme(page);
  await fitsPhone(page);
  await page.getByLabel("Language of this page").selectOption("fr");
  await expect(page.getByRole("heading", { name: "La dernière heure", exact: true })).toBeVisible();
  await fitsPhone(page);
  await accessible(page);
  silent();
});

import { expect, test } from "@playwright/test";

import { accessible, watched } from "./cluster-looks";
import { Server } from "./cluster-server";
import { editor } from "./run-hands";

let server: Server;
let secret: string;
test.beforeAll(async () => {
  server = await Server.start();
  const { body } = await server.post<{ secret: string }>("/v1/keys", { tenant: "school", scopes: ["submit", "read", "operate"], name: "first" });
  secret = body.secret;
});
test.afterAll(async () => server.end());

test("who has no key may write, is told what a run needs, and finds the program again after signing in", async ({ page }) => {
  const silent = watched(page, server.url);
  await page.goto(`${server.url}/#/run`);
  await expect(page.getByRole("alert")).toContainText("This needs an API key: sign in first.");
  await expect(editor(page)).toContainText("Hello, world!");
  await accessible(page);
  await editor(page).click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("# kept");
  await page.getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("API key").fill(secret);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "This key" })).toBeVisible();
  await page.keyboard.press("Alt+1");
  await expect(editor(page)).toContainText("# kept");
  await expect(page.getByRole("alert")).toHaveCount(0);
  await expect(page.getByRole("button", { name: /^Language:/ })).toHaveText(/Python/);
  silent();
});

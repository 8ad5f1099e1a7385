import { expect, test } from "@playwright/test";

import { watched } from "./cluster-looks";
import { Server } from "./cluster-server";

let server: Server;
test.beforeAll(async () => {
  server = await Server.start();
  await server.agent("hidden");
});
test.afterAll(async () => server.end());

test("a key without operate sees its own part of the cluster, and no agents", async ({ page }) => {
  const { body: operator } = await server.post<{ secret: string }>("/v1/keys", { tenant: "ops", scopes: ["submit", "read", "operate"] });
  const { body: plain } = await server.post<{ secret: string }>("/v1/keys", { tenant: "acme", scopes: ["submit", "read"] }, operator.secret);
  await server.post("/v1/jobs?wait_ms=60000", { language: "python", source: "pass" }, operator.secret);
  const silent = watched(page, server.url);
  await page.goto(`${server.url}/#/keys`);
  await page.getByLabel("API key").fill(plain.secret);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "This key" })).toBeVisible();
  await page.goto(`${server.url}/#/cluster`);
  await expect(page.getByText("Agents are shown to keys with the scope operate.")).toBeVisible();
  await expect(page.getByText("hidden")).toHaveCount(0);
  await expect(page.getByText("Nothing ended.")).toBeVisible();
  await page.goto(`${server.url}/#/jobs`);
  await expect(page.getByText("No jobs yet.")).toBeVisible();
  silent();
});

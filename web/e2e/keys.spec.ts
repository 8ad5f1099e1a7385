import { expect, test, type Page } from "@playwright/test";

import { accessible, fitsPhone, followsTheme, watched } from "./cluster-looks";
import { Server } from "./cluster-server";

interface Made {
  id: string;
  secret: string;
}

let server: Server;
let operator: Made;

test.beforeAll(async () => {
  server = await Server.start();
  const { body } = await server.post<Made>("/v1/keys", { tenant: "ops", scopes: ["submit", "read", "operate"], name: "operator" });
  operator = body;
});
test.afterAll(async () => server.end());

async function signIn(page: Page, secret: string): Promise<void> {
  await page.goto(`${server.url}/#/keys`);
  await page.getByLabel("API key").fill(secret);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: "This key" })).toBeVisible();
}

test("who has no key is asked for one on every page", async ({ page }) => {
  const silent = watched(page, server.url);
  for (const name of ["jobs", "cluster"]) {
    await page.goto(`${server.url}/#/${name}`);
    await expect(page.getByText("This server asks for an API key.")).toBeVisible();
  }
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await expect(page.getByLabel("API key")).toBeVisible();
  await accessible(page);
  silent();
});

test("a wrong key is refused in words, and the field has the focus again", async ({ page }) => {
  await page.goto(`${server.url}/#/keys`);
  await page.getByLabel("API key").fill(`enclos_${"0".repeat(72)}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "This key is not known" })).toBeVisible();
  await expect(page.getByLabel("API key")).toBeFocused();
  await expect(page.getByLabel("API key")).toHaveAttribute("aria-invalid", "true");
});

test("a key opens the page, is kept nowhere in it, and a reload keeps it open until the sign-out", async ({ page }) => {
  const silent = watched(page, server.url);
  await signIn(page, operator.secret);
  await page.reload();
  await expect(page.getByText("operator", { exact: true })).toBeVisible();
  const kept = await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }) + document.documentElement.innerHTML);
  expect(kept).not.toContain(operator.secret);
  const cookies = await page.context().cookies();
  expect(cookies.map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }))).toEqual([{ name: "enclos_session", httpOnly: true, sameSite: "Strict" }]);
  expect(cookies[0]?.value).not.toContain(operator.secret);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("API key")).toBeVisible();
  await page.goto(`${server.url}/#/jobs`);
  await expect(page.getByText("This server asks for an API key.")).toBeVisible();
  silent();
});

test("an operator makes a key, sees its secret once, and ends it, which ends its sessions", async ({ page, browser }) => {
  await signIn(page, operator.secret);
  await page.getByRole("button", { name: "New key" }).click();
  await page.getByRole("textbox", { name: "Tenant" }).fill("acme");
  await page.getByRole("textbox", { name: "Name" }).fill("<img src=x onerror=alert(1)>");
  await page.getByRole("button", { name: "Make the key" }).click();
  const secret = (await page.getByTestId("secret").textContent()) ?? "";
  expect(secret).toMatch(/^enclos_[0-9a-f]{72}$/);
  expect((await server.get("/v1/usage", secret)).status).toBe(200);
  await page.getByRole("button", { name: "I have it" }).click();
  await expect(page.getByText(secret)).toHaveCount(0);

  const other = await browser.newPage();
  await signIn(other, secret);
  await expect(other.getByRole("button", { name: "New key" })).toHaveCount(0);
  await expect(other.getByText("not allowed:")).toHaveCount(1);

  await page.getByRole("button", { name: "Revoke: <img src=x onerror=alert(1)>" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByRole("rowheader", { name: "<img" })).toHaveCount(0);
  await page.getByLabel("Show 1 ended key").check();
  await expect(page.getByRole("row").filter({ hasText: "<img" })).toContainText("revoked");
  expect((await server.get("/v1/usage", secret)).status).toBe(401);
  await expect(other.getByLabel("API key")).toBeVisible({ timeout: 20_000 });
  await other.close();
});

test("a rotated key has a new secret, and the old one ends when it was told to", async ({ page }) => {
  const { body: made } = await server.post<Made>("/v1/keys", { tenant: "acme", scopes: ["read"], name: "turns" }, operator.secret);
  await signIn(page, operator.secret);
  await page.getByRole("button", { name: "Rotate: turns" }).click();
  await page.getByLabel("The old secret works").selectOption("not any more");
  await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
  const secret = (await page.getByTestId("secret").textContent()) ?? "";
  expect((await server.get("/v1/usage", secret)).status).toBe(200);
  expect((await server.get("/v1/usage", made.secret)).status).toBe(401);
});

test("quotas are set and shown against the use, and what is no quota is told before it is sent", async ({ page }) => {
  await signIn(page, operator.secret);
  await page.getByRole("button", { name: "Quotas for a tenant" }).click();
  await page.getByRole("textbox", { name: "Tenant" }).fill("bounded");
  await page.getByLabel("Jobs running at once").fill("0");
  await expect(page.getByText("Give a whole number, default or unlimited.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Save" })).toBeDisabled();
  await page.getByLabel("Jobs running at once").fill("7");
  await page.getByLabel("Languages").fill("python, c");
  await accessible(page);
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("listitem").filter({ hasText: "bounded" }).filter({ hasText: "0 of 7" })).toBeVisible();
  const { body } = await server.get<{ tenants: { tenant: string; settings: { languages: string[] } }[] }>("/v1/tenants", operator.secret);
  expect(body.tenants.find(({ tenant }) => tenant === "bounded")?.settings.languages).toEqual(["c", "python"]);
});

test("all of it is done by keyboard alone", async ({ page }) => {
  await page.goto(`${server.url}/#/run`);
  await page.keyboard.press("Alt+4");
  await expect(page.getByLabel("API key")).toBeVisible();
  await page.getByRole("link", { name: "Skip to content" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await expect(page.getByLabel("API key")).toBeFocused();
  await page.keyboard.type(operator.secret);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "This key" })).toBeVisible();
  await page.getByRole("button", { name: "New key" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.getByLabel("Name").focus();
  await page.keyboard.type("typed");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("secret")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("rowheader", { name: /^typed/ })).toBeVisible();
});

test("it is accessible, fits a phone, follows the theme, and speaks French", async ({ page }) => {
  const silent = watched(page, server.url);
  await signIn(page, operator.secret);
  await expect(page.getByRole("heading", { name: "Quotas" })).toBeVisible();
  await accessible(page);
  await followsTheme(page);
  await fitsPhone(page);
  await page.getByLabel("Language of this page").selectOption("fr");
  await expect(page.getByRole("heading", { name: "Cette clé" })).toBeVisible();
  await accessible(page);
  silent();
});

// What a person does on Run.
import { expect, type Locator, type Page } from "@playwright/test";

export const IMAGES = "c,cpp,java,javascript,typescript,python,bash,perl";

/** An agent's name is also that of its cgroup on this host: another run of the tests has another. */
export const AGENT = `runs-${process.pid}`;

export const editor = (page: Page): Locator => page.locator(".cm-content");
export const output = (page: Page): Locator => page.getByRole("region", { name: "Output" });
export const runButton = (page: Page): Locator => page.getByRole("button", { name: "Run", exact: true });

/** Opens Run, with the program that a first visit has. */
export async function openRun(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/#/run`);
  await expect(editor(page)).toContainText("Hello, world!");
}

export async function choose(page: Page, language: string): Promise<void> {
  await page.getByRole("button", { name: /^Language:/ }).click();
  await page.getByRole("combobox", { name: "Search a language" }).fill(language);
  // The list may still be on its way, and Enter chooses of what is there.
  const list = page.getByRole("listbox", { name: "Language" });
  await expect(list.getByRole("option", { selected: true })).toContainText(language);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: /^Language:/ })).toHaveText(new RegExp(`Language:\\s*${language.replaceAll("+", "\\+")}`));
}

/** Writes a program in place of what the editor shows. */
export async function write(page: Page, text: string): Promise<void> {
  await editor(page).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(text);
}

export async function example(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "Examples" }).click();
  await page.getByRole("menuitem", { name }).click();
}

/** Until the job has ended with an outcome, as the page says it. */
export async function ended(page: Page, outcome: string): Promise<void> {
  await expect(page.locator("[data-phase=finished] .badge")).toHaveText(outcome, { timeout: 60_000 });
}

export async function run(page: Page, outcome: string): Promise<void> {
  await page.keyboard.press("Control+Enter");
  await ended(page, outcome);
}

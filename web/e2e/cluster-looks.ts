// What every page must be: free of violations, within its frame, and silent in the console.
import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

/** Notes everything that the page must not do; the function returned fails the test if it did. */
export function watched(page: Page, origin: string): () => void {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) faults.push(`policy: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== "data:" && url.protocol !== "blob:") faults.push(`request: ${request.url()}`);
  });
  return () => expect(faults).toEqual([]);
}

/** axe-core finds nothing, in both themes. */
export async function accessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    // Another theme is there with the next frame, and its colours with the end of what changes them.
    await page.evaluate(async () => {
      await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)));
      await Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished));
    });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join("; ")}`);
    expect(found, colorScheme).toEqual([]);
  }
}

/** Nothing stands out of a phone's screen. */
export async function fitsPhone(page: Page): Promise<void> {
  await page.setViewportSize({ width: 360, height: 740 });
  await expect
    .poll(() => page.evaluate(() => [document.documentElement, document.querySelector("main")].map((one) => (one ? one.scrollWidth - one.clientWidth : -1))))
    .toEqual([0, 0]);
}

/** The ground is dark where that is preferred, and light where it is not. */
export async function followsTheme(page: Page): Promise<void> {
  const bright = (): Promise<number> =>
    page.evaluate(() => {
      const [red = 0] = (getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g) ?? []).map(Number);
      return red;
    });
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(bright).toBeLessThan(64);
  await page.emulateMedia({ colorScheme: "light" });
  await expect.poll(bright).toBeGreaterThan(192);
}

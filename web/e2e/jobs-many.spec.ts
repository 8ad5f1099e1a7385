import { expect, test } from "@playwright/test";

import { watched } from "./cluster-looks";
import { Server } from "./cluster-server";

// No agent: that they wait is enough for a list.
const JOBS = 5000;
const BATCH = 100;
/** Generous: these hold on a machine that is busy with other things. */
const FRAME_MS_MAX = 500;
const HEAP_BYTES_MAX = 128 * 1024 * 1024;
const ELEMENTS_MAX = 1500;

let server: Server;
test.beforeAll(async () => {
  server = await Server.start("--queue-jobs-max", "10000", "--tenant-queued-jobs", "10000");
  const jobs = Array.from({ length: BATCH }, () => ({ language: "python", source: "pass", labels: { kind: "one of many" } }));
  for (let made = 0; made < JOBS; made += BATCH) {
    const { status } = await server.post("/v1/jobs/batch", { jobs });
    expect(status).toBe(200);
  }
});
test.afterAll(async () => server.end());

test("five thousand jobs are scrolled through smoothly, in a document of few rows", async ({ page }) => {
  const silent = watched(page, server.url);
  await page.goto(`${server.url}/#/jobs`);
  const view = page.getByRole("rowgroup", { name: "Jobs, newest first" });
  await expect(page.locator("[data-row='0']")).toBeVisible();
  const count = page.getByTestId("job-count");
  await expect(async () => {
    await view.evaluate((one) => (one.scrollTop = one.scrollHeight));
    await expect(count).toHaveText("5,000 jobs", { timeout: 50 });
  }).toPass({ timeout: 60_000, intervals: [20] });
  await view.evaluate((one) => (one.scrollTop = one.scrollHeight));
  await expect(page.locator(`[data-row="${JOBS - 1}"]`)).toBeVisible();

  const frames = await view.evaluate(async (one) => {
    const times: number[] = [];
    one.scrollTop = 0;
    let last = performance.now();
    await new Promise<void>((resolve) => {
      const step = (now: number): void => {
        times.push(now - last);
        last = now;
        one.scrollTop += 700;
        if (one.scrollTop + one.clientHeight >= one.scrollHeight - 1) resolve();
        else requestAnimationFrame(step);
      };
      requestAnimationFrame(step);
    });
    return times.slice(1).sort((a, b) => a - b);
  });
  const elements = await page.locator("*").count();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("HeapProfiler.collectGarbage");
  await devtools.send("Performance.enable");
  const { metrics } = await devtools.send("Performance.getMetrics");
  const heap = metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? Number.NaN;
  const at = (share: number): number => frames[Math.floor((frames.length - 1) * share)] ?? Number.NaN;
  const figures = `${frames.length} frames, median ${at(0.5).toFixed(1)} ms, 99 % within ${at(0.99).toFixed(1)} ms, heap ${(heap / 1048576).toFixed(1)} MiB, ${elements} elements`;
  test.info().annotations.push({ type: "figures", description: figures });
  console.log(`5,000 jobs: ${figures}`);
  expect(frames.length).toBeGreaterThan(100);
  expect(at(0.99)).toBeLessThan(FRAME_MS_MAX);
  expect(heap).toBeLessThan(HEAP_BYTES_MAX);
  expect(elements).toBeLessThan(ELEMENTS_MAX);
  silent();
});

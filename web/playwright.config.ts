import { defineConfig } from "@playwright/test";

// Each file of tests has a master and agents of its own; two at once would share two cores and a fleet
// of containers, and take as long.
export default defineConfig({
  testDir: "e2e",
  outputDir: "../target/page",
  timeout: 90_000,
  expect: { timeout: 20_000 },
  workers: 1,
  // A browser on few and shared cores: what fails once there is tried again, and listed as flaky.
  retries: process.env["CI"] ? 1 : 0,
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    launchOptions: { executablePath: process.env["ENCLOS_CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    screenshot: "only-on-failure",
  },
});

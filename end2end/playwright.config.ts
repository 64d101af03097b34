// The browser tests run on the release binary: five embedded pods, every image cut into tasks, faults allowed, leases of two seconds.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { defineConfig, devices } from "@playwright/test";

const binary = resolve(process.env.EVENLIGHT_BINARY ?? "../target/release/evenlight");

// Each of Playwright's processes reads this file; the environment passes the same port and folder to all of them.
const port = (process.env.EVENLIGHT_E2E_PORT ??= freePort());
const data = (process.env.EVENLIGHT_E2E_DATA ??= freshFolder());
const address = `127.0.0.1:${port}`;
const pictures = process.env.EVENLIGHT_PICTURES !== undefined;

/** Creates a folder that is removed when the first process ends, which has stopped the server by then. */
function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "evenlight-end2end-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }));
  return folder;
}

function freePort(): string {
  const script =
    'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })';
  return execFileSync(process.execPath, ["-e", script], { encoding: "utf8" }).trim();
}

export default defineConfig({
  testDir: "specs",
  outputDir: "test-results",
  // One array serves all specs, and some of them kill its pods.
  workers: 1,
  fullyParallel: false,
  forbidOnly: process.env.CI !== undefined,
  retries: 0,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  reporter: [["list"], ["html", { open: "never", outputFolder: "playwright-report" }]],
  use: {
    baseURL: `http://${address}`,
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-domain-reliability",
        "--disable-dev-shm-usage",
        "--disable-features=OptimizationHints,MediaRouter,Translate",
      ],
    },
  },
  projects: pictures
    ? [{ name: "pictures", testMatch: "pictures.spec.ts", use: { ...devices["Desktop Chrome"] } }]
    : [{ name: "desktop", testIgnore: "pictures.spec.ts", use: { ...devices["Desktop Chrome"] } }],
  webServer: {
    command:
      `exec "${binary}" serve --pods 5 --whole-below 0 --allow-faults --session-timeout 2s ` +
      `--listen ${address} --data "${data}" >server.log 2>&1`,
    url: `http://${address}/readyz`,
    timeout: 60_000,
    reuseExistingServer: false,
    gracefulShutdown: { signal: "SIGTERM", timeout: 15_000 },
  },
});

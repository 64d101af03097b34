// Cost of a first visit: bytes, largest contentful paint, layout shifts and long tasks.

import { once } from "node:events";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { expect, type Page, test } from "@playwright/test";

import { calm } from "../support/api.ts";
import { elapse, live, open, written } from "../support/page.ts";
import { sample } from "../support/samples.ts";
import { watchTasks } from "../support/tasks.ts";

const KB = 1_024;
// A debug build has no compressed files.
const release = existsSync(new URL("../../target/site/pkg/evenlight.wasm.br", import.meta.url));

/** Bytes transferred for each address, without headers. */
async function wire(page: Page): Promise<Map<string, number>> {
  const bytes = new Map<string, number>();
  const addresses = new Map<string, string>();
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.responseReceived", ({ requestId, response }) => addresses.set(requestId, new URL(response.url).pathname));
  session.on("Network.dataReceived", ({ requestId, encodedDataLength }) => {
    const address = addresses.get(requestId) ?? "?";
    bytes.set(address, (bytes.get(address) ?? 0) + encodedDataLength);
  });
  return bytes;
}

interface Watched {
  largest: number;
  shift: number;
  /** What shifted, as text for the failure message. */
  shifts: string[];
}

/** Records the next page's largest contentful paint and layout shifts, from its start. */
async function watch(page: Page): Promise<() => Promise<Watched>> {
  await page.addInitScript(() => {
    const seen = { largest: 0, shift: 0, shifts: [] as string[] };
    (window as unknown as { seen: typeof seen }).seen = seen;
    const on = (type: string, take: (entry: PerformanceEntry) => void) =>
      new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    on("largest-contentful-paint", (entry) => (seen.largest = entry.startTime));
    on("layout-shift", (entry) => {
      const shift = entry as PerformanceEntry & { value: number; hadRecentInput: boolean; sources: { node: Node | null }[] };
      if (shift.hadRecentInput) return;
      seen.shift += shift.value;
      shift.sources.forEach(({ node }) => seen.shifts.push((node instanceof Element ? node.outerHTML : String(node?.textContent)).slice(0, 200)));
    });
  });
  return () => page.evaluate(() => (window as unknown as { seen: Watched }).seen);
}

test("a first visit loads at most 280 KB, 250 KB of it the page's module, and a second one none of its files", async ({ page }) => {
  test.skip(!release, "sizes are those of a release");
  const bytes = await wire(page);
  await open(page, "/");
  const files = [...bytes].filter(([address]) => !address.startsWith("/api/"));
  const module = files.find(([address]) => address.endsWith(".wasm"));
  expect(module?.[1] ?? Infinity).toBeLessThanOrEqual(250 * KB);
  expect(files.reduce((sum, [, size]) => sum + size, 0)).toBeLessThanOrEqual(280 * KB);

  bytes.clear();
  await page.goto("/");
  await live(page);
  const again = [...bytes].filter(([address, size]) => /\.(wasm|js|css)$/.test(address) && size > 0);
  expect(again).toEqual([]);
});

for (const path of ["/", "/cluster"]) {
  test(`the largest part of ${path} is painted within a second, and nothing shifts`, async ({ page, request }) => {
    await calm(request);
    const seen = await watch(page);
    await open(page, path);
    // Shifts may come late.
    await elapse(1_000);
    const { largest, shift, shifts } = await seen();
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThanOrEqual(1_000);
    expect(shift, shifts.join("\n")).toBe(0);
  });
}

test("a page that arrives slowly is painted once it is complete, and nothing shifts", async ({ baseURL, page }) => {
  const slow = createServer(async ({ url }, answer) => {
    const whole = await fetch(`${baseURL}${url}`);
    const kind = whole.headers.get("content-type") ?? "";
    answer.writeHead(whole.status, { "content-type": kind });
    const bytes = Buffer.from(await whole.arrayBuffer());
    const step = kind.startsWith("text/html") ? 1_000 : bytes.length + 1;
    for (let at = 0; at < bytes.length; at += step) {
      answer.write(bytes.subarray(at, at + step));
      if (step === 1_000) await elapse(50);
    }
    answer.end();
  }).listen(0, "127.0.0.1");
  await once(slow, "listening");
  // Its code is still loading, so it can't have caused shifts.
  await page.route(/\.wasm$/, () => {});
  const seen = await watch(page);
  await page.goto(`http://127.0.0.1:${(slow.address() as AddressInfo).port}/`);
  await elapse(500);
  const { largest, shift, shifts } = await seen();
  expect(largest).toBeGreaterThan(0);
  expect(shift, shifts.join("\n")).toBe(0);
  slow.closeAllConnections();
  slow.close();
});

for (const [method, field, value] of [
  ["clahe", "clip_limit", "3.5"],
  ["stretch", "high", "97"],
] as const) {
  test(`a remembered ${method} recipe fills its fields before the page is hydrated, and nothing shifts`, async ({ context, page, request }) => {
    await calm(request);
    await open(page, "/");
    await page.getByTestId("method").selectOption(method);
    await page.getByTestId(field).fill(value);

    // Separate pages, because shifts right after an input aren't counted.
    const still = await context.newPage();
    await still.route(/\.wasm$/, (route) => route.abort());
    await still.goto("/");
    const alive = await context.newPage();
    const seen = await watch(alive);
    await open(alive, "/");
    for (const one of [still, alive]) {
      await expect(one.getByTestId("method")).toHaveValue(method);
      await expect(one.getByTestId(field)).toBeVisible();
      await expect(one.getByTestId(field)).toHaveValue(value);
    }
    await elapse(1_000);
    const { shift, shifts } = await seen();
    expect(shift, shifts.join("\n")).toBe(0);
  });
}

test("the server's HTML is shown without scripts and without WebAssembly", async ({ browser, baseURL }) => {
  const context = await browser.newContext(baseURL === undefined ? {} : { baseURL });
  const page = await context.newPage();
  await page.route(/\.wasm$/, (route) => route.abort());
  await page.goto("/cluster");
  await expect(page.getByTestId("pod")).toHaveCount(5);
  await expect(page.getByTestId("leader")).toBeVisible();
  await page.goto("/");
  await expect(page.locator("form", { has: page.getByTestId("file-input") })).toBeVisible();
  await context.close();
});

// CPU time rather than wall-clock time: other tests' servers use the same cores, and waiting for a core isn't the page's work.
test("while 50 images are uploaded no task of the page takes longer than 50 ms", async ({ browser, page, request }) => {
  test.skip(!release, "times are those of a release");
  await calm(request);
  await open(page, "/");
  // What the page does after its start isn't part of the measurement.
  await elapse(500);
  // From a folder: passing 50 files from memory would itself be a task of more than a second.
  const folder = written(Array.from({ length: 50 }, (_, i) => ({ ...sample("coffee.png"), name: `many-${i}.png` })));
  const tasks = await watchTasks(browser);
  await page.getByTestId("file-input").setInputFiles(readdirSync(folder).map((name) => join(folder, name)));
  await expect(page.locator('[data-testid="upload-item"][data-state="done"]')).toHaveCount(50, { timeout: 60_000 });
  const ms = Math.max(...(await tasks()));
  console.log(`the longest task while 50 images were uploaded took ${ms.toFixed(1)} ms of the processor`);
  expect(ms).toBeLessThanOrEqual(50);
  rmSync(folder, { recursive: true });
});

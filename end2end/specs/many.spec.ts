// A gallery of a hundred thousand images.

import { expect, test, type Page } from "@playwright/test";

import { own, seed, type Own } from "../support/own.ts";
import { elapse, live } from "../support/page.ts";
import { sample } from "../support/samples.ts";
import { watchTasks } from "../support/tasks.ts";

const IMAGES = 100_000;

let server: Own;

test.beforeAll(async ({ request }) => {
  test.setTimeout(240_000);
  server = await own(1);
  const answer = await request.post(`${server.address}/api/images`, { multipart: { image: sample("moon.png") } });
  expect(answer.status()).toBe(202);
  seed(server, IMAGES);
});

test.afterAll(async () => {
  await server.stop();
});

/** Opens the gallery and waits until every image has its position. */
async function gallery(page: Page, search = "", pixels = 1_000_000): Promise<void> {
  await page.goto(`${server.address}/${search}`);
  await live(page);
  await expect.poll(() => page.evaluate(() => document.documentElement.scrollHeight), { timeout: 30_000 }).toBeGreaterThan(pixels);
}

const toTheEnd = (page: Page) => page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));

test("the first page of any query is answered within 200 ms", async ({ request }) => {
  const queries = ["", "?state=done", "?state=failed", "?format=jpeg", "?depth=16", "?method=clahe", "?q=99999", "?sort=name", "?sort=oldest&state=done&q=7"];
  for (const query of queries) {
    let best = Infinity;
    for (let i = 0; i < 5 && best > 200; i++) {
      const began = performance.now();
      const answer = await request.get(`${server.address}/api/images${query}`);
      expect(answer.status()).toBe(200);
      best = Math.min(best, performance.now() - began);
    }
    console.log(`GET /api/images${query}: ${best.toFixed(0)} ms`);
    expect(best, query).toBeLessThanOrEqual(200);
  }
});

test("the server's HTML shows images, and nothing moves when all have their positions", async ({ page }) => {
  await page.addInitScript(() => {
    (window as unknown as { shifted: number }).shifted = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) (window as unknown as { shifted: number }).shifted += (entry as unknown as { value: number }).value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await gallery(page);
  await expect(page.getByTestId("gallery-item").first()).toBeVisible();
  // Shifts may come late.
  await elapse(500);
  expect(await page.evaluate(() => (window as unknown as { shifted: number }).shifted)).toBeLessThan(0.005);
});

for (const [screen, viewport] of [["a desk", { width: 1280, height: 800 }], ["a telephone, which can't scroll so far", { width: 390, height: 844 }]] as const) {
  test(`jumping to the end and back works, on ${screen}`, async ({ page }) => {
    await page.setViewportSize(viewport);
    await gallery(page, "?sort=name");
    await toTheEnd(page);
    // The last one by name.
    await expect(page.getByText("moon.png", { exact: true })).toBeInViewport();
    expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThan(8_100_000);
    await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight / 2));
    await expect(page.getByTestId("gallery-item").first()).toBeVisible();
    await page.evaluate(() => window.scrollTo(0, 0));
    // On a phone the first images are just below the upload panel.
    await expect(page.getByText("Image 1.png", { exact: true })).toBeVisible();
  });
}

test("the keyboard goes to the last image and to the first", async ({ page }) => {
  await gallery(page, "?sort=name");
  const links = page.getByTestId("gallery-item").getByRole("link");
  await links.first().focus();
  await page.keyboard.press("End");
  await expect(page.locator(`[data-index="${IMAGES}"] a`)).toBeFocused();
  await page.keyboard.press("Home");
  await expect(page.locator('[data-index="0"] a')).toBeFocused();
});

// CPU time of the page's thread, because a browser without a graphics card draws on the same cores.
test("scrolling is smooth, and distant images are dropped", async ({ browser, page }) => {
  test.setTimeout(300_000);
  // The memories of all WebAssembly modules.
  await page.addInitScript(() => {
    const memories: WebAssembly.Memory[] = ((window as unknown as { memories: WebAssembly.Memory[] }).memories = []);
    const native = WebAssembly.instantiateStreaming;
    WebAssembly.instantiateStreaming = async (source, imports) => {
      const made = await native(source, imports);
      const { memory } = made.instance.exports;
      if (memory instanceof WebAssembly.Memory) memories.push(memory);
      return made;
    };
  });
  await gallery(page);
  const session = await page.context().newCDPSession(page);
  const weigh = async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    const { nodes } = await session.send("Memory.getDOMCounters");
    const wasm = await page.evaluate(() =>
      (window as unknown as { memories: WebAssembly.Memory[] }).memories.reduce((all, { buffer }) => all + buffer.byteLength, 0),
    );
    expect(wasm).toBeGreaterThan(0);
    return { heap: usedSize, nodes, wasm };
  };
  const walk = (pixels: number, steps: number) =>
    page.evaluate(
      async ([pixels, steps]) => {
        const frames: number[] = [];
        let before = performance.now();
        for (let i = 0; i < steps; i++) {
          window.scrollBy(0, pixels);
          const now = await new Promise<number>((resolve) => requestAnimationFrame(() => resolve(performance.now())));
          frames.push(now - before);
          before = now;
        }
        return frames.sort((a, b) => a - b);
      },
      [pixels, steps] as const,
    );
  await walk(400, 300);
  const before = await weigh();
  const tasks = await watchTasks(browser);
  const frames = await walk(120, 400);
  const times = await tasks();
  const [mean, longest] = [times.reduce((sum, ms) => sum + ms, 0) / frames.length, Math.max(...times)];
  console.log(`CPU time: ${mean.toFixed(1)} ms per frame, longest task ${longest.toFixed(1)} ms`);
  const at = (part: number) => frames[Math.floor(part * (frames.length - 1))] ?? 0;
  console.log(`frames: median ${at(0.5).toFixed(1)} ms, 95 % within ${at(0.95).toFixed(1)} ms, longest ${at(1).toFixed(1)} ms`);
  await walk(1_400, 400);
  await expect(page.getByTestId("gallery-item").first()).toBeVisible();
  const after = await weigh();
  console.log(`before ${JSON.stringify(before)}, after a walk over thousands of images ${JSON.stringify(after)}`);
  expect(mean).toBeLessThan(34);
  expect(longest).toBeLessThan(100);
  expect(after.nodes).toBeLessThan(before.nodes * 1.5 + 2_000);
  expect(after.heap).toBeLessThan(before.heap + 12_000_000);
  expect(after.wasm).toBeLessThan(before.wasm + 24_000_000);
});

test("Shift also selects images that haven't been loaded, and an undone deletion far below returns to its place", async ({ page, request }) => {
  await gallery(page, "?sort=name&q=Image%2012", 80_000);
  const boxes = page.getByTestId("choose");
  await boxes.first().click();
  await page.evaluate(() => window.scrollTo(0, 60_000));
  const far = page.getByTestId("gallery-item").nth(10);
  // The images of the top may still be in the document, and hovering over one would scroll back to it.
  await expect.poll(() => far.evaluate((tile) => tile.getBoundingClientRect().top)).toBeGreaterThan(-10_000);
  await far.hover();
  await far.getByTestId("choose").click({ modifiers: ["Shift"] });
  await expect(page.getByTestId("choice")).toContainText(/[5-9]\d\d images selected/);
  const total = async () => ((await (await request.get(`${server.address}/api/images/sections`)).json()) as { total: number }).total;
  const all = await total();
  await page.getByTestId("delete-chosen").click();
  await expect(page.getByTestId("undo-bar")).toContainText(/[5-9]\d\d images deleted/);
  expect(await total()).toBeLessThan(all - 500);
  await page.getByTestId("undo").click();
  await expect.poll(total).toBe(all);
});

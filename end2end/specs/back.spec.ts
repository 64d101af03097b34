// Back, Forward and a reload restore the position in the gallery.

import { devices, expect, test, type Browser, type Locator, type Page } from "@playwright/test";

import { own, seed, type Own } from "../support/own.ts";
import { elapse, live } from "../support/page.ts";
import { sample } from "../support/samples.ts";

let server: Own;

test.beforeAll(async ({ request }) => {
  test.setTimeout(240_000);
  server = await own(1);
  const answer = await request.post(`${server.address}/api/images`, { multipart: { image: sample("moon.png") } });
  expect(answer.status()).toBe(202);
  seed(server, 3_000);
});

test.afterAll(async () => {
  await server.stop();
});

/** Opens the gallery and waits until every image has its position. */
async function gallery(page: Page, search = "", pixels = 50_000): Promise<void> {
  await page.goto(`${server.address}/${search}`);
  await live(page);
  await expect.poll(() => page.evaluate(() => document.documentElement.scrollHeight)).toBeGreaterThan(pixels);
}

/** Scrolls, and waits until the images at the new position are shown. */
async function scroll(page: Page, to: number): Promise<void> {
  await page.evaluate((to) => window.scrollTo(0, to), to);
  await expect(seen(page).first()).toBeVisible();
  await expect.poll(() => page.locator(".tile-empty").evaluateAll((tiles) => tiles.filter((it) => it.getBoundingClientRect().bottom > 0 && it.getBoundingClientRect().top < innerHeight).length)).toBe(0);
  // The page stores its position a moment after the last scroll, which may not have moved it. A test below covers readers who are
  // faster.
  await elapse(150);
}

const seen = (page: Page): Locator => page.getByTestId("gallery-item");

/** Returns the scroll position, and the positions of the images in the window. */
const place = (page: Page) =>
  page.evaluate(() => {
    const tiles = [...document.querySelectorAll<HTMLElement>('[data-testid="gallery-item"]')]
      .map((tile) => ({ id: tile.dataset.id ?? "", top: Math.round(tile.getBoundingClientRect().top) }))
      .filter(({ top }) => top > -100 && top < innerHeight)
      .sort((a, b) => a.top - b.top || a.id.localeCompare(b.id));
    return { scroll: Math.round(window.scrollY), tiles };
  });

/** Opens the page of an image that is entirely in the window; clicking another one would scroll. */
async function openImage(page: Page): Promise<void> {
  const index = await seen(page).evaluateAll((tiles) =>
    tiles.map((it) => it.getBoundingClientRect()).findIndex(({ top, bottom }) => top > 80 && bottom < innerHeight - 10),
  );
  expect(index).toBeGreaterThanOrEqual(0);
  await seen(page).nth(index).getByRole("link").click();
  await expect(page).toHaveURL(/\/images\//);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
}

/** Fills in fields of the filter without scrolling to them, as Playwright would. */
async function filter(page: Page, fields: Record<string, string>): Promise<void> {
  await page.evaluate((fields) => {
    const form = document.querySelector<HTMLFormElement>("#filters");
    for (const [name, value] of Object.entries(fields)) (form?.elements.namedItem(name) as HTMLInputElement).value = value;
    form?.dispatchEvent(new Event("change", { bubbles: true }));
  }, fields);
}

async function screen(browser: Browser, options: Parameters<Browser["newContext"]>[0]): Promise<Page> {
  return (await browser.newContext(options)).newPage();
}

const SCREENS = [
  ["a desk", { viewport: { width: 1280, height: 800 } }],
  ["a telephone", devices["Pixel 7"]],
] as const;

for (const [name, options] of SCREENS) {
  for (const [where, to] of [["near the top", 700], ["among the first page's images", 2_500], ["deep down", 40_123]] as const) {
    test(`back from an image returns to the same pixel, ${where}, on ${name}`, async ({ browser }) => {
      const page = await screen(browser, options);
      await gallery(page);
      await scroll(page, to);
      const before = await place(page);
      expect(before.scroll).toBe(to);
      await openImage(page);
      await page.goBack();
      await expect.poll(() => place(page)).toEqual(before);
      await page.goForward();
      await expect(page).toHaveURL(/\/images\//);
      await page.goBack();
      await expect.poll(() => place(page)).toEqual(before);
      await page.context().close();
    });
  }

  test(`back returns to the same pixel of a small gallery, on ${name}`, async ({ browser }) => {
    const page = await screen(browser, options);
    await gallery(page, "?q=Image%20123", 1_000);
    for (const to of [300, 600]) {
      await scroll(page, to);
      const before = await place(page);
      await openImage(page);
      await page.goBack();
      await expect.poll(() => place(page)).toEqual(before);
    }
    await page.context().close();
  });

  test(`a reload stays at the same pixel, on ${name}`, async ({ browser }) => {
    const page = await screen(browser, options);
    await gallery(page);
    await scroll(page, 30_000);
    const before = await place(page);
    await page.reload();
    await expect.poll(() => place(page)).toEqual(before);
    await openImage(page);
    // Back may come before the page is hydrated or while it loads its part; then `place` runs on a page that is still loading, and is retried.
    await page.reload();
    await page.goBack();
    await expect(async () => expect(await place(page)).toEqual(before)).toPass({ timeout: 20_000 });
    await page.context().close();
  });
}

test("back returns after scrolling through many pages of images", async ({ page }) => {
  await gallery(page);
  for (let to = 4_000; to <= 40_000; to += 4_000) await scroll(page, to);
  const before = await place(page);
  await openImage(page);
  await page.goBack();
  await expect.poll(() => place(page)).toEqual(before);
});

test("scrolling, opening an image at once and going back restores the position", async ({ page }) => {
  await gallery(page);
  await scroll(page, 20_000);
  await page.evaluate(() => {
    window.scrollTo(0, 20_150);
    const tile = [...document.querySelectorAll('[data-testid="gallery-item"]')].find((it) => it.getBoundingClientRect().top > 100);
    tile?.querySelector("a")?.click();
  });
  await expect(page).toHaveURL(/\/images\//);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.goBack();
  await expect.poll(async () => (await place(page)).scroll).toBe(20_150);
});

test("back returns to the end of the gallery and to the page's end below it", async ({ page }) => {
  await gallery(page, "?sort=name");
  await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
  await expect(page.getByText("moon.png", { exact: true })).toBeInViewport();
  await scroll(page, 1e9);
  const before = await place(page);
  await openImage(page);
  await page.goBack();
  await expect.poll(() => place(page)).toEqual(before);
});

test("back returns within a filtered and sorted gallery, and then to the unfiltered one", async ({ page }) => {
  await gallery(page);
  await scroll(page, 12_345);
  const whole = await place(page);
  await filter(page, { q: "Image 1" });
  await expect(page).toHaveURL(/q=/);
  await filter(page, { sort: "name" });
  await expect(page).toHaveURL(/sort=name/);
  await page.evaluate(() => window.scrollTo(0, 0));
  await expect(page.getByText("Image 1.png", { exact: true })).toBeVisible();
  await expect.poll(() => page.evaluate(() => document.documentElement.scrollHeight)).toBeGreaterThan(20_000);
  await scroll(page, 15_000);
  const filtered = await place(page);
  await openImage(page);
  await page.goBack();
  await expect.poll(() => place(page)).toEqual(filtered);
  await page.goBack();
  await page.goBack();
  await expect.poll(() => place(page)).toEqual(whole);
});

test("back from the cluster page returns to the same position", async ({ page }) => {
  await gallery(page);
  await scroll(page, 25_000);
  const before = await place(page);
  await page.getByRole("link", { name: "Cluster" }).click();
  await expect(page.getByTestId("leader")).toBeVisible();
  await page.goBack();
  await expect.poll(() => place(page)).toEqual(before);
});

test("images uploaded meanwhile don't move the visible ones", async ({ page, request }) => {
  await gallery(page);
  await scroll(page, 18_000);
  const before = await place(page);
  await openImage(page);
  for (let i = 0; i < 3; i++) {
    const answer = await request.post(`${server.address}/api/images`, { multipart: { image: { ...sample("rocket.jpg"), name: `meanwhile ${i}.jpg` } } });
    expect(answer.status()).toBe(202);
  }
  await page.goBack();
  // Images may change columns: the first one keeps its position, and its neighbours stay visible.
  const [first] = before.tiles.filter(({ top }) => top >= 0);
  await expect.poll(async () => (await place(page)).tiles.find(({ id }) => id === first?.id)?.top).toBe(first?.top);
  // It doesn't move later either.
  await elapse(1_000);
  expect((await place(page)).tiles.find(({ id }) => id === first?.id)?.top).toBe(first?.top);
});

test("a reader who scrolls before the images have loaded isn't scrolled back", async ({ page }) => {
  await gallery(page);
  await scroll(page, 30_000);
  await openImage(page);
  let go = (): void => {};
  const held = new Promise<void>((resolve) => (go = resolve));
  await page.route(/\/api\/images\/sections/, async (route) => {
    await held;
    await route.continue();
  });
  await page.goBack();
  await expect(seen(page).first()).toBeVisible();
  await page.mouse.move(600, 600);
  await page.mouse.wheel(0, 300);
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBeGreaterThan(100);
  go();
  await expect.poll(() => page.evaluate(() => document.documentElement.scrollHeight)).toBeGreaterThan(50_000);
  // A late restoration would come now.
  await elapse(500);
  expect(await page.evaluate(() => window.scrollY)).toBeLessThan(3_000);
});

test("following a link starts at the top", async ({ page }) => {
  await gallery(page);
  await scroll(page, 30_000);
  await openImage(page);
  await page.locator(".crumbs").getByRole("link", { name: "Gallery" }).click();
  await expect(seen(page).first()).toBeVisible();
  expect(await page.evaluate(() => window.scrollY)).toBe(0);
});

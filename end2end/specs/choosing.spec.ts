// Searching, selecting, deleting and downloading images in the gallery.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "@playwright/test";

import { calm, done, upload } from "../support/api.ts";
import { open, tile } from "../support/page.ts";
import { largeTiff, sample } from "../support/samples.ts";

test.beforeEach(async ({ request }) => {
  await calm(request);
});

test("images are found by name, format and depth, and the address contains the query", async ({ page, request }) => {
  const rocket = { ...sample("rocket.jpg"), name: "a rocket to find.jpg" };
  const { image_id: found } = await upload(request, rocket);
  const { image_id: other } = await upload(request, { ...sample("moon.png"), name: "a moon to find.png" });
  await done(request, found);
  await done(request, other);
  await open(page, "/");
  await page.getByRole("searchbox").fill("to find");
  await page.getByRole("searchbox").press("Enter");
  await expect(tile(page, found)).toBeVisible();
  await expect(tile(page, other)).toBeVisible();
  await page.getByRole("combobox", { name: "Format" }).selectOption("jpeg");
  await expect(tile(page, other)).toHaveCount(0);
  await expect(tile(page, found)).toBeVisible();
  await expect(page).toHaveURL(/format=jpeg.*q=to%20find|q=to%20find.*format=jpeg/);
  await page.reload();
  await expect(tile(page, found)).toBeVisible();
  await page.getByRole("combobox", { name: "Depth" }).selectOption("16");
  await expect(page.getByTestId("nothing-found")).toBeVisible();
});

for (const missing of ["scripts", "WebAssembly"]) {
  test(`without ${missing}, images are compared, filtered, chosen, downloaded and deleted by forms`, async ({ browser, baseURL, request }) => {
    const { image_id: id } = await upload(request, { ...sample("moon.png"), name: `form without ${missing}.png` });
    await done(request, id);
    const context = await browser.newContext({ javaScriptEnabled: missing !== "scripts", baseURL: baseURL ?? "" });
    await context.addInitScript(() => delete (window as { WebAssembly?: unknown }).WebAssembly);
    const page = await context.newPage();
    await page.goto(`/images/${id}`);
    const [before, after] = [page.getByTestId("before"), page.getByTestId("after")];
    await expect(before).toBeVisible();
    const apart = ((await after.boundingBox())?.x ?? 0) - ((await before.boundingBox())?.x ?? 0);
    expect(apart, "one beside the other").toBeGreaterThan(100);

    await page.goto("/");
    await page.getByRole("searchbox").fill(`without ${missing}`);
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await expect(page).toHaveURL(/q=without/);
    await expect(tile(page, id)).toBeVisible();
    await tile(page, id).getByTestId("choose").check();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download originals" }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("evenlight-originals.zip");
    await page.getByRole("button", { name: "Delete" }).click();
    await expect(page).toHaveURL(/\/$/);
    expect((await request.get(`/api/images/${id}`)).status()).toBe(404);
    await context.close();
  });
}

test("several chosen images are downloaded as one valid ZIP file", async ({ page, request }, info) => {
  const one = await upload(request, { ...sample("moon.png"), name: "zip one.png" });
  const two = await upload(request, { ...sample("rocket.jpg"), name: "zip two.jpg" });
  for (const { image_id: id } of [one, two]) await done(request, id);
  await open(page, "/?q=zip");
  for (const { image_id: id } of [one, two]) {
    await tile(page, id).hover();
    await tile(page, id).getByTestId("choose").click();
  }
  await expect(page.getByTestId("choice")).toContainText("2 images selected");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download originals" }).click(),
  ]);
  const path = info.outputPath("originals.zip");
  await download.saveAs(path);
  const unpacked = info.outputPath("unpacked");
  execFileSync("python3", ["-m", "zipfile", "-e", path, unpacked]);
  expect(readFileSync(`${unpacked}/zip one.png`)).toEqual(sample("moon.png").buffer);
  expect(readFileSync(`${unpacked}/zip two.jpg`)).toEqual(sample("rocket.jpg").buffer);
});

test("a deleted image disappears in another tab too, and undo restores it in both", async ({ page, context, request }) => {
  const { image_id: id } = await upload(request, { ...sample("cell.png"), name: "come back.png" });
  await done(request, id);
  await open(page, "/");
  const other = await context.newPage();
  await open(other, "/");
  await expect(tile(other, id)).toBeVisible();
  await tile(page, id).hover();
  await tile(page, id).getByTestId("choose").click();
  await page.getByTestId("delete-chosen").click();
  await expect(page.getByTestId("undo-bar")).toContainText("1 image deleted");
  await expect(tile(page, id)).toHaveCount(0);
  await expect(tile(other, id)).toHaveCount(0);
  await page.getByTestId("undo").click();
  await expect(tile(page, id)).toBeVisible();
  await expect(tile(other, id)).toBeVisible();
});

test("an image is found, deleted and restored by keyboard alone", async ({ page, request }) => {
  const { image_id: id } = await upload(request, { ...sample("moon.png"), name: "keys only.png" });
  await done(request, id);
  await open(page, "/");
  const search = page.getByRole("searchbox");
  for (let i = 0; i < 60 && !(await search.evaluate((it) => it === document.activeElement)); i++) await page.keyboard.press("Tab");
  await page.keyboard.type("keys only");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("gallery-item")).toHaveCount(1);
  const link = tile(page, id).getByRole("link").first();
  for (let i = 0; i < 60 && !(await link.evaluate((it) => it === document.activeElement)); i++) await page.keyboard.press("Tab");
  await expect(link).toBeFocused();
  await page.keyboard.press("Delete");
  await expect(page.getByTestId("undo-bar")).toBeVisible();
  await expect(tile(page, id)).toHaveCount(0);
  await page.keyboard.press("Control+z");
  await expect(tile(page, id)).toBeVisible();
});

test("arrow keys move in their direction, and Tab follows the visual order", async ({ page, request }) => {
  for (const name of ["arrow 1", "arrow 2", "arrow 3", "arrow 4", "arrow 5", "arrow 6", "arrow 7"]) {
    const file = name.endsWith("3") ? largeTiff(`${name}.tif`, 64, 128) : { ...sample("moon.png"), name: `${name}.png` };
    await done(request, (await upload(request, file)).image_id);
  }
  await open(page, "/?q=arrow&sort=name");
  await expect(page.getByTestId("gallery-item")).toHaveCount(7);
  const place = () =>
    page.evaluate(() => {
      const box = document.activeElement?.closest("[data-index]")?.getBoundingClientRect();
      // Relative to the gallery, since elements above it appear and disappear.
      const gallery = document.querySelector(".masonry")?.getBoundingClientRect();
      return box && gallery ? { x: Math.round(box.x - gallery.x), y: Math.round(box.y - gallery.y) } : null;
    });
  await page.getByTestId("gallery-item").first().getByRole("link").focus();
  const first = await place();
  await page.keyboard.press("ArrowRight");
  await expect.poll(async () => (await place())?.x).toBeGreaterThan(first?.x ?? 0);
  expect((await place())?.y).toBe(first?.y);
  await page.keyboard.press("ArrowLeft");
  await expect.poll(place).toEqual(first);
  await page.keyboard.press("ArrowDown");
  await expect.poll(async () => (await place())?.y).toBeGreaterThan(first?.y ?? 0);
  expect((await place())?.x).toBe(first?.x);
  const tops = await page.getByTestId("gallery-item").evaluateAll((tiles) => tiles.map((it) => Math.round(it.getBoundingClientRect().y + window.scrollY)));
  expect(tops).toEqual([...tops].sort((a, b) => a - b));
});

test("markup in a file's name is shown as text", async ({ page, request }) => {
  const name = '"><img src=x onerror=alert(1)><script>alert(2)<_script>.png';
  page.on("dialog", (dialog) => {
    throw new Error(`a script ran: ${dialog.message()}`);
  });
  const { image_id: id } = await upload(request, { ...sample("moon.png"), name });
  await done(request, id);
  await open(page, "/");
  await expect(tile(page, id)).toBeVisible();
  const shown = (await (await request.get(`/api/images/${id}`)).json()) as { name: string };
  expect(shown.name).toContain("<img src=x onerror=alert(1)>");
  await expect(tile(page, id)).toContainText("<script>alert(2)");
  expect(await page.locator("img[src=x]").count()).toBe(0);
  await tile(page, id).getByRole("link").first().click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("<img src=x");
  expect(await page.locator("img[src=x]").count()).toBe(0);
  await page.goto(`/?q=${encodeURIComponent("<img src=x onerror=alert(3)>")}`);
  await expect(page.getByRole("searchbox")).toHaveValue("<img src=x onerror=alert(3)>");
  expect(await page.locator("img[src=x]").count()).toBe(0);
});

test("offline, the gallery says so", async ({ page, context }) => {
  await open(page, "/");
  await context.setOffline(true);
  await expect(page.getByTestId("offline")).toBeVisible();
  await context.setOffline(false);
  await expect(page.getByTestId("offline")).toBeHidden();
});

test("when images can't be fetched the gallery says why, and shows them after a retry", async ({ page, request }) => {
  const { image_id: id } = await upload(request, { ...sample("moon.png"), name: "fetched later.png" });
  await done(request, id);
  await open(page, "/");
  const problem = { type: "about:blank", title: "Service unavailable", status: 503, detail: "The catalog doesn't answer." };
  const lists = /\/api\/images(\/sections)?\?/;
  await page.route(lists, (route) => route.fulfill({ status: 503, json: problem }));
  await page.getByRole("searchbox").fill("fetched later");
  await page.getByRole("searchbox").press("Enter");
  await expect(page.getByRole("alert").filter({ hasText: problem.detail })).toBeVisible();
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  await page.unroute(lists);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(tile(page, id)).toBeVisible();
  await expect(page.getByRole("alert").filter({ hasText: problem.detail })).toHaveCount(0);
});

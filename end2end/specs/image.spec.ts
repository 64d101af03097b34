import { expect, test, type APIRequestContext, type Page } from "@playwright/test";

import { calm, done, upload } from "../support/api.ts";
import { elapse, live, loaded, open } from "../support/page.ts";
import { largePng, rampTiff, sample } from "../support/samples.ts";

test.beforeEach(async ({ request }) => {
  await calm(request);
});

/** Applies another recipe to an existing image. Returns the job. */
async function again(request: APIRequestContext, image: string, recipe: object): Promise<string> {
  const answer = await request.post(`/api/images/${image}/jobs`, { data: { recipe } });
  expect(answer.status(), await answer.text()).toBe(202);
  const { job_id: job } = (await answer.json()) as { job_id: string };
  await expect
    .poll(async () => ((await (await request.get(`/api/jobs/${job}`)).json()) as { state: string }).state, { timeout: 60_000 })
    .toBe("done");
  return job;
}

function zoom(page: Page): Promise<number> {
  return page.getByTestId("stage").evaluate((stage) => Number((stage as HTMLElement).dataset.zoom));
}

/** Returns the fraction of a canvas that is drawn on, 0 to 1. */
function drawn(page: Page, testId: string): Promise<number> {
  return page.getByTestId(testId).evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    if (canvas.width === 0 || canvas.height === 0) return 0;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    let full = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) full++;
    return full / (data.length / 4);
  });
}

test("before and after zoom and pan together by wheel, drag, keys and double click", async ({ page, request }) => {
  const { image_id: id } = await upload(request, largePng("close.png", 6_000, 4_000));
  await done(request, id);
  const tiles: string[] = [];
  page.on("response", (it) => {
    const { pathname } = new URL(it.url());
    if (/\/pyramid\/\d/.test(pathname)) tiles.push(`${it.status()} ${pathname}`);
  });
  await open(page, `/images/${id}`);
  await loaded(page.getByTestId("after"));
  expect(await zoom(page)).toBe(1);
  const stage = page.getByTestId("stage");
  const box = (await stage.boundingBox())!;
  const at = { x: box.x + box.width * 0.3, y: box.y + box.height * 0.4 };
  await page.mouse.move(at.x, at.y);
  for (let i = 0; i < 6; i++) await page.mouse.wheel(0, -240);
  await expect.poll(() => zoom(page)).toBeGreaterThan(8);
  // Both sides are entirely covered by tiles of the finest level.
  for (const side of ["tiles-before", "tiles-after"]) {
    await expect.poll(() => drawn(page, side), { timeout: 60_000 }).toBeGreaterThan(0.99);
  }
  expect(tiles.filter((it) => !it.startsWith("200"))).toEqual([]);
  expect(tiles.some((it) => it.includes("/pyramid/0/"))).toBe(true);
  expect(tiles.length).toBeLessThan(200);

  const transform = () => page.getByTestId("before").evaluate((image) => getComputedStyle(image).transform);
  expect(await page.getByTestId("after").evaluate((image) => getComputedStyle(image).transform)).toBe(await transform());
  const before = await transform();
  await page.mouse.down();
  await page.mouse.move(at.x + 60, at.y + 30, { steps: 4 });
  await page.mouse.up();
  expect(await transform()).not.toBe(before);

  await page.keyboard.press("0");
  await expect.poll(() => zoom(page)).toBe(1);
  await page.keyboard.press("+");
  await expect.poll(() => zoom(page)).toBe(1.5);
  await page.keyboard.press("-");
  await expect.poll(() => zoom(page)).toBe(1);
  await page.mouse.dblclick(at.x, at.y);
  await expect.poll(() => zoom(page)).toBe(2);
});

test("a hundred megapixels open at once: first a blur, then the picture, then tiles once they are rendered", async ({ page, request }) => {
  test.setTimeout(300_000);
  const { image_id: id } = await upload(request, rampTiff("hundred.tif", 10_000, 10_000));
  await done(request, id);
  expect((await request.get(`/api/images/${id}/thumbnail`)).ok()).toBe(true);
  let showPictures = () => {};
  const pictures = new Promise<void>((show) => (showPictures = show));
  await page.route(/\/view(\?|$)/, (route) => pictures.then(() => route.continue()));
  let pyramids = false;
  await page.route(/\/pyramid(\?|$)/, (route) => (pyramids ? route.continue() : route.fulfill({ json: { pyramid: null, reason: null } })));
  const began = Date.now();
  await page.goto(`/images/${id}`, { waitUntil: "commit" });
  const stage = page.getByTestId("stage");
  await expect(stage).toHaveCSS("background-image", /^url\("data:image\/bmp;base64,/);
  showPictures();
  await loaded(page.getByTestId("before"));
  await loaded(page.getByTestId("after"));
  // About a second in a release build, mostly for reading two files of 100 MB.
  expect(Date.now() - began).toBeLessThan(15_000);

  // Zooming works before the tiles exist.
  await live(page);
  await expect(page.getByTestId("no-zoom")).toHaveText("Preparing close-up views.");
  await page.keyboard.press("+");
  await expect.poll(() => zoom(page)).toBe(1.5);
  pyramids = true;
  await expect(page.getByTestId("no-zoom")).toBeHidden({ timeout: 200_000 });
  for (let i = 0; i < 6; i++) await page.keyboard.press("+");
  for (const side of ["tiles-before", "tiles-after"]) await expect.poll(() => drawn(page, side)).toBeGreaterThan(0.99);
});

test("a picture without tiles says why, and the page stops polling", async ({ page, request }) => {
  const { image_id: id } = await upload(request, sample("coffee.png"));
  await done(request, id);
  let asked = 0;
  await page.route(/\/pyramid(\?|$)/, async (route) => {
    asked++;
    // Not found at first, as while it is being rendered.
    await route.fulfill({ json: { pyramid: null, reason: asked <= 2 ? null : "They were never completed in 3 tries." } });
  });
  await open(page, `/images/${id}`);
  await expect(page.getByTestId("no-zoom")).toBeHidden();
  await expect(page.getByTestId("no-zoom")).toContainText("They were never completed in 3 tries.");
  await expect.poll(() => asked).toBe(4);
  // Longer than a pause between two polls.
  await elapse(3_000);
  expect(asked).toBe(4);
});

test("two fingers pinch the picture", async ({ page, request }) => {
  const { image_id: id } = await upload(request, sample("coffee.png"));
  await done(request, id);
  await open(page, `/images/${id}`);
  await loaded(page.getByTestId("after"));
  const box = (await page.getByTestId("stage").boundingBox())!;
  const client = await page.context().newCDPSession(page);
  const fingers = (apart: number) => [
    { x: box.x + box.width * 0.4 - apart, y: box.y + box.height / 2, id: 1 },
    { x: box.x + box.width * 0.4 + apart, y: box.y + box.height / 2, id: 2 },
  ];
  await client.send("Emulation.setTouchEmulationEnabled", { enabled: true, maxTouchPoints: 2 });
  await client.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: fingers(20) });
  for (const apart of [30, 45, 60]) await client.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: fingers(apart) });
  await client.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await expect.poll(() => zoom(page)).toBeGreaterThan(2);
});

test("results of two recipes are compared, and the comparison is shared as a link", async ({ page, request }) => {
  const { image_id: id, job_id: first } = await upload(request, sample("moon.png"));
  await done(request, id);
  const second = await again(request, id, { method: "clahe", clip_limit: 3 });
  await open(page, `/images/${id}`);
  await expect(page.getByTestId("after")).toHaveAttribute("src", new RegExp(`job=${second}`));
  await page.getByTestId("left").selectOption(first);
  await expect(page.getByTestId("before")).toHaveAttribute("src", new RegExp(`job=${first}`));
  // Neither side is the original, so the labels aren't "before" and "after".
  for (const side of ["Left", "Right"]) await expect(page.getByRole("figure", { name: side })).toBeVisible();
  await expect(page.getByAltText("moon.png equalized, on the left")).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { level: 1 }).click();
  await page.keyboard.press("+");
  await expect.poll(() => zoom(page)).toBe(1.5);
  await page.getByTestId("share").click();
  const address = page.url();
  expect(address).toContain(`job=${second}&left=${first}&at=1.50,`);

  await open(page, address);
  await expect(page.getByTestId("before")).toHaveAttribute("src", new RegExp(`job=${first}`));
  await expect(page.getByTestId("after")).toHaveAttribute("src", new RegExp(`job=${second}`));
  expect(await zoom(page)).toBe(1.5);
});

test("the distributions of original and result and the job's timeline are shown in words and numbers", async ({ page, request }) => {
  const { image_id: id } = await upload(request, largePng("told.png", 3_000, 2_000));
  await done(request, id);
  await open(page, `/images/${id}`);
  const drawings = page.getByTestId("distributions").getByRole("img");
  await expect(drawings.nth(0)).toHaveAttribute("aria-label", /^Before, .*Red: median \d+/, { timeout: 60_000 });
  await expect(drawings.nth(1)).toHaveAttribute("aria-label", /^After, .*Red: median \d+/, { timeout: 60_000 });
  await page.getByText("As a table").click();
  const rows = await page.getByTestId("distribution-table").locator("tbody tr").allInnerTexts();
  const red = rows.map((row) => Number(row.split("\t")[1]!.replaceAll(",", "")));
  expect(red.reduce((sum, count) => sum + count, 0)).toBe(3_000 * 2_000);

  const timeline = page.getByTestId("timeline");
  await expect(timeline).toBeVisible();
  const phases = await timeline.locator("tbody th").allInnerTexts();
  expect(phases).toEqual(["Splitting", "Counting", "Equalizing", "Stitching"]);
  await expect(timeline.locator(".lane").first()).toBeVisible();
  const spans = await timeline.locator("rect").count();
  const tasks = await timeline.locator("tbody tr td:nth-child(2)").allInnerTexts();
  expect(tasks.map(Number).reduce((sum, count) => sum + count, 0)).toBe(spans);
});

test("keys open the neighbouring images, show one side or the other, delete and undo, and are listed", async ({ page, request }) => {
  const ids: string[] = [];
  for (const name of ["brick.png", "cell.png", "page.png"]) {
    const { image_id: id } = await upload(request, sample(name));
    await done(request, id);
    ids.push(id);
  }
  const [oldest, middle, newest] = ids;
  await open(page, `/images/${middle}`);
  await loaded(page.getByTestId("after"));
  await page.keyboard.press("ArrowRight");
  await expect(page).toHaveURL(new RegExp(`/images/${oldest}`));
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("brick.png");
  await page.keyboard.press("ArrowLeft");
  await expect(page).toHaveURL(new RegExp(`/images/${middle}`));
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("cell.png");
  await page.keyboard.press("ArrowLeft");
  await expect(page).toHaveURL(new RegExp(`/images/${newest}`));
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("page.png");

  await page.keyboard.press("t");
  await expect(page.getByTestId("split")).toHaveValue("100");
  await page.keyboard.press("t");
  await expect(page.getByTestId("split")).toHaveValue("0");
  await page.keyboard.press("?");
  await expect(page.getByTestId("keys")).toBeVisible();
  await expect(page.getByTestId("keys")).toContainText("Previous image, next image");
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("keys")).toBeHidden();
  await page.keyboard.press("Delete");
  await expect(page).toHaveURL(/\/$/);
  await expect(page.getByTestId("undo-bar")).toContainText("1 image deleted");
  await page.keyboard.press("Control+z");
  await expect.poll(async () => (await request.get(`/api/images/${newest}`)).status()).toBe(200);
});

test("deleting an image deletes its pyramid", async ({ page, request }) => {
  const { image_id: id, job_id: job } = await upload(request, sample("rocket.jpg"));
  await done(request, id);
  const there = async (query: string) => {
    const answer = await request.get(`/api/images/${id}/pyramid${query}`);
    return ((await answer.json()) as { pyramid: { width: number } | null }).pyramid?.width;
  };
  for (const query of ["", `?job=${job}`]) await expect.poll(() => there(query), { timeout: 60_000 }).toBe(640);
  const tile = await request.get(`/api/images/${id}/pyramid/0/2/1`);
  expect(tile.headers()).toMatchObject({ "content-type": "image/jpeg", "cache-control": "private, max-age=31536000, immutable" });
  expect((await request.get(`/api/images/${id}/pyramid/0/3/0`)).status()).toBe(404);
  expect((await request.get(`/api/images/${"0".repeat(32)}/pyramid`)).status()).toBe(404);
  await page.goto("/");
  expect((await request.delete(`/api/images/${id}`)).ok()).toBe(true);
  expect((await request.get(`/api/images/${id}/pyramid/0/2/1`)).status()).toBe(404);
});

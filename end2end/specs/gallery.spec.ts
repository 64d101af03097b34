import { expect, test } from "@playwright/test";

import { calm, done, image } from "../support/api.ts";
import { accepted, choose, drop, loaded, open, statesSeen, tile, watchStates } from "../support/page.ts";
import { largePng, sample } from "../support/samples.ts";

test.beforeEach(async ({ request }) => {
  await calm(request);
});

test("an image dropped on the page is followed until it is done, and shown before and after", async ({ page }) => {
  await open(page, "/");
  await watchStates(page);
  const { image_id: id } = await accepted(page, () => drop(page, largePng("twelve-megapixels.png", 4_000, 3_000)));

  await expect(page.getByTestId("upload-item").filter({ hasText: "twelve-megapixels.png" }).first()).toBeVisible();
  await expect(tile(page, id)).toBeVisible();
  // No reload: the state updates by itself.
  await expect(tile(page, id)).toHaveAttribute("data-state", "done", { timeout: 60_000 });
  const states = await statesSeen(page, id);
  expect(states.at(-1)).toBe("done");
  expect(states.some((state) => state === "queued" || state === "running"), `on the way: ${states.join(", ")}`).toBe(true);

  await tile(page, id).getByRole("link").first().click();
  await expect(page).toHaveURL(new RegExp(`/images/${id}`));
  await loaded(page.getByTestId("before"));
  await loaded(page.getByTestId("after"));
  await expect(page.getByRole("heading", { level: 1 })).toContainText("twelve-megapixels.png");
});

test("several files chosen at once are all equalized", async ({ page, request }) => {
  const files = ["brick.png", "coffee.png", "rocket.jpg"].map(sample);
  await open(page, "/");
  const ids = await (await choose(page, files))();
  for (const id of ids) await expect(tile(page, id)).toHaveAttribute("data-state", "done");
  const names = await Promise.all(ids.map(async (id) => (await image(request, id)).name));
  expect(names.sort()).toEqual(files.map((file) => file.name).sort());
});

test("a result has the format and the size of its original", async ({ page, request }) => {
  await open(page, "/");
  const { image_id: id } = await accepted(page, () => drop(page, sample("rocket.jpg")));
  const it = await done(request, id);
  expect(it).toMatchObject({ format: "jpeg", width: 640, height: 427 });
  const result = await request.get(`/api/images/${id}/result`);
  expect(result.headers()["content-type"]).toBe("image/jpeg");
  const original = await request.get(`/api/images/${id}/original`);
  expect(await original.body()).toEqual(sample("rocket.jpg").buffer);
});

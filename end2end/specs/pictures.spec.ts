// Takes the README's pictures (make screenshots): the gallery with the samples, and the cluster page at work.

import { join } from "node:path";

import { expect, test } from "@playwright/test";

import { calm, done, upload } from "../support/api.ts";
import { loaded, open } from "../support/page.ts";
import { largePng, sample } from "../support/samples.ts";

const FOLDER = process.env.EVENLIGHT_PICTURES ?? "screenshots";
const SAMPLES = [
  "brick.png",
  "cell.png",
  "page.png",
  "retina.jpg",
  "coffee.png",
  "moon.png",
  "hubble_deep_field.jpg",
  "rocket.jpg",
];

test.use({ viewport: { width: 1280, height: 860 }, deviceScaleFactor: 1, colorScheme: "dark" });

test("gallery, image and cluster", async ({ page, request }) => {
  await calm(request);
  let last = "";
  for (const name of SAMPLES) {
    last = (await upload(request, sample(name))).image_id;
    await done(request, last);
  }

  await open(page, "/");
  const pictures = page.getByTestId("gallery-item").locator("img");
  await expect(pictures).toHaveCount(SAMPLES.length);
  for (let i = 0; i < SAMPLES.length; i++) {
    await pictures.nth(i).scrollIntoViewIfNeeded();
    await loaded(pictures.nth(i));
  }
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: join(FOLDER, "gallery.png"), animations: "disabled" });

  await page.goto(`/images/${last}`);
  await loaded(page.getByTestId("after"));
  await page.screenshot({ path: join(FOLDER, "image.png"), animations: "disabled" });

  await open(page, "/cluster");
  const sent = await Promise.all([1, 2, 3].map((i) => upload(request, largePng(`work-${i}.png`, 4_000, 3_000))));
  await expect(page.locator('[data-testid="task"][data-state="running"]').first()).toBeVisible();
  await page.screenshot({ path: join(FOLDER, "cluster.png"), animations: "disabled", fullPage: true });
  for (const { image_id: id } of sent) await done(request, id);
});

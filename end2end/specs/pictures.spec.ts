// Takes the pictures of docs/images (make screenshots): gallery, image page, preview and cluster page; dark, light and on a phone.

import { join } from "node:path";

import { expect, type Page, test } from "@playwright/test";

import { calm, done, images, upload } from "../support/api.ts";
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
const SCREENS = {
  "": { colorScheme: "dark", viewport: { width: 1280, height: 860 } },
  "-light": { colorScheme: "light", viewport: { width: 1280, height: 860 } },
  "-phone": { colorScheme: "dark", viewport: { width: 390, height: 844 } },
} as const;

let last = "";

test.beforeAll(async ({ request }) => {
  await calm(request);
  for (const name of SAMPLES) {
    last = (await upload(request, sample(name))).image_id;
    await done(request, last);
  }
});

const shoot = (page: Page, name: string, fullPage = false) =>
  page.screenshot({ path: join(FOLDER, `${name}.png`), animations: "disabled", fullPage });

for (const [suffix, screen] of Object.entries(SCREENS)) {
  test.describe(`pictures${suffix}`, () => {
    test.use({ ...screen, deviceScaleFactor: 1 });

    test("gallery and image", async ({ page, request }) => {
      await open(page, "/");
      const pictures = page.getByTestId("gallery-item").locator("img");
      for (let i = 0; i < Math.min(await pictures.count(), SAMPLES.length); i++) {
        await pictures.nth(i).scrollIntoViewIfNeeded();
        await loaded(pictures.nth(i));
      }
      await page.evaluate(() => window.scrollTo(0, 0));
      await shoot(page, `gallery${suffix}`);

      const [rocket] = await images(request, { q: "rocket" });
      await page.goto(`/images/${rocket?.id ?? last}`);
      await loaded(page.getByTestId("after"));
      await shoot(page, `image${suffix}`);
    });

    test("preview", async ({ page }) => {
      await open(page, "/");
      await page.getByTestId("look-first").check();
      await page.getByTestId("file-input").setInputFiles([sample("rocket.jpg"), sample("coffee.png")]);
      await expect(page.getByTestId("preview-kind")).toHaveText("Exact");
      await shoot(page, `preview${suffix}`);
    });

    test("cluster", async ({ page, request }) => {
      await open(page, "/cluster");
      const sent = await Promise.all([1, 2, 3].map((i) => upload(request, largePng(`work-${i}.png`, 4_000, 3_000))));
      await expect(page.locator('[data-testid="task"][data-state="running"]').first()).toBeVisible();
      await shoot(page, `cluster${suffix}`, true);
      for (const { image_id: id } of sent) await done(request, id);
      for (const { image_id: id } of sent) await request.delete(`/api/images/${id}`);
    });
  });
}

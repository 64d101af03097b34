import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, expect, type Page, test } from "@playwright/test";

import { calm, clusterWhere, done, failing, kill, start, upload } from "../support/api.ts";
import { drop, live, loaded } from "../support/page.ts";
import { damaged, largePng, sample, text } from "../support/samples.ts";

const SCREENS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
  "4K, dark": { colorScheme: "dark", viewport: { width: 3840, height: 2160 } },
} as const;

let image = "";
let failed = "";

test.beforeAll(async ({ request }) => {
  await calm(request);
  const files = ["moon.png", "brick.png", "rocket.jpg", "hubble_deep_field.jpg"].map(sample);
  for (const file of files) image = (await upload(request, file)).image_id;
  await done(request, image);
  failed = (await failing(request, damaged("damaged.jpg"))).image_id;
});

/** Expects no violation of an axe rule and no horizontal overflow. */
async function isSound(page: Page, exempt: string[] = []): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).disableRules(exempt).analyze();
  expect(violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map((node) => node.html).join(" ")})`)).toEqual([]);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow).toBeLessThanOrEqual(0);
}

const opened = async (browser: Browser, baseURL: string | undefined, screen: object) => {
  const context = await browser.newContext({ ...screen, ...(baseURL === undefined ? {} : { baseURL }) });
  return { context, page: await context.newPage() };
};

for (const [name, screen] of Object.entries(SCREENS)) {
  for (const what of ["gallery", "image", "failed image", "no image", "cluster", "status"]) {
    test(`the ${what} page has no accessibility violations, ${name}`, async ({ browser, baseURL }) => {
      const { context, page } = await opened(browser, baseURL, screen);
      const paths: Record<string, string> = {
        gallery: "/",
        image: `/images/${image}`,
        "failed image": `/images/${failed}`,
        "no image": `/images/${"0".repeat(32)}`,
        cluster: "/cluster",
        status: "/status",
      };
      await page.goto(paths[what] ?? "/");
      if (what !== "status") await live(page);
      if (what === "image") await loaded(page.getByTestId("after"));
      // The status page runs no scripts, so it has to reload to stay current. The cluster page, which it links to, never reloads.
      await isSound(page, what === "status" ? ["meta-refresh"] : []);
      await page.screenshot({ path: `screenshots/${what}-${name}.png`, animations: "disabled" });
      await context.close();
    });
  }
}

for (const name of ["light", "dark"] as const) {
  test(`pages at work and in trouble have no accessibility violations, ${name}`, async ({ browser, baseURL, request }) => {
    const view = await calm(request);
    const { context, page } = await opened(browser, baseURL, SCREENS[name]);
    await page.goto("/?q=nothing-is-called-so");
    await live(page);
    await isSound(page);
    await page.goto("/");
    await live(page);
    await drop(page, text);
    await expect(page.getByTestId("upload-item").first()).toBeVisible();
    await isSound(page);

    // Unfinished work keeps its state once the pods are gone.
    const begun = await upload(request, largePng(`begun, ${name}.png`, 4_000, 3_000));
    await clusterWhere(request, "a job is at work", (view) => view.jobs.length > 0);
    for (const pod of view.pods) await kill(request, pod.pod);
    await expect(page.getByTestId("health-banner")).toBeVisible();
    await isSound(page);
    await page.goto("/cluster");
    await live(page);
    await expect(page.locator('[data-testid="pod"][data-state="up"]')).toHaveCount(0);
    await expect(page.getByTestId("task").first()).toBeVisible();
    await isSound(page);
    for (const pod of view.pods) await start(request, pod.pod);
    await calm(request);
    await request.delete(`/api/images/${begun.image_id}`);
    await context.close();
  });
}

test("reduced motion is respected, and a right-to-left page doesn't overflow", async ({ browser, baseURL }) => {
  const { context, page } = await opened(browser, baseURL, { ...SCREENS.phone, reducedMotion: "reduce" });
  for (const path of ["/", `/images/${image}`, "/cluster"]) {
    await page.goto(path);
    await live(page);
    const moving = await page.evaluate(() => document.getAnimations().length);
    expect(moving).toBe(0);
    await page.evaluate(() => (document.documentElement.dir = "rtl"));
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(overflow).toBeLessThanOrEqual(0);
  }
  await context.close();
});

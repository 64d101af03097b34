import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "@playwright/test";

import { calm, done, upload } from "../support/api.ts";
import { live, loaded } from "../support/page.ts";
import { sample } from "../support/samples.ts";

const SCREENS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
} as const;

let image = "";

test.beforeAll(async ({ request }) => {
  await calm(request);
  const files = ["moon.png", "brick.png", "rocket.jpg", "hubble_deep_field.jpg"].map(sample);
  for (const file of files) image = (await upload(request, file)).image_id;
  await done(request, image);
});

for (const [name, screen] of Object.entries(SCREENS)) {
  for (const what of ["gallery", "image", "cluster", "status"]) {
    test(`the ${what} page has no serious accessibility fault, ${name}`, async ({ browser, baseURL }) => {
      const context = await browser.newContext({ ...screen, ...(baseURL === undefined ? {} : { baseURL }) });
      const page = await context.newPage();
      const paths: Record<string, string> = { gallery: "/", image: `/images/${image}`, cluster: "/cluster", status: "/status" };
      await page.goto(paths[what] ?? "/");
      if (what !== "status") await live(page);
      if (what === "image") await loaded(page.getByTestId("after"));

      // The status page runs no scripts, so that reloading is its only way to stay current; the cluster page, linked on it, is
      // the one that never reloads.
      const exempt = what === "status" ? ["meta-refresh"] : [];
      const { violations } = await new AxeBuilder({ page }).disableRules(exempt).analyze();
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      expect(serious.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map((node) => node.html).join(" ")})`)).toEqual([]);

      // Nothing sticks out sideways: a phone's page isn't pushed about.
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(overflow).toBeLessThanOrEqual(0);
      await page.screenshot({ path: `screenshots/${what}-${name}.png`, animations: "disabled" });
      await context.close();
    });
  }
}

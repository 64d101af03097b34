import { expect, test } from "@playwright/test";

import { calm, done, images, upload } from "../support/api.ts";
import { largePng, sample } from "../support/samples.ts";

test.use({ javaScriptEnabled: false });

test.beforeEach(async ({ request }) => {
  await calm(request);
});

test("without JavaScript the status page shows the leader, the pods and the tasks", async ({ page, request }) => {
  const view = await calm(request);
  const sent = await Promise.all([1, 2, 3, 4].map((i) => upload(request, largePng(`status-${i}.png`, 4_000, 3_000))));
  await expect(async () => {
    await page.goto("/status");
    expect(await page.getByTestId("task").count()).toBeGreaterThan(0);
  }).toPass({ timeout: 30_000, intervals: [50] });

  // A single rendering: leader, pods and tasks are consistent.
  await expect(page.getByTestId("leader")).toContainText(view.leader?.pod ?? "?");
  await expect(page.getByTestId("pod")).toHaveCount(5);
  await expect(page.getByTestId("backlog")).toBeVisible();
  for (const { image_id: id } of sent) await done(request, id);
});

test("an image is uploaded by the form without JavaScript", async ({ page, request }) => {
  const name = "no-script.png";
  await page.goto("/");
  await page.getByTestId("file-input").setInputFiles({ ...sample("coffee.png"), name });
  const form = page.locator("form", { has: page.getByTestId("file-input") });
  await form.locator("button:not([type=button]), input[type=submit]").first().click();

  await expect.poll(async () => (await images(request, { q: name })).length).toBe(1);
  const [sent] = await images(request, { q: name });
  const it = await done(request, sent?.id ?? "");
  // The response is a page, which links to the image's page.
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.goto(`/images/${it.id}`);
  await expect(page.getByTestId("before")).toBeVisible();
  await expect(page.getByTestId("after")).toBeVisible();
});

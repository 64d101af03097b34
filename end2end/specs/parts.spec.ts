// Code splitting: the gallery's code is loaded at once, the parts for images, the cluster and the preview when they are needed.

import { expect, test, type Page } from "@playwright/test";

import { calm, done, upload } from "../support/api.ts";
import { drop, live, open, tile } from "../support/page.ts";
import { sample } from "../support/samples.ts";

/** Records the addresses of parts that a page requests from the network from now on. */
async function asked(page: Page): Promise<string[]> {
  const addresses: string[] = [];
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.responseReceived", ({ response }) => {
    const { pathname } = new URL(response.url);
    if (/\/split_.*\.wasm$/.test(pathname) && !response.fromDiskCache && !response.fromPrefetchCache) addresses.push(pathname);
  });
  return addresses;
}

test.beforeEach(async ({ request }) => {
  await calm(request);
});

test("the gallery loads no other page's code, and an image's page loads its own once", async ({ page, request }) => {
  const { image_id: id } = await upload(request, sample("moon.png"));
  await done(request, id);
  const parts = await asked(page);
  await open(page, "/");
  expect(parts).toEqual([]);
  await tile(page, id).getByRole("link").first().hover();
  await expect.poll(() => parts).toEqual([expect.stringContaining("split_image")]);
  await tile(page, id).getByRole("link").first().click();
  await expect(page.getByTestId("stage")).toBeVisible();
  expect(parts).toHaveLength(1);
});

test("a page opened by its address requests its part once, in parallel with the main module", async ({ page }) => {
  const parts = await asked(page);
  await open(page, "/cluster");
  expect(parts).toEqual([expect.stringContaining("split_cluster")]);
});

test("an image's page whose code can't be loaded says so, and opens after a retry", async ({ page, request }) => {
  const { image_id: id } = await upload(request, sample("moon.png"));
  await done(request, id);
  await open(page, "/");
  await page.route(/\/split_image\./, (route) => route.abort());
  await tile(page, id).getByRole("link").first().click();
  await expect(page.getByRole("heading", { name: "This page could not be loaded." })).toBeVisible();

  // The rest of the page still works.
  await page.goBack();
  await expect(tile(page, id)).toBeVisible();
  await tile(page, id).getByRole("link").first().click();
  await expect(page.getByRole("alert")).toContainText("could not be loaded");
  await page.unroute(/\/split_image\./);
  await page.getByRole("link", { name: "Reload" }).click();
  await live(page);
  await expect(page.getByTestId("stage")).toBeVisible();
});

test("a page opened by its address whose code can't be loaded keeps the server's HTML", async ({ page, request }) => {
  const { image_id: id } = await upload(request, sample("moon.png"));
  await done(request, id);
  await page.route(/\/split_image\./, (route) => route.abort());
  const failed = page.waitForEvent("requestfailed", (request) => /split_image/.test(request.url()));
  await page.goto(`/images/${id}`);
  await failed;
  await expect(page.getByTestId("before")).toBeVisible();
  await expect(page.getByRole("link", { name: "Download the original" })).toBeVisible();
  await expect(page.getByTestId("delete")).toBeHidden();
});

test("a browser without WebAssembly uploads by the form, and gets the server-rendered cluster page", async ({ page }) => {
  await page.addInitScript(() => delete (window as { WebAssembly?: unknown }).WebAssembly);
  await page.goto("/cluster");
  await expect(page).toHaveURL(/\/status$/);
  await expect(page.getByTestId("pod")).toHaveCount(5);

  await page.goto("/");
  await expect(page.getByText("Preview first")).toBeHidden();
  await page.getByTestId("file-input").setInputFiles(sample("moon.png"));
  await page.getByRole("button", { name: "Upload", exact: true }).click();
  await expect(page.getByRole("heading", { name: "moon.png" })).toBeVisible();
});

test("a preview whose code can't be loaded says so, uploads nothing, and opens after a retry", async ({ page }) => {
  await open(page, "/");
  await page.getByTestId("look-first").check();
  await page.route(/\/split_preview\./, (route) => route.abort());
  await drop(page, sample("moon.png"));
  await expect(page.getByText("The preview could not be loaded.")).toBeVisible();
  await expect(page.getByTestId("preview")).toHaveCount(0);
  await page.unroute(/\/split_preview\./);
  await drop(page, sample("moon.png"));
  await expect(page.getByTestId("preview")).toBeVisible();
  await expect(page.getByTestId("preview-kind")).toHaveText("Exact");
});

// Uploads: every way to choose files, and interruptions.

import { rmSync } from "node:fs";
import { join } from "node:path";

import { expect, type Page, test } from "@playwright/test";

import { calm, done, images, kill, start, type Upload } from "../support/api.ts";
import { accepted, drop, elapse, live, open, tile, written } from "../support/page.ts";
import { own, type Own } from "../support/own.ts";
import { Array as Processes, Gate } from "../support/processes.ts";
import { damaged, largeTiff, sample, text } from "../support/samples.ts";

const item = (page: Page, name: string) => page.getByTestId("upload-item").filter({ hasText: name });

/** Writes a gray picture of about `megabytes` into a new folder, since Playwright takes at most 50 MB from memory. */
function large(name: string, megabytes: number): { file: Upload; path: string; forget: () => void } {
  const file = largeTiff(name, 8_000, megabytes * 125);
  const folder = written([file]);
  return { file, path: join(folder, name), forget: () => rmSync(folder, { recursive: true }) };
}

test.describe("through a connection that can be throttled and cut", () => {
  let server: Own;
  let gate: Gate;

  test.beforeAll(async () => {
    server = await own(2);
    gate = await Gate.open([Number(new URL(server.address).port)]);
  });

  test.afterAll(async () => {
    await gate?.close();
    await server?.stop();
  });

  const at = (path: string) => `http://127.0.0.1:${gate.port}${path}`;

  /** Chooses a file and waits until part of it was sent and sending has stalled. */
  async function halfSent(page: Page, path: string, name: string, bytes: number): Promise<void> {
    await page.goto(at("/"));
    await live(page);
    gate.sent = 0;
    gate.narrow(bytes);
    await page.getByTestId("file-input").setInputFiles(path);
    await expect(item(page, name)).toHaveAttribute("data-state", "sending");
    await expect.poll(() => gate.sent, { timeout: 30_000 }).toBeGreaterThan(bytes * 0.9);
  }

  /** Waits until the image is accepted, and expects the server to have the same bytes. */
  async function arrives(page: Page, name: string, file: Upload): Promise<void> {
    await expect(item(page, name)).toHaveAttribute("data-state", /accepted|done/, { timeout: 60_000 });
    const href = await item(page, name).getByRole("link").getAttribute("href");
    const original = await page.request.get(`${server.address}/api${href ?? ""}/original`);
    expect((await original.body()).equals(file.buffer)).toBe(true);
  }

  test("a paused upload resumes where it stopped", async ({ page }) => {
    const { file, path, forget } = large("paused.tif", 24);
    await halfSent(page, path, file.name, 8_000_000);
    await item(page, file.name).getByRole("button", { name: "Pause paused" }).click();
    await expect(item(page, file.name)).toHaveAttribute("data-state", "paused");
    gate.narrow();
    const during = async (ms: number) => {
      const before = gate.sent;
      await elapse(ms);
      return gate.sent - before;
    };
    // Bytes that the browser has sent may still be in transit.
    await expect.poll(() => during(200), { timeout: 30_000 }).toBeLessThan(20_000);
    expect(await during(1_000), "nothing is sent while it is paused").toBeLessThan(100_000);
    await item(page, file.name).getByRole("button", { name: "Resume" }).click();
    await arrives(page, file.name, file);
    expect(gate.sent).toBeLessThan(file.buffer.length + 3_000_000);
    forget();
  });

  test("when the connection is lost, an upload resumes by itself, without resending received bytes", async ({ page }) => {
    const { file, path, forget } = large("lost.tif", 24);
    await halfSent(page, path, file.name, 12_000_000);
    gate.let(false);
    await expect(item(page, file.name)).toHaveAttribute("data-state", "broken");
    gate.narrow();
    gate.let(true);
    await arrives(page, file.name, file);
    expect(gate.sent).toBeLessThan(file.buffer.length + 3_000_000);
    forget();
  });

  test("a cancelled upload is removed, and the others continue", async ({ page }) => {
    const { file, path, forget } = large("cancelled.tif", 16);
    await halfSent(page, path, file.name, 4_000_000);
    const [given] = await Promise.all([
      page.waitForRequest((it) => it.method() === "DELETE"),
      item(page, file.name).getByRole("button", { name: "Cancel cancelled" }).click(),
    ]);
    await expect(item(page, file.name)).toHaveCount(0);
    gate.narrow();
    expect((await given.response())?.status()).toBe(204);
    const gone = await page.request.fetch(given.url(), { method: "HEAD", headers: { "Tus-Resumable": "1.0.0" } });
    expect(gone.status()).toBe(410);
    await page.getByTestId("file-input").setInputFiles({ ...sample("moon.png"), name: "another.png" });
    await expect(item(page, "another.png")).toHaveAttribute("data-state", "done", { timeout: 60_000 });
    expect(await images(page.request, {}).catch(() => [])).not.toContainEqual(expect.objectContaining({ name: file.name }));
    forget();
  });

  test("several uploads run at once, can all be paused and resumed, and show their total progress", async ({ page }) => {
    await page.goto(at("/"));
    await live(page);
    gate.narrow(500_000);
    const files = Array.from({ length: 6 }, (_, i) => largeTiff(`six-${i}.tif`, 1_000, 1_000));
    await page.getByTestId("file-input").setInputFiles(files);
    await expect(page.locator('[data-testid="upload-item"][data-state="sending"]')).toHaveCount(3);
    await expect(page.getByTestId("upload-total")).toContainText(/of 6\.0 MB sent/);
    await page.getByRole("button", { name: "Pause all" }).click();
    await expect(page.locator('[data-testid="upload-item"][data-state="paused"]')).toHaveCount(6);
    gate.narrow();
    await page.getByRole("button", { name: "Resume all" }).click();
    await expect(page.locator('[data-testid="upload-item"][data-state="done"]')).toHaveCount(6, { timeout: 60_000 });
    await expect(page.getByTestId("upload-total")).toHaveCount(0);
    await expect(page.getByRole("region", { name: "Uploads" }).getByRole("heading")).toHaveText("6 images equalized");
    await page.getByRole("button", { name: "Clear" }).click();
    await expect(page.getByRole("region", { name: "Uploads" })).toHaveCount(0);
  });
});

test("when the server that receives an upload is killed, another one receives the rest", async ({ page }) => {
  test.setTimeout(240_000);
  const array = await Processes.start(2, 2);
  const gate = await Gate.open(array.ports);
  const { file, path, forget } = large("killed.tif", 48);
  try {
    await page.goto(`http://127.0.0.1:${gate.port}/`);
    await live(page);
    gate.narrow(40_000_000);
    await page.getByTestId("file-input").setInputFiles(path);
    await expect.poll(() => gate.sent, { timeout: 30_000 }).toBeGreaterThan(39_000_000);
    array.end(0, "SIGKILL");
    gate.sent = 0;
    gate.narrow();
    await expect(item(page, file.name)).toHaveAttribute("data-state", /accepted|done/, { timeout: 120_000 });
    // Complete parts, of 32 MiB, are kept.
    expect(gate.sent).toBeLessThan(20_000_000);
    const href = await item(page, file.name).getByRole("link").getAttribute("href");
    const original = await page.request.get(`http://127.0.0.1:${array.ports[1]}/api${href ?? ""}/original`);
    expect((await original.body()).equals(file.buffer)).toBe(true);
  } finally {
    await gate.close();
    await array.stop();
    forget();
  }
});

test("when the master is killed during an upload, the image is still equalized", async ({ page, request }) => {
  const before = await calm(request);
  await open(page, "/");
  const master = before.leader?.pod ?? "";
  let killed = false;
  await page.route(/\/api\/uploads\//, async (route) => {
    if (!killed && route.request().method() === "PATCH") {
      killed = true;
      await kill(request, master);
    }
    await route.continue();
  });
  const { image_id: id } = await accepted(page, () => drop(page, { ...sample("coffee.png"), name: "masterless.png" }));
  await done(request, id);
  await start(request, master);
  await calm(request);
});

test("a failed upload is retried", async ({ page, request }) => {
  await open(page, "/");
  await page.route(/\/api\/uploads$/, (route) => route.fulfill({ status: 500, contentType: "application/problem+json", body: '{"title":"Broken","status":500,"detail":"It does not work today."}' }));
  await drop(page, { ...sample("moon.png"), name: "second try.png" });
  await expect(item(page, "second try.png")).toHaveAttribute("data-state", "refused");
  await expect(item(page, "second try.png")).toContainText("It does not work today.");
  await page.unroute(/\/api\/uploads$/);
  await item(page, "second try.png").getByRole("button", { name: "Retry" }).click();
  await expect(item(page, "second try.png")).toHaveAttribute("data-state", "done", { timeout: 60_000 });
  expect(await images(request, { q: "second try" })).toHaveLength(1);
});

test("the folded list of uploads still shows the total progress", async ({ page }) => {
  await open(page, "/");
  await drop(page, sample("moon.png"), sample("coffee.png"));
  await expect(page.getByTestId("upload-item")).toHaveCount(2);
  const fold = page.getByRole("button", { name: "List of uploads" });
  await fold.click();
  await expect(page.getByTestId("upload-item")).toHaveCount(0);
  await expect(page.getByText("2 images equalized")).toBeVisible();
  await expect(fold).toHaveAttribute("aria-expanded", "false");
  await fold.press("Enter");
  await expect(page.getByTestId("upload-item")).toHaveCount(2);
});

test("the list explains why a file isn't an image and why a job failed", async ({ page }) => {
  await open(page, "/");
  await drop(page, text, damaged("damaged later.jpg"));
  await expect(item(page, text.name)).toHaveAttribute("data-state", "refused");
  await expect(item(page, text.name)).toContainText("not a PNG, JPEG, TIFF or WebP");
  await expect(item(page, "damaged later.jpg")).toHaveAttribute("data-state", "failed", { timeout: 60_000 });
});

const album: Upload[] = [
  { ...sample("moon.png"), name: "album moon.png" },
  { ...sample("rocket.jpg"), name: "inner/deep/album rocket.jpg" },
  { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no image") },
];

test("choosing a folder uploads the images in it and its subfolders, and lists what it skips", async ({ page }) => {
  await open(page, "/");
  const folder = written(album);
  await page.getByTestId("folder-input").setInputFiles(folder);
  for (const name of ["album moon.png", "album rocket.jpg"]) {
    await expect(item(page, name)).toHaveAttribute("data-state", "done", { timeout: 60_000 });
  }
  await expect(page.getByTestId("upload-item")).toHaveCount(2);
  await expect(page.getByTestId("upload-notice")).toContainText("1 file skipped: unsupported format");
  rmSync(folder, { recursive: true });
});

test("dropping a folder uploads the images in it and its subfolders", async ({ page }) => {
  await open(page, "/");
  const folder = written(album);
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
    if (type === "dragOver") await expect(page.getByText("Drop to equalize")).toBeVisible();
  }
  for (const name of ["album moon.png", "album rocket.jpg"]) {
    await expect(item(page, name)).toHaveAttribute("data-state", "done", { timeout: 60_000 });
  }
  await expect(page.getByTestId("upload-notice")).toContainText("1 file skipped: unsupported format");
  rmSync(folder, { recursive: true });
});

test("an image is pasted", async ({ page, request }) => {
  await open(page, "/");
  const moon = sample("moon.png").buffer.toString("base64");
  const { image_id: id } = await accepted(page, async () => {
    await page.evaluate((base64) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([bytes], "from the clipboard.png", { type: "image/png" }));
      document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, moon);
  });
  expect((await done(request, id)).name).toBe("from the clipboard.png");
});

test("the recipe is chosen once for all files, and remembered when the page is opened again", async ({ page, request }) => {
  await open(page, "/");
  await page.getByTestId("method").selectOption("clahe");
  await page.getByTestId("clip_limit").fill("3.5");
  await page.getByTestId("color").selectOption("oklab");
  await page.reload();
  await live(page);
  await expect(page.getByTestId("method")).toHaveValue("clahe");
  await expect(page.getByTestId("clip_limit")).toHaveValue("3.5");
  const files = ["remembered 1.png", "remembered 2.png"].map((name) => ({ ...sample("moon.png"), name }));
  await page.getByTestId("file-input").setInputFiles(files);
  for (const { name } of files) {
    await expect(item(page, name)).toHaveAttribute("data-state", "done", { timeout: 60_000 });
    const [image] = await images(request, { q: name });
    expect(image).toMatchObject({ recipe: { method: "clahe", clip_limit: 3.5, color: "oklab" } });
  }
});

test("a remembered nodata value is shown while its field is folded", async ({ page }) => {
  await open(page, "/");
  const summary = page.getByText("Excluded pixels");
  const mark = () => summary.evaluate((element) => getComputedStyle(element, "::after").content);
  expect(await mark()).toBe("none");
  await summary.click();
  await page.locator('input[name="nodata"]').fill("0");
  await page.reload();
  await live(page);
  await expect(page.locator('input[name="nodata"]')).toBeHidden();
  expect(await mark()).toContain("in use");
});

test("results have the chosen format, and the image's page lists what was lost", async ({ page, request }) => {
  await open(page, "/");
  const summary = page.getByText("Format of the result");
  const mark = () => summary.evaluate((element) => getComputedStyle(element, "::after").content);
  expect(await mark()).toBe("none");
  await summary.click();
  await expect(page.getByTestId("to")).toHaveValue("");
  await page.getByTestId("to").selectOption("jpeg");
  await summary.click();
  expect(await mark()).toContain("in use");
  const { image_id: id } = await accepted(page, () => page.getByTestId("file-input").setInputFiles({ ...sample("moon.png"), name: "as jpeg.png" }));
  await done(request, id);
  const result = await request.get(`/api/images/${id}/result`);
  expect(result.headers()["content-type"]).toBe("image/jpeg");
  expect(result.headers()["content-disposition"]).toContain('filename="as jpeg-equalized.jpg"');
  expect((await result.body()).subarray(0, 2).toString("hex")).toBe("ffd8");
  await open(page, `/images/${id}`);
  await expect(page.getByTestId("job")).toContainText("as JPEG");
  await expect(page.getByTestId("keeping").filter({ hasText: "The result is a JPEG of quality 95, which is lossy." })).toBeVisible();
});

test("the image's page says which values were too far away to stretch the range", async ({ page, request }) => {
  await open(page, "/");
  const file = { ...sample("tiff/f_hotpixel.tif"), name: "hot pixel.tif", mimeType: "image/tiff" };
  const { image_id: id } = await accepted(page, () => page.getByTestId("file-input").setInputFiles(file));
  await done(request, id);
  await open(page, `/images/${id}`);
  await expect(page.getByTestId("keeping").filter({ hasText: "1 value is far away from all others" })).toBeVisible();
});

test("an image is uploaded, found, compared, deleted and restored by keyboard alone", async ({ page, request }) => {
  await open(page, "/");
  const folder = written([{ ...sample("moon.png"), name: "by keyboard.png" }]);
  const tab = async (to: (it: Element) => boolean) => {
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(([to]) => document.activeElement !== null && new Function("it", `return (${to})(it)`)(document.activeElement), [to.toString()])) return;
    }
    throw new Error(`Tab doesn't lead to ${to}`);
  };
  await tab((it) => it.matches('[data-testid="file-input"]'));
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  const { image_id: id } = await accepted(page, () => chooser.setFiles(join(folder, "by keyboard.png")));
  await done(request, id);

  await tab((it) => it.matches('input[type="search"]'));
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("gallery-item")).toHaveCount(1);
  await tab((it) => it.matches('[data-testid="gallery-item"] a'));
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("by keyboard.png");
  await expect(page.getByTestId("after")).toBeVisible();
  await tab((it) => it.matches('input[type="range"]'));
  const line = page.locator("input[type=range]").first();
  const before = await line.inputValue();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  expect(Number(await line.inputValue())).toBeGreaterThan(Number(before));

  await tab((it) => it.matches('[data-testid="delete"]'));
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("undo-bar")).toBeVisible();
  expect((await request.get(`/api/images/${id}`)).status()).toBe(404);
  await page.keyboard.press("Control+z");
  await expect.poll(async () => (await request.get(`/api/images/${id}`)).status()).toBe(200);
  await page.goto("/?q=by+keyboard");
  await expect(tile(page, id)).toBeVisible();
  rmSync(folder, { recursive: true });
});

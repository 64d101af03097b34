import { readFileSync } from "node:fs";

import { expect, test, type Page } from "@playwright/test";

import { calm, done, type Upload } from "../support/api.ts";
import { accepted, open } from "../support/page.ts";
import { largePng, sample } from "../support/samples.ts";

test.beforeEach(async ({ request }) => {
  await calm(request);
});

/** Chooses files with "Preview first", and waits until the original is there. */
async function look(page: Page, ...files: Upload[]): Promise<void> {
  await page.getByTestId("look-first").check();
  await page.getByTestId("file-input").setInputFiles(files);
  await expect(page.getByTestId("preview")).toBeVisible();
}

/** Waits until what is shown is of every pixel. */
async function exact(page: Page): Promise<void> {
  await expect(page.getByTestId("preview-kind")).toHaveText("Exact");
}

/** The average brightness of a canvas that was given a picture. */
function brightness(page: Page, testId: string): Promise<number> {
  return page.getByTestId(testId).evaluate(async (element) => {
    const copy = new OffscreenCanvas(32, 32);
    const context = copy.getContext("2d")!;
    context.drawImage(element as HTMLCanvasElement, 0, 0, 32, 32);
    const { data } = context.getImageData(0, 0, 32, 32);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i]! + data[i + 1]! + data[i + 2]!;
    return sum / (data.length / 4) / 3;
  });
}

test("a chosen file is previewed, a slider is moved, and what was chosen is what is uploaded", async ({ page, request }) => {
  const asked: string[] = [];
  page.on("request", (it) => asked.push(`${it.method()} ${new URL(it.url()).pathname}`));
  await open(page, "/");
  expect(asked.filter((it) => it.includes("preview"))).toEqual([]);
  await look(page, sample("page.png"));
  await exact(page);
  const [before, full] = [await brightness(page, "preview-before"), await brightness(page, "preview-after")];
  expect(Math.abs(full - before)).toBeGreaterThan(5);

  await page.getByTestId("preview").getByTestId("strength").fill("0");
  await expect.poll(() => brightness(page, "preview-after")).toBeCloseTo(before, 0);
  await exact(page);
  await page.getByTestId("preview").getByTestId("method").selectOption("clahe");
  await page.getByTestId("preview").getByTestId("clip_limit").fill("3.5");
  await page.getByTestId("preview").getByTestId("strength").fill("0.5");
  await exact(page);
  expect(asked.filter((it) => it.startsWith("POST"))).toEqual([]);

  const { image_id: id } = await accepted(page, () => page.getByTestId("preview-send").click());
  await expect(page.getByTestId("preview")).toBeHidden();
  const image = await done(request, id);
  expect(image).toMatchObject({ recipe: { method: "clahe", clip_limit: 3.5, strength: 0.5 } });
});

test("the preview tells how levels are distributed before and after, as drawings and as a table", async ({ page }) => {
  await open(page, "/");
  await look(page, sample("rocket.jpg"));
  await exact(page);
  const drawings = page.getByTestId("distributions").getByRole("img");
  await expect(drawings.nth(0)).toHaveAttribute("aria-label", /^Before, .*Red: median \d+/);
  await expect(drawings.nth(1)).toHaveAttribute("aria-label", /^After, .*Blue: median \d+/);
  const linear = await drawings.nth(0).innerHTML();
  await page.getByTestId("logarithmic").check();
  await expect.poll(() => drawings.nth(0).innerHTML()).not.toBe(linear);

  await page.getByText("As a table").click();
  const cells = await page.getByTestId("distribution-table").locator("tbody tr").allInnerTexts();
  expect(cells).toHaveLength(8);
  const red = cells.map((row) => Number(row.split("\t")[1]!.replaceAll(",", "")));
  expect(red.reduce((sum, count) => sum + count, 0)).toBe(640 * 427);
});

test("files that can't be previewed are said to be so, and cancelled files are not sent", async ({ page, request }) => {
  const sent: string[] = [];
  page.on("request", (it) => {
    if (it.method() === "POST") sent.push(it.url());
  });
  await open(page, "/");
  await look(page, { name: "words.png", mimeType: "image/png", buffer: Buffer.from("not an image") }, { ...sample("moon.png"), name: "cancelled.png" });
  await expect(page.getByTestId("preview-told")).toContainText("the file's bytes are text");
  await page.getByRole("button", { name: "Preview the next file" }).click();
  await exact(page);
  await page.keyboard.press("Escape");
  await expect(page.getByTestId("preview")).toBeHidden();
  expect(sent).toEqual([]);
  expect((await (await request.get("/api/images?q=cancelled")).json()).items).toEqual([]);
});

test("a slider on twelve megapixels is followed without holding up the page", async ({ page }) => {
  await open(page, "/");
  await look(page, largePng("twelve-megapixels.png", 4_000, 3_000));
  await exact(page);
  await page.evaluate(() => {
    const long: number[] = [];
    new PerformanceObserver((list) => long.push(...list.getEntries().map((it) => it.duration))).observe({ type: "longtask" });
    (window as unknown as { long: number[] }).long = long;
  });
  const strength = page.getByTestId("preview").getByTestId("strength");
  const times = await strength.evaluate(async (slider: HTMLInputElement) => {
    const kind = document.querySelector('[data-testid="preview-kind"]')!;
    const changed = (text: string) =>
      new Promise<number>((resolve) => {
        const look = () => (kind.textContent === text ? resolve(performance.now()) : requestAnimationFrame(look));
        look();
      });
    const move = (value: number) => {
      slider.value = `${value}`;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    };
    for (let i = 0; i < 40; i++) {
      move(i / 40);
      await new Promise((resolve) => setTimeout(resolve, 16));
    }
    move(0.65);
    const let_go = performance.now();
    await changed("Approximate");
    return { exact: (await changed("Exact")) - let_go };
  });
  const long = await page.evaluate(() => (window as unknown as { long: number[] }).long);
  test.info().annotations.push({ type: "measured", description: `exact after ${times.exact.toFixed(0)} ms; long tasks: ${long}` });
  console.log(`exact ${times.exact.toFixed(0)} ms after letting go of 12 megapixels; tasks above 50 ms: ${long.length}`);
  // 500 ms on a machine of its own; the tests share theirs.
  expect(times.exact).toBeLessThan(2_000);
});

const golden = JSON.parse(
  readFileSync(new URL("../../shared/tests/golden/preview.json", import.meta.url), "utf8"),
) as Record<string, { decoded: string; equalized: Record<string, string> }>;

for (const build of ["simd128", "plain"]) {
  test(`every sample that the ${build} module computes is the array's`, async ({ page }) => {
    await open(page, "/");
    for (const [name, expected] of Object.entries(golden)) {
      const file = sample(name).buffer.toString("base64");
      const made = await page.evaluate(
        async ({ build, file, recipes }) => {
          const module = await import(`/pkg/preview-${build}.js`);
          await module.default({ module_or_path: `/pkg/preview-${build}.wasm` });
          const hash = async (pieces: Uint8Array[]) => {
            const bytes = await new Blob(pieces as BlobPart[]).arrayBuffer();
            const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
            return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
          };
          const door = new module.Door(Uint8Array.from(atob(file), (character) => character.charCodeAt(0)));
          const parts = Array.from({ length: door.parts() }, (_, part) => part);
          const equalized: Record<string, string> = {};
          const decoded = await hash(parts.map((part) => door.decoded(part)));
          for (const recipe of recipes) {
            door.begin(recipe);
            while (door.advance() === undefined);
            equalized[recipe] = await hash(parts.map((part) => door.equalized(part)));
          }
          door.free();
          return { kernel: module.kernel(), decoded, equalized };
        },
        { build, file, recipes: Object.keys(expected.equalized) },
      );
      expect(made, name).toEqual({ kernel: build === "plain" ? "scalar" : "simd128", ...expected });
    }
  });
}

test("the preview's modules are within their budget", async ({ request }) => {
  for (const name of ["preview-simd128.wasm", "preview-plain.wasm"]) {
    const answer = await request.get(`/pkg/${name}`, { headers: { "accept-encoding": "br" } });
    expect(answer.ok()).toBe(true);
    const sent = Number(answer.headers()["content-length"]);
    // The debug site isn't compressed.
    if (answer.headers()["content-encoding"] === "br") expect(sent).toBeLessThanOrEqual(600_000);
  }
});

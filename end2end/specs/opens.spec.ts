import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { expect, test } from "@playwright/test";

import { calm, done, type Accepted } from "../support/api.ts";

const made = resolve(import.meta.dirname, "../../server/tests/samples/made");
const samples = resolve(made, "..");

test.beforeEach(async ({ request }) => {
  await calm(request);
});

/** Returns the greatest and the mean difference of the samples that the browser shows for two files of the same size. */
interface Apart {
  sizes: [string, string];
  greatest: number;
  mean: number;
}

// A result of strength 0 has the original's pixels, but every part of its file was encoded here and joined.
for (const [file, type, greatest] of [
  [resolve(samples, "moon.png"), "image/png", 0],
  [resolve(samples, "coffee.png"), "image/png", 0],
  [resolve(made, "palette.png"), "image/png", 0],
  [resolve(samples, "rocket.jpg"), "image/jpeg", 16],
  [resolve(made, "gray.jpg"), "image/jpeg", 16],
  [resolve(made, "422.jpg"), "image/jpeg", 16],
  [resolve(made, "progressive.jpg"), "image/jpeg", 16],
  [resolve(made, "pillow_lossless_alpha.webp"), "image/webp", 0],
  [resolve(made, "pillow_lossy.webp"), "image/webp", 0],
] as const) {
  const name = file.slice(file.lastIndexOf("/") + 1);
  test(`the browser shows a result of ${name} as it shows the original`, async ({ page, request }) => {
    const recipe = JSON.stringify({ method: "global", color: "luma", strength: 0 });
    const image = { name, mimeType: type, buffer: readFileSync(file) };
    const answer = await request.post("/api/images", { multipart: { recipe, image } });
    expect(answer.status(), await answer.text()).toBe(202);
    const { image_id: id } = (await answer.json()) as Accepted;
    await done(request, id);
    await page.goto("/status");
    const apart = await page.evaluate(async (id): Promise<Apart> => {
      const pixels = async (which: string): Promise<ImageData> => {
        const bitmap = await createImageBitmap(await (await fetch(`/api/images/${id}/${which}`)).blob());
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d")!;
        canvas.drawImage(bitmap, 0, 0);
        return canvas.getImageData(0, 0, bitmap.width, bitmap.height);
      };
      const [original, result] = [await pixels("original"), await pixels("result")];
      let [greatest, sum] = [0, 0];
      for (let i = 0; i < original.data.length; i++) {
        const difference = Math.abs(original.data[i]! - (result.data[i] ?? -255));
        greatest = Math.max(greatest, difference);
        sum += difference;
      }
      const size = ({ width, height }: ImageData): string => `${width} × ${height}`;
      return { sizes: [size(original), size(result)], greatest, mean: sum / original.data.length };
    }, id);
    expect(apart.sizes[1]).toBe(apart.sizes[0]);
    expect(apart.greatest, JSON.stringify(apart)).toBeLessThanOrEqual(greatest);
    expect(apart.mean, JSON.stringify(apart)).toBeLessThan(greatest === 0 ? 1e-9 : 0.5);
  });
}

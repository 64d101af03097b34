// User actions on the pages.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { expect, type Locator, type Page, type Response } from "@playwright/test";

import type { Accepted, Upload } from "./api.ts";

/** Opens a page and waits until it is hydrated; the server's HTML alone would pass some tests. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await live(page);
}

/** Waits until the client has its first snapshot of the cluster. */
export async function live(page: Page): Promise<void> {
  await expect(page.getByTestId("live-state")).toHaveText(/\blive\b/i);
}

/** Drops files on the page, as from a file manager. */
export async function drop(page: Page, ...files: Upload[]): Promise<void> {
  const plain = files.map(({ name, mimeType, buffer }) => ({ name, mimeType, base64: buffer.toString("base64") }));
  const transfer = await page.evaluateHandle(async (files) => {
    const transfer = new DataTransfer();
    for (const { name, mimeType, base64 } of files) {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type: mimeType }));
    }
    return transfer;
  }, plain);
  const target = page.getByTestId("drop-target");
  for (const type of ["dragenter", "dragover", "drop"]) {
    await target.dispatchEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true });
  }
  await transfer.dispose();
}

/** Returns whether a response ends an upload: with the ids, or with the reason why it isn't accepted. */
function isAnswer(it: Response): boolean {
  const { pathname } = new URL(it.url());
  if (!pathname.startsWith("/api/uploads")) return false;
  return it.request().method() === "GET" || (it.status() >= 400 && it.status() !== 409 && it.request().method() !== "DELETE");
}

/** Chooses files of any size (Playwright takes at most 50 MB from memory), and returns the ids of the images once all are accepted. */
export async function choose(page: Page, files: Upload[]): Promise<() => Promise<string[]>> {
  const ids: string[] = [];
  const refused: string[] = [];
  page.on("response", async (answer) => {
    if (!isAnswer(answer)) return;
    if (answer.status() === 202) ids.push(((await answer.json()) as Accepted).image_id);
    else refused.push(`${answer.status()} ${await answer.text()}`);
  });
  const folder = written(files);
  await page.getByTestId("file-input").setInputFiles(files.map(({ name }) => join(folder, name)));
  return async () => {
    await expect.poll(() => ids.length + refused.length, { timeout: 60_000 }).toBe(files.length);
    rmSync(folder, { recursive: true });
    expect(refused).toEqual([]);
    return ids;
  };
}

/** Writes files into a new folder. */
export function written(files: Upload[]): string {
  const folder = mkdtempSync(join(tmpdir(), "evenlight-files-"));
  for (const { name, buffer } of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), buffer);
  }
  return folder;
}

/** Performs an action that uploads a file, and returns the server's response. */
export async function accepted(page: Page, sending: () => Promise<void>): Promise<Accepted> {
  const [answer] = await Promise.all([page.waitForResponse(isAnswer), sending()]);
  expect(answer.status(), await answer.text()).toBe(202);
  return (await answer.json()) as Accepted;
}

/** Returns an image's tile in the gallery. */
export function tile(page: Page, id: string): Locator {
  return page.locator(`[data-testid="gallery-item"][data-id="${id}"]`);
}

/** Records every state of the gallery's tiles from now on. */
export async function watchStates(page: Page): Promise<void> {
  await page.evaluate(() => {
    const seen: Record<string, string[]> = {};
    const look = () => {
      for (const tile of document.querySelectorAll<HTMLElement>('[data-testid="gallery-item"]')) {
        const { id, state } = tile.dataset;
        if (id === undefined || state === undefined) continue;
        const states = (seen[id] ??= []);
        if (states.at(-1) !== state) states.push(state);
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
    (window as unknown as { statesSeen: typeof seen }).statesSeen = seen;
  });
}

/** Returns a tile's states since `watchStates`. */
export function statesSeen(page: Page, id: string): Promise<string[]> {
  return page.evaluate((id) => (window as unknown as { statesSeen: Record<string, string[]> }).statesSeen[id] ?? [], id);
}

/** Waits until a picture is loaded and has pixels. */
export async function loaded(picture: Locator): Promise<void> {
  await expect(picture).toBeVisible();
  await expect
    .poll(() =>
      picture.evaluate((element) => {
        const image = element instanceof HTMLImageElement ? element : element.querySelector("img");
        return image !== null && image.complete ? image.naturalWidth : 0;
      }),
    )
    .toBeGreaterThan(0);
}

/** Lets time pass, where a duration is what a test is about: nothing may happen during it, or an outage lasts. `expect` awaits states. */
export const elapse = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// Untrusted texts of every source are shown as text.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";

import { expect, type Page, request as requests, test } from "@playwright/test";

import { calm, done, failing, send, upload } from "../support/api.ts";
import { BINARY, own } from "../support/own.ts";
import { accepted, drop, loaded, open } from "../support/page.ts";
import { damaged, sample } from "../support/samples.ts";

// No slash, which ends a folder's name, and no double quote, which browsers write as %22 into forms.
const EVIL = `<img src=x onerror=window.pwned=1><svg onload='window.pwned=1'>&amp;<script>window.pwned=1`;

/** Records injected scripts that ran or were blocked by the content security policy, and requests to other hosts. */
async function guarded(page: Page): Promise<() => Promise<void>> {
  const faults: string[] = [];
  page.on("console", (message) => {
    if (/Content Security Policy|hydrat/i.test(message.text())) faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => {
    if (!/^(blob|data):/.test(request.url()) && new URL(request.url()).hostname !== "127.0.0.1") faults.push(request.url());
  });
  return async () => {
    expect(await page.evaluate(() => (window as unknown as { pwned?: number }).pwned)).toBeUndefined();
    expect(await page.locator("img[src='x']").count()).toBe(0);
    expect(faults).toEqual([]);
  };
}

/** A PNG with a text chunk, as a camera or an editor would write it. */
function withText(buffer: Buffer, key: string, text: string): Buffer {
  const body = Buffer.concat([Buffer.from("tEXt"), Buffer.from(`${key}\0${text}`, "latin1")]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(body.length - 4, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return Buffer.concat([buffer.subarray(0, 33), chunk, buffer.subarray(33)]);
}

test("markup in file names, in texts of a picture and in reasons is shown as text", async ({
  page,
  request,
}) => {
  await calm(request);
  const check = await guarded(page);
  const moon = sample("moon.png");
  const name = `${EVIL}.png`;
  const { image_id: id } = await upload(request, { ...moon, name, buffer: withText(moon.buffer, "Title", EVIL) });
  await done(request, id);
  await failing(request, damaged(`broken ${EVIL}.jpg`));

  await open(page, "/");
  await expect(page.locator(`[data-testid="gallery-item"][data-id="${id}"]`)).toContainText("<script>");
  await check();
  await open(page, `/images/${id}`);
  await loaded(page.getByTestId("after"));
  await expect(page.locator("h1")).toContainText(EVIL);
  await check();
  await open(page, "/cluster");
  await expect(page.getByTestId("failure").filter({ hasText: EVIL }).first()).toBeVisible();
  await check();
  await page.goto("/status");
  await expect(page.getByTestId("failure").filter({ hasText: EVIL }).first()).toBeVisible();
  await check();
});

/** A JPEG with a description and an author in its EXIF. */
function withExif(buffer: Buffer, text: string): Buffer {
  const value = Buffer.from(`${text}\0`, "latin1");
  const tags = [0x010e, 0x013b];
  const ifd = Buffer.alloc(2 + tags.length * 12 + 4);
  ifd.writeUInt16LE(tags.length, 0);
  tags.forEach((tag, i) => {
    const at = 2 + i * 12;
    ifd.writeUInt16LE(tag, at);
    ifd.writeUInt16LE(2, at + 2);
    ifd.writeUInt32LE(value.length, at + 4);
    ifd.writeUInt32LE(8 + ifd.length, at + 8);
  });
  const body = Buffer.concat([Buffer.from("Exif\0\0II*\0\x08\0\0\0", "latin1"), ifd, value]);
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([buffer.subarray(0, 2), head, body, buffer.subarray(2)]);
}

test("markup in the name and EXIF of a dropped file is shown as text", async ({ page, request }) => {
  await calm(request);
  const check = await guarded(page);
  const rocket = sample("rocket.jpg");
  const file = { ...rocket, name: `dropped ${EVIL}.jpg`, buffer: withExif(rocket.buffer, EVIL) };
  await open(page, "/");
  const { image_id: id } = await accepted(page, () => drop(page, file));
  await expect(page.getByTestId("upload-item")).toContainText(file.name);
  await done(request, id);
  await expect(page.getByTestId("upload-item")).toHaveAttribute("data-state", "done");
  await check();
  await page.getByTestId("upload-item").getByRole("link").click();
  await loaded(page.getByTestId("after"));
  await expect(page.locator("h1")).toContainText(EVIL);
  await check();
  const original = await request.get(`/api/images/${id}/original`);
  expect((await original.body()).includes(Buffer.from(EVIL))).toBe(true);
});

test("markup in a log line is shown as text in the terminal, and can be searched for", async ({ page }) => {
  // The log names an unreadable file by its path, which contains the folder's name.
  const store = join(mkdtempSync(join(tmpdir(), "evenlight-markup-")), EVIL);
  const server = await own(2, "--store", store);
  try {
    const check = await guarded(page);
    const api = await requests.newContext({ baseURL: server.address });
    const { image_id: id } = await upload(api, sample("moon.png"));
    await done(api, id);
    rmSync(join(store, id), { recursive: true });
    writeFileSync(join(store, id), "where a folder should be");
    expect((await api.post(`/api/images/${id}/jobs`, { data: { recipe: { method: "stretch" } } })).status()).toBe(202);
    await open(page, `${server.address}/cluster`);
    const line = page.getByTestId("pod-log").getByTestId("log-line").filter({ hasText: EVIL });
    await expect(line.first()).toBeVisible();
    await check();
    await page.getByTestId("log-search").fill("<script>");
    await expect(line.first()).toBeVisible();
    await check();
    const { "content-type": type, "x-content-type-options": sniff } = (
      await page.request.get(`${server.address}/api/pods/pod-1/logs`, { headers: { accept: "text/html" } })
    ).headers();
    expect([type, sniff]).toEqual(["text/plain; charset=utf-8", "nosniff"]);
  } finally {
    await server.stop();
    rmSync(dirname(store), { recursive: true, force: true });
  }
});

test("a pod with markup in its name is neither started nor found, and no response contains the markup as HTML", async ({ request }) => {
  const started = spawnSync(BINARY, ["serve", "--pod-name", EVIL], { encoding: "utf8" });
  expect(started.status).toBe(2);
  expect(started.stderr).toContain("expected a pod name of 1 to 63 characters of a-z, 0-9");
  for (const accept of ["*/*", "text/html"]) {
    for (const path of [`/api/pods/${encodeURIComponent(EVIL)}/kill`, `/api/pods/${encodeURIComponent(EVIL)}/logs`]) {
      const answer = await request.fetch(path, { method: path.endsWith("kill") ? "POST" : "GET", headers: { accept } });
      expect(answer.status()).toBe(404);
      const { "content-type": type, "x-content-type-options": sniff } = answer.headers();
      if (type?.startsWith("text/html")) expect(await answer.text()).not.toMatch(/<(img|svg|script)/);
      else expect([type, sniff]).toEqual(["application/problem+json", "nosniff"]);
    }
  }
});

test("the response to a bad upload with markup in its name isn't HTML that runs it", async ({ request }) => {
  const answer = await send(request, { name: `${EVIL}.png`, mimeType: "image/png", buffer: Buffer.from("no picture") });
  expect(answer.ok()).toBe(false);
  expect(answer.headers()["content-type"]).toContain("json");
  expect(answer.headers()["x-content-type-options"]).toBe("nosniff");
  expect(answer.headers()["content-security-policy"]).toContain("default-src 'none'");
});

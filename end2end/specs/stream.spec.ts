import { expect, type Page, request as requests, test } from "@playwright/test";

import { done, upload } from "../support/api.ts";
import { live } from "../support/page.ts";
import { Array, Gate } from "../support/processes.ts";
import { largePng } from "../support/samples.ts";

test.describe.configure({ mode: "serial", timeout: 240_000 });

let array: Array;
let gate: Gate;
let base = "";

test.beforeAll(async () => {
  test.setTimeout(180_000);
  array = await Array.start(2, 3);
  gate = await Gate.open(array.ports);
  base = `http://127.0.0.1:${gate.port}`;
});

test.afterAll(async () => {
  await gate?.close();
  await array?.stop();
});

/** Lamport times with the events' words, from the top. */
async function events(page: Page): Promise<[number, string][]> {
  return page.getByTestId("event").evaluateAll((rows) =>
    rows.map((row) => [
      Number(row.querySelector(".event-clock")?.textContent),
      row.querySelector(".event-words")?.textContent ?? "",
    ]),
  );
}

/** Waits for a job's start and end in a tab, and that the tab shows its events in the order of Lamport clocks. */
async function seesJob(page: Page, job: string): Promise<void> {
  const short = job.slice(24);
  const words = async () => (await events(page)).map(([, words]) => words).filter((words) => words.includes(short));
  await expect.poll(words, { message: `job ${short} ended`, timeout: 60_000 }).toContain(`job ${short} ended`);
  const seen = await words();
  expect(seen.at(-1)).toBe(`job ${short} started`);
  expect(seen.filter((words) => words.includes("finished")).length).toBeGreaterThan(0);
  const clocks = (await events(page)).map(([clock]) => clock);
  expect(clocks).toEqual([...clocks].sort((a, b) => b - a));
}

test("two tabs share one stream; a job's events arrive in both, in Lamport order, also from another server after the first one died", async ({
  browser,
}) => {
  const context = await browser.newContext({ baseURL: base });
  const streams: string[] = [];
  context.on("request", (request) => {
    if (new URL(request.url()).pathname === "/api/events") streams.push(request.url());
  });
  const tabs = [await context.newPage(), await context.newPage()];
  for (const tab of tabs) {
    await tab.goto("/cluster");
    await live(tab);
    await expect(tab.getByTestId("pod")).toHaveCount(6);
  }
  const api = await requests.newContext({ baseURL: base });
  const first = await upload(api, largePng("first.png", 3_000, 2_000));
  await done(api, first.image_id);
  for (const tab of tabs) await seesJob(tab, first.job_id);
  // A worker of its own holds the stream: no tab opens one.
  expect(streams.filter((url) => !url.includes("last_event_id"))).toEqual([]);

  array.kill(0);
  const again = await requests.newContext({ baseURL: `http://127.0.0.1:${array.ports[1]}` });
  for (const tab of tabs) {
    await expect(tab.getByTestId("live-state")).toHaveText("live");
    await expect(tab.locator('[data-testid="pod"][data-state="up"]')).toHaveCount(3, { timeout: 60_000 });
    // The other server can't know what this browser has seen of the first one, and says so.
    await expect(tab.getByTestId("gap")).toBeVisible();
  }
  const second = await upload(again, largePng("second.png", 3_000, 2_000));
  await done(again, second.image_id, 120_000);
  for (const tab of tabs) {
    await seesJob(tab, second.job_id);
    await seesJob(tab, first.job_id);
  }
  await context.close();
});

test("after 30 s offline everything that happened meanwhile is replayed", async ({ browser }) => {
  const context = await browser.newContext({ baseURL: base });
  const tab = await context.newPage();
  await tab.goto("/cluster");
  await live(tab);
  gate.let(false);
  const began = Date.now();
  await expect(tab.getByTestId("live-state")).toHaveText("reconnecting");

  const api = await requests.newContext({ baseURL: `http://127.0.0.1:${array.ports[1]}` });
  const meanwhile = await upload(api, largePng("meanwhile.png", 2_000, 1_500));
  await done(api, meanwhile.image_id, 120_000);
  await tab.waitForTimeout(Math.max(0, 30_000 - (Date.now() - began)));
  gate.let(true);

  await expect(tab.getByTestId("live-state")).toHaveText("live", { timeout: 60_000 });
  await seesJob(tab, meanwhile.job_id);
  await expect(tab.getByTestId("gap")).toBeHidden();
  await context.close();
});

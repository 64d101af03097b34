import { expect, type Page, request as requests, test } from "@playwright/test";

import { done, upload } from "../support/api.ts";
import { elapse, live } from "../support/page.ts";
import { Array, Gate } from "../support/processes.ts";
import { largePng } from "../support/samples.ts";

test.describe.configure({ mode: "serial", timeout: 240_000 });

let array: Array;
let gate: Gate;
let base = "";

test.beforeAll(async () => {
  test.setTimeout(180_000);
  array = await Array.start(5, 1);
  gate = await Gate.open(array.ports);
  base = `http://127.0.0.1:${gate.port}`;
});

test.afterAll(async () => {
  await gate?.close();
  await array?.stop();
});

/** Returns the Lamport times and texts of the listed events, from the top. */
async function events(page: Page): Promise<[number, string][]> {
  return page.getByTestId("event").evaluateAll((rows) =>
    rows.map((row) => [
      Number(row.querySelector(".event-clock")?.textContent),
      row.querySelector(".event-words")?.textContent ?? "",
    ]),
  );
}

/** Waits until a tab shows a job's start and end, and expects its events in the order of Lamport clocks. */
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

test("two tabs share one stream; a job's events arrive in both, in Lamport order, and continue from another pod when theirs stops or dies", async ({
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
    await expect(tab.locator('[data-testid="pod"][data-state="up"]')).toHaveCount(5);
  }
  const jobs: string[] = [];
  const work = async (pod: number) => {
    const api = await requests.newContext({ baseURL: `http://127.0.0.1:${array.ports[pod]}` });
    const { image_id, job_id } = await upload(api, largePng(`by-${pod}.png`, 3_000, 2_000));
    await done(api, image_id, 120_000);
    jobs.push(job_id);
    for (const tab of tabs) for (const job of jobs) await seesJob(tab, job);
  };
  await work(0);
  // A shared worker holds the stream: no tab opens one.
  expect(streams.filter((url) => !url.includes("last_event_id"))).toEqual([]);

  for (const [pod, signal] of [[0, "SIGTERM"], [1, "SIGKILL"]] as const) {
    array.end(pod, signal);
    for (const tab of tabs) {
      await expect(tab.locator(`[data-testid="pod"][data-pod="process-${pod}"]`)).toHaveAttribute("data-state", "down", { timeout: 60_000 });
      await expect(tab.getByTestId("live-state")).toHaveText("live");
      // The other pod can't know what this browser has seen of the first one, and says so.
      await expect(tab.getByTestId("gap")).toBeVisible();
    }
    await work(pod + 1);
  }
  await context.close();
});

test("after 30 s offline all missed events are replayed, or a gap is shown if their pod died", async ({ browser }) => {
  const other = await Gate.open(array.ports.slice(3));
  const [replayed, told] = await Promise.all(
    [gate, other].map(async ({ port }) => {
      const tab = await (await browser.newContext({ baseURL: `http://127.0.0.1:${port}` })).newPage();
      await tab.goto("/cluster");
      await live(tab);
      return tab;
    }),
  );
  for (const way of [gate, other]) way.let(false);
  const began = Date.now();
  for (const tab of [replayed!, told!]) await expect(tab.getByTestId("live-state")).toHaveText("reconnecting");

  const api = await requests.newContext({ baseURL: `http://127.0.0.1:${array.ports[2]}` });
  const meanwhile = await upload(api, largePng("meanwhile.png", 2_000, 1_500));
  await done(api, meanwhile.image_id, 120_000);
  array.end(3, "SIGKILL");
  await elapse(Math.max(0, 30_000 - (Date.now() - began)));
  for (const way of [gate, other]) way.let(true);

  for (const tab of [replayed!, told!]) await expect(tab.getByTestId("live-state")).toHaveText("live", { timeout: 60_000 });
  await seesJob(replayed!, meanwhile.job_id);
  await expect(replayed!.getByTestId("gap")).toBeHidden();
  await expect(told!.getByTestId("gap")).toBeVisible();
  for (const tab of [replayed!, told!]) {
    await expect(tab.locator('[data-testid="pod"][data-pod="process-3"]')).toHaveAttribute("data-state", "down");
    await expect(tab.locator('[data-testid="pod"][data-state="up"]')).toHaveCount(2);
    await tab.context().close();
  }
  await other.close();
});

test("a pod of another process is frozen and resumed on the cluster page", async ({ browser }) => {
  const context = await browser.newContext({ baseURL: base });
  const page = await context.newPage();
  await page.goto("/cluster");
  await live(page);
  // The gate forwards to the other one of the remaining two.
  const card = page.locator('[data-testid="pod"][data-pod="process-4"]');
  await card.getByTestId("freeze-pod").click();
  await expect(card).toHaveAttribute("data-state", "down");
  await card.getByTestId("start-pod").click();
  await expect(card).toHaveAttribute("data-state", "up");
  await context.close();
});

import { expect, test, type APIRequestContext, type Page } from "@playwright/test";

import { calm, kill, start } from "../support/api.ts";
import { live, open } from "../support/page.ts";

/** Returns a pod that doesn't lead, after it has logged more lines than its terminal can show at once. */
async function talkative(request: APIRequestContext): Promise<string> {
  const view = await calm(request);
  const pod = view.pods.map((pod) => pod.pod).find((pod) => pod !== view.leader?.pod) ?? "?";
  for (let i = 0; i < 8; i++) await talk(request, pod);
  return pod;
}

async function talk(request: APIRequestContext, pod: string): Promise<void> {
  await kill(request, pod);
  await start(request, pod);
}

/** A pod's terminal: its lines, the number of pixels below the box's lower edge, and the position of its first visible line. */
function terminal(page: Page, pod: string) {
  const whole = page.locator(`[data-testid="pod-log"][data-pod="${pod}"]`);
  const box = whole.getByRole("list");
  return {
    whole,
    box,
    lines: whole.getByTestId("log-line"),
    toEnd: whole.getByTestId("log-end"),
    below: () => box.evaluate((it) => Math.round(it.scrollHeight - it.clientHeight - it.scrollTop)),
    first: () =>
      box.evaluate((it) => {
        const edge = it.getBoundingClientRect().top;
        const line = [...it.children].find((line) => line.getBoundingClientRect().bottom > edge);
        return { text: line?.textContent, place: Math.round((line?.getBoundingClientRect().top ?? 0) - edge) };
      }),
    overflows: () => expect.poll(() => box.evaluate((it) => it.scrollHeight > 2 * it.clientHeight)).toBe(true),
  };
}

/** Makes a pod log a line and waits until the page shows it. */
async function more(request: APIRequestContext, pod: string, { lines }: ReturnType<typeof terminal>): Promise<void> {
  // It may log more, for example that it evicted its own former candidacy.
  const joined = lines.filter({ hasText: "joined" });
  const last = await joined.last().textContent();
  await talk(request, pod);
  await expect.poll(() => joined.last().textContent()).not.toBe(last);
}

test("a terminal opens at its latest line and follows, however the page was reached", async ({ page, request }) => {
  const pod = await talkative(request);
  const shown = terminal(page, pod);
  const isAtEnd = async () => {
    await shown.overflows();
    await expect.poll(shown.below).toBeLessThan(2);
    await shown.whole.scrollIntoViewIfNeeded();
    await expect(shown.lines.last()).toBeInViewport();
    await expect(shown.toEnd).toBeHidden();
  };
  await open(page, "/cluster");
  await isAtEnd();
  await more(request, pod, shown);
  await isAtEnd();

  await page.reload();
  await live(page);
  await isAtEnd();

  await open(page, "/");
  await page.getByRole("link", { name: "Cluster" }).click();
  await isAtEnd();
  await page.getByRole("link", { name: "Gallery" }).click();
  await expect(page.getByTestId("drop-target")).toBeVisible();
  // Its lines were received earlier.
  await page.getByRole("link", { name: "Cluster" }).click();
  await isAtEnd();
  await more(request, pod, shown);
  await isAtEnd();
});

test("a terminal stays where the reader has scrolled up, and a button scrolls back to the end", async ({ page, request }) => {
  const pod = await talkative(request);
  const shown = terminal(page, pod);
  await open(page, "/cluster");
  await shown.overflows();
  await expect.poll(shown.below).toBeLessThan(2);
  await shown.box.hover();
  // Scrolling by wheel is smooth.
  await shown.box.evaluate((it) => it.addEventListener("scrollend", () => (it.dataset.scrolled = ""), { once: true }));
  await page.mouse.wheel(0, -120);
  await expect(shown.toEnd).toBeVisible();
  await expect(shown.box).toHaveAttribute("data-scrolled");
  const read = await shown.first();
  await more(request, pod, shown);
  expect(await shown.first()).toEqual(read);
  await expect(shown.toEnd).toBeVisible();

  await shown.toEnd.click();
  await expect.poll(shown.below).toBeLessThan(2);
  await expect(shown.toEnd).toBeHidden();
  await more(request, pod, shown);
  await expect.poll(shown.below).toBeLessThan(2);

  // By keyboard too: up, and back down with End.
  await shown.box.focus();
  await page.keyboard.press("Home");
  await expect(shown.toEnd).toBeVisible();
  await page.keyboard.press("End");
  await expect(shown.toEnd).toBeHidden();
  await more(request, pod, shown);
  await expect.poll(shown.below).toBeLessThan(2);
});

test("a terminal still follows after being made lower and narrower, searched and paused", async ({ page, request }) => {
  const pod = await talkative(request);
  const shown = terminal(page, pod);
  await open(page, "/cluster");
  await shown.overflows();
  await shown.whole.evaluate((it) => (it.style.height = "12rem"));
  await more(request, pod, shown);
  await expect.poll(shown.below).toBeLessThan(2);
  await page.setViewportSize({ width: 390, height: 844 });
  await more(request, pod, shown);
  await expect.poll(shown.below).toBeLessThan(2);
  await page.getByTestId("log-search").fill("no line has this");
  await expect(shown.lines).toHaveCount(0);
  await page.getByTestId("log-search").fill("");
  await shown.overflows();
  await expect.poll(shown.below).toBeLessThan(2);
  const joined = shown.lines.filter({ hasText: "joined" });
  const last = await joined.last().textContent();
  await page.getByTestId("log-pause").click();
  await talk(request, pod);
  await page.getByTestId("log-pause").click();
  await expect.poll(() => joined.last().textContent()).not.toBe(last);
  await expect.poll(shown.below).toBeLessThan(2);
});

test("a pod's terminal keeps its lines from before a kill, and continues after it", async ({ page, request }) => {
  const view = await calm(request);
  const pod = view.pods.map((pod) => pod.pod).find((pod) => pod !== view.leader?.pod) ?? "?";
  await open(page, "/cluster");
  const lines = page.locator(`[data-testid="pod-log"][data-pod="${pod}"]`).getByTestId("log-line");
  const joined = lines.filter({ hasText: `joined pod=${pod}` });
  await expect(joined.first()).toBeVisible();
  const before = await joined.count();
  await request.post(`/api/pods/${pod}/kill`);
  await expect(lines.filter({ hasText: "killed" }).last()).toBeVisible();
  await request.post(`/api/pods/${pod}/start`);
  await expect(joined).toHaveCount(before + 1);
  // The same lines are available as text.
  const text = await request.get(`/api/pods/${pod}/logs`, { headers: { accept: "text/html" } });
  expect(text.headers()["content-type"]).toContain("text/plain");
  expect(await text.text()).toContain("killed");
});

test("lines are coloured by level and found by a word, and don't change while paused", async ({ page, request }) => {
  const view = await calm(request);
  const [first] = view.pods.map((pod) => pod.pod).filter((pod) => pod !== view.leader?.pod);
  const terminal = page.locator(`[data-testid="pod-log"][data-pod="${first}"]`);
  await open(page, "/cluster");
  await request.post(`/api/pods/${first}/kill`);
  const killed = terminal.locator('[data-level="warn"]', { hasText: "killed" }).last();
  await expect(killed).toBeVisible();
  const colour = (line: typeof killed) => line.evaluate((element) => getComputedStyle(element).color);
  const info = terminal.locator('[data-level="info"]').first();
  await expect(info).toBeAttached();
  expect(await colour(killed)).not.toBe(await colour(info));

  await page.getByTestId("log-level").selectOption("warn");
  await expect(terminal.locator('[data-level="info"]')).toHaveCount(0);
  await page.getByTestId("log-level").selectOption("info");
  await page.getByTestId("log-search").fill("KILLED");
  await expect(info).toHaveCount(0);
  await expect(killed).toBeVisible();
  await page.getByTestId("log-search").fill("");
  await expect(info).toBeAttached();

  await page.getByTestId("log-pause").click();
  const there = await terminal.getByTestId("log-line").count();
  await request.post(`/api/pods/${first}/start`);
  await expect(page.locator(`[data-testid="pod"][data-pod="${first}"]`)).toHaveAttribute("data-state", "up");
  expect(await terminal.getByTestId("log-line").count()).toBe(there);
  await page.getByTestId("log-pause").click();
  await expect.poll(() => terminal.getByTestId("log-line").filter({ hasText: "started again" }).count()).toBeGreaterThan(0);
});

import { expect, test } from "@playwright/test";

import { calm } from "../support/api.ts";
import { open } from "../support/page.ts";

test("a pod's terminal shows what it said before it was killed, and goes on after", async ({ page, request }) => {
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
  // The same lines as text, for whoever opens them.
  const text = await request.get(`/api/pods/${pod}/logs`, { headers: { accept: "text/html" } });
  expect(text.headers()["content-type"]).toContain("text/plain");
  expect(await text.text()).toContain("killed");
});

test("lines are coloured by level, found by a word, and hold still while they are paused", async ({ page, request }) => {
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

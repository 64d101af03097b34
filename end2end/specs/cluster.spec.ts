import { expect, test } from "@playwright/test";

import { calm, clusterWhere, done, upload } from "../support/api.ts";
import { open } from "../support/page.ts";
import { largePng } from "../support/samples.ts";

test.beforeEach(async ({ request }) => {
  await calm(request);
});

test("the cluster page shows the leader and every pod", async ({ page, request }) => {
  const view = await calm(request);
  await open(page, "/cluster");
  await expect(page.getByTestId("leader")).toContainText(view.leader?.pod ?? "?");
  const panel = page.locator("section", { has: page.getByTestId("leader") });
  await expect(panel).toContainText(new RegExp(`Epoch\\s*${view.leader?.epoch}(?!\\d)`));
  await expect(page.getByTestId("pod")).toHaveCount(5);
  await expect(page.locator('[data-testid="pod"][data-state="up"]')).toHaveCount(5);
  await expect(page.locator('[data-testid="pod"][data-leads="true"]')).toHaveAttribute("data-pod", view.leader?.pod ?? "?");
});

test("tasks, locks and events appear while a job runs, without a reload", async ({ page, request }) => {
  await open(page, "/cluster");
  await page.evaluate(() => {
    const most: Record<string, number> = {};
    const look = () => {
      for (const id of ["task", "lock", "event"]) {
        most[id] = Math.max(most[id] ?? 0, document.querySelectorAll(`[data-testid="${id}"]`).length);
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
    (window as unknown as { most: typeof most }).most = most;
  });
  const most = (id: string) => page.evaluate((id) => (window as unknown as { most: Record<string, number> }).most[id] ?? 0, id);

  const sent = await Promise.all([1, 2, 3].map((i) => upload(request, largePng(`tasks-${i}.png`, 4_000, 3_000))));
  await expect.poll(() => most("task"), { message: "tasks were shown" }).toBeGreaterThan(0);
  await expect.poll(() => most("lock"), { message: "locks were shown" }).toBeGreaterThan(0);
  await expect.poll(() => most("event"), { message: "events were shown" }).toBeGreaterThan(0);
  for (const { image_id: id } of sent) await done(request, id);
});

test("a pod killed and started from the page is seen to leave and to return", async ({ page, request }) => {
  const view = await calm(request);
  const victim = view.pods.find((pod) => !pod.leads)?.pod ?? "";
  await open(page, "/cluster");
  page.on("dialog", (dialog) => void dialog.accept());
  const card = page.locator(`[data-testid="pod"][data-pod="${victim}"]`);

  await card.getByTestId("kill-pod").click();
  await expect(card).toHaveAttribute("data-state", "down");
  await card.getByTestId("start-pod").click();
  await expect(card).toHaveAttribute("data-state", "up");
  await clusterWhere(request, "the pod is back", (now) => now.pods.every((pod) => pod.state === "up"));
});

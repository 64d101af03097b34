import { expect, test } from "@playwright/test";

import { calm, clusterWhere, done, failing, kill, upload } from "../support/api.ts";
import { own } from "../support/own.ts";
import { open } from "../support/page.ts";
import { damaged, largePng } from "../support/samples.ts";

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

test("a pod killed and started from the page is shown leaving and returning", async ({ page, request }) => {
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

test("a frozen pod keeps its lease until it expires, and resumes its work", async ({ page, request }) => {
  const view = await calm(request);
  const victim = view.pods.find((pod) => !pod.leads)?.pod ?? "";
  await open(page, "/cluster");
  const card = page.locator(`[data-testid="pod"][data-pod="${victim}"]`);
  await card.getByTestId("freeze-pod").click();
  await expect(card).toHaveAttribute("data-link", "frozen");
  await expect(card).toHaveAttribute("data-state", "down");
  await card.getByTestId("start-pod").click();
  await expect(card).toHaveAttribute("data-link", "connected");
  await expect(card).toHaveAttribute("data-state", "up");
});

test("a disconnected master is succeeded by another, and the history says why", async ({ page, request }) => {
  const before = await calm(request);
  const master = before.leader?.pod ?? "";
  await open(page, "/cluster");
  const card = page.locator(`[data-testid="pod"][data-pod="${master}"]`);
  await card.getByTestId("disconnect-pod").click();
  await expect(card).toHaveAttribute("data-link", "disconnected");
  await clusterWhere(request, "another pod leads", (now) => now.leader?.epoch != null && now.leader.pod !== master);
  await expect(page.getByTestId("leader")).not.toHaveText(master);

  const latest = page.getByTestId("reign").first();
  await expect(latest).toContainText(master);
  await expect(latest).toContainText(String(before.leader?.epoch));
  await expect(latest).toContainText("Lease expired");
  await card.getByTestId("start-pod").click();
  await expect(card).toHaveAttribute("data-link", "connected");
  await expect(card).toHaveAttribute("data-leads", "false");
});

test("each pod's lane shows its tasks, their attempts and their durations", async ({ page, request }) => {
  await open(page, "/cluster");
  const { image_id: id } = await upload(request, largePng("lanes.png", 4_000, 3_000));
  await done(request, id);
  const bars = page.getByTestId("lane").getByTestId("bar");
  await expect.poll(() => bars.count()).toBeGreaterThan(2);
  await expect(bars.first()).toHaveAttribute("title", /\/\d+, attempt \d+: .*[\d,]+ ms$/);
  const inside = await bars.evaluateAll((all) =>
    all.every((bar) => {
      const lane = bar.parentElement?.getBoundingClientRect();
      const own = bar.getBoundingClientRect();
      return lane !== undefined && own.left >= lane.left - 4 && own.right <= lane.right + 4;
    }),
  );
  expect(inside).toBe(true);
});

test("the page explains in a sentence why work is slow", async ({ page, request }) => {
  await calm(request);
  await open(page, "/cluster");
  await expect(page.getByTestId("why")).toContainText("No jobs are waiting.");
  for (const pod of (await calm(request)).pods) await kill(request, pod.pod);
  await expect(page.getByTestId("why")).toContainText("There is no master.");
  await calm(request);
  await expect(page.getByTestId("why")).toContainText("No jobs are waiting.");
});

test("a failed image is retried from the cluster page", async ({ page, request }) => {
  await calm(request);
  const broken = await failing(request, damaged("broken-on-purpose.jpg"));
  await open(page, "/cluster");
  const failure = page.getByTestId("failure").filter({ hasText: "broken-on-purpose.jpg" }).first();
  await expect(failure).toBeVisible();
  const [answer] = await Promise.all([
    page.waitForResponse((it) => it.url().endsWith(`/api/images/${broken.image_id}/retry`)),
    failure.getByTestId("retry-failed").click(),
  ]);
  expect(answer.ok()).toBe(true);
  await expect(page).toHaveURL(/\/cluster$/);
});

test("all failed images are retried with one click", async ({ page, request }) => {
  await calm(request);
  const broken = [await failing(request, damaged("broken-one.jpg")), await failing(request, damaged("broken-two.jpg"))];
  await open(page, "/cluster");
  await expect(page.getByTestId("failure").filter({ hasText: "broken-two.jpg" }).first()).toBeVisible();
  const [answer] = await Promise.all([
    page.waitForResponse((it) => it.url().endsWith("/api/jobs/retry")),
    page.getByTestId("retry-all").click(),
  ]);
  expect(answer.ok()).toBe(true);
  expect((await answer.json()).retried).toBeGreaterThanOrEqual(broken.length);
  await expect(page).toHaveURL(/\/cluster$/);
});

test("a page whose server fell silent doesn't call it well", async ({ page }) => {
  const server = await own(2);
  try {
    await open(page, `${server.address}/cluster`);
    const health = page.locator(".health");
    await expect(health).toContainText("All is well");
    // Even before the first second: the page learns from the stream's first message when silence is unusual.
    server.signal("SIGSTOP");
    await expect(health).toContainText("server is lost", { timeout: 6_000 });
    await expect(health).toHaveAttribute("data-ok", "false");
    await expect(page.getByTestId("live-state")).toHaveText(/reconnecting/i);
    server.signal("SIGCONT");
    await expect(health).toContainText("All is well");
    await expect(page.getByTestId("live-state")).toHaveText(/live/i);
  } finally {
    server.signal("SIGCONT");
    await server.stop();
  }
});

test("a silent master isn't shown as well while its lease lasts", async ({ page, request }) => {
  const server = await own(3, "--allow-faults", "--session-timeout", "20s");
  try {
    await open(page, `${server.address}/cluster`);
    const health = page.locator(".health");
    await expect(health).toContainText("All is well");
    const master = (await page.getByTestId("leader").textContent()) ?? "?";
    for (const act of ["freeze", "disconnect"]) {
      expect((await request.post(`${server.address}/api/pods/${master}/${act}`)).ok()).toBe(true);
      // Long before its lease expires.
      await expect(health).toContainText("isn't responding", { timeout: 5_000 });
      await expect(page.getByTestId("health-banner")).toContainText(master);
      await expect(page.getByTestId("leader")).toHaveText(master);
      if (act === "freeze") {
        expect((await request.post(`${server.address}/api/pods/${master}/start`)).ok()).toBe(true);
        await expect(health).toContainText("All is well");
      }
    }
    await expect(page.getByTestId("leader")).not.toHaveText(master, { timeout: 40_000 });
    await expect(health).toContainText("All is well");
  } finally {
    await server.stop();
  }
});

import { expect, test } from "@playwright/test";

import { calm, clusterWhere, done, kill, start } from "../support/api.ts";
import { accepted, choose, drop, open, tile } from "../support/page.ts";
import { largePng, largeTiff } from "../support/samples.ts";

test.beforeEach(async ({ request }) => {
  await calm(request);
});

test("an image whose master is killed mid-job is still equalized, under another master with a higher epoch", async ({
  page,
  request,
}) => {
  const before = await calm(request);
  const killed = before.leader?.pod ?? "";
  await open(page, "/");

  // Several, so that the kill always hits work in progress.
  const files = [1, 2, 3].map((i) => largePng(`failover-${i}.png`, 4_000, 3_000)).concat(largeTiff("failover-4.tif", 6_000, 4_000));
  const sent = await choose(page, files);

  const struck = await clusterWhere(request, "a job is being worked on", (view) =>
    view.jobs.some((job) => job.phases.some((phase) => phase.done < phase.total)),
  );
  await kill(request, killed);
  expect(struck.leader).toMatchObject({ pod: killed });

  const after = await clusterWhere(
    request,
    "another pod leads",
    (view) => view.leader !== null && view.leader.pod !== killed && view.leader.epoch !== null,
  );
  expect(after.leader?.epoch ?? 0).toBeGreaterThan(before.leader?.epoch ?? 0);

  for (const id of await sent()) {
    await done(request, id);
    await expect(tile(page, id)).toHaveAttribute("data-state", "done");
  }

  await start(request, killed);
  const whole = await calm(request);
  expect(whole.pods.find((pod) => pod.pod === killed)).toMatchObject({ state: "up", leads: false });
});

test("an upload accepted while no pod is up waits, says so, and runs once pods are up", async ({ page, request }) => {
  const before = await calm(request);
  await open(page, "/");
  for (const pod of before.pods) await kill(request, pod.pod);
  await clusterWhere(request, "nobody leads", (view) => view.leader === null);
  await expect(page.getByTestId("health-banner")).toBeVisible();

  const { image_id: id } = await accepted(page, () => drop(page, largePng("patient.png", 400, 300)));
  await expect(tile(page, id)).toHaveAttribute("data-state", "queued");
  for (const pod of before.pods) await start(request, pod.pod);
  await done(request, id);
  await expect(tile(page, id)).toHaveAttribute("data-state", "done");
  await expect(page.getByTestId("health-banner")).toBeHidden();
});

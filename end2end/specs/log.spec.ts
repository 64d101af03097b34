import { expect, test } from "@playwright/test";

import { calm } from "../support/api.ts";
import { open } from "../support/page.ts";

test("a pod's log shows what it said before it was killed, and goes on after", async ({ page, request }) => {
  const view = await calm(request);
  const pod = view.pods.map((pod) => pod.pod).find((pod) => pod !== view.leader?.pod) ?? "?";
  await open(page, "/cluster");
  await page.getByTestId("log-pod").selectOption(pod);
  const lines = page.getByTestId("log-line");
  await expect(lines.filter({ hasText: "joined" }).first()).toBeVisible();
  const before = await lines.filter({ hasText: "joined" }).count();
  await request.post(`/api/pods/${pod}/kill`);
  await expect(lines.filter({ hasText: "killed" }).last()).toBeVisible();
  await request.post(`/api/pods/${pod}/start`);
  await expect(lines.filter({ hasText: "joined" })).toHaveCount(before + 1);
  // The same lines as text, for whoever opens them.
  const text = await request.get(`/api/pods/${pod}/logs`, { headers: { accept: "text/html" } });
  expect(text.headers()["content-type"]).toContain("text/plain");
  expect(await text.text()).toContain("killed");
});

// Longest task of a page.

import { type Browser, expect } from "@playwright/test";

/** Starts a trace. The returned function ends it and returns the CPU time of the page's longest task, in ms. */
export async function watchTasks(browser: Browser): Promise<() => Promise<number>> {
  const session = await browser.newBrowserCDPSession();
  const events: { ph: string; name: string; pid: number; tid: number; tdur?: number; args: { name?: string } }[] = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as typeof events)));
  await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "__metadata"] } });
  return async () => {
    const complete = new Promise<void>((resolve) => session.once("Tracing.tracingComplete", () => resolve()));
    await session.send("Tracing.end");
    await complete;
    const threads = events.filter((it) => it.name === "thread_name" && it.args.name === "CrRendererMain").map((it) => `${it.pid} ${it.tid}`);
    const tasks = events.filter((it) => it.ph === "X" && it.name.endsWith("RunTask") && threads.includes(`${it.pid} ${it.tid}`));
    // A trace without tasks didn't record the page.
    expect(tasks.filter((it) => it.tdur !== undefined).length).toBeGreaterThan(100);
    return Math.max(...tasks.map((it) => it.tdur ?? 0)) / 1_000;
  };
}

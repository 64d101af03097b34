// CPU time of a page's tasks.

import { type Browser, expect } from "@playwright/test";

/** An event of Chromium's trace; times in µs, `tdur` of the processor. */
interface Event {
  ph: string;
  name: string;
  pid: number;
  tid: number;
  ts: number;
  dur: number;
  tdur?: number;
  args: { name?: string; chrome_mojo_event_info?: { mojo_interface_tag?: string } };
}

/**
 * Starts a trace. The returned function ends it and returns the CPU time of each of the page's tasks, in ms. Tasks that carry out
 * a command of this test (a query, a snapshot for the report) are not the page's.
 */
export async function watchTasks(browser: Browser): Promise<() => Promise<number[]>> {
  const session = await browser.newBrowserCDPSession();
  const events: Event[] = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as Event[])));
  await session.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "__metadata"] } });
  return async () => {
    const complete = new Promise<void>((resolve) => session.once("Tracing.tracingComplete", () => resolve()));
    await session.send("Tracing.end");
    await complete;
    const threads = events.filter((it) => it.name === "thread_name" && it.args.name === "CrRendererMain").map((it) => `${it.pid} ${it.tid}`);
    const ofPage = events.filter((it) => it.ph === "X" && threads.includes(`${it.pid} ${it.tid}`));
    const commands = ofPage.filter((it) => it.args.chrome_mojo_event_info?.mojo_interface_tag === "blink.mojom.DevToolsSession");
    const isCommand = (task: Event) =>
      commands.some((it) => it.pid === task.pid && it.tid === task.tid && it.ts >= task.ts && it.ts <= task.ts + task.dur);
    const tasks = ofPage.filter((it) => it.name.endsWith("RunTask") && it.tdur !== undefined && !isCommand(it));
    // A trace without tasks didn't record the page.
    expect(tasks.length).toBeGreaterThan(100);
    return tasks.map((it) => (it.tdur ?? 0) / 1_000);
  };
}

// A separate server, for tests that would disturb the others.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { expect, request } from "@playwright/test";

export const BINARY = resolve(process.env.EVENLIGHT_BINARY ?? "../target/release/evenlight");

export interface Own {
  address: string;
  data: string;
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  stop(): Promise<void>;
}

/** Starts a server with its own data. */
export async function own(pods: number, ...flags: string[]): Promise<Own> {
  const data = mkdtempSync(join(tmpdir(), "evenlight-own-"));
  const port = execFileSync(process.execPath, [
    "-e",
    'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(String(s.address().port)); s.close(); })',
  ]).toString().trim();
  const address = `http://127.0.0.1:${port}`;
  const process_ = spawn(
    BINARY,
    ["serve", "--pods", String(pods), "--listen", `127.0.0.1:${port}`, "--data", data, ...flags],
    { stdio: "ignore" },
  );
  const context = await request.newContext();
  await expect
    .poll(async () => (await context.get(`${address}/readyz`).catch(() => undefined))?.status(), { timeout: 60_000 })
    .toBe(200);
  await context.dispose();
  return { address, data, signal: (name) => void process_.kill(name), stop: () => stop(process_, data) };
}

async function stop(server: ChildProcess, data: string): Promise<void> {
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  await gone;
  rmSync(data, { recursive: true, force: true, maxRetries: 5 });
}

/** Inserts copies of the existing image into the catalog. */
export function seed(own: Own, images: number): void {
  execFileSync("python3", [resolve("support/seed.py"), join(own.data, "catalog.sqlite"), String(images)], { stdio: "inherit" });
}

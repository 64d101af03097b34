import { rmSync } from "node:fs";

/** Removes the array's data; its log stays in server.log. */
export default function teardown(): void {
  const data = process.env.EVENLIGHT_E2E_DATA;
  if (data !== undefined && data.includes("evenlight-end2end-")) {
    rmSync(data, { recursive: true, force: true, maxRetries: 20 });
  }
}

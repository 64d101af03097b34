import { expect, test, type APIRequestContext } from "@playwright/test";

import { calm, done, ended, send, upload, type Accepted, type Problem, type Upload } from "../support/api.ts";
import { drop, open } from "../support/page.ts";
import { empty, gigantic, sample, text, truncated } from "../support/samples.ts";

test.beforeEach(async ({ request }) => {
  await calm(request);
});

/** Expects a sentence for people, without internals of the program. */
function expectSentence(words: string | null | undefined): void {
  expect(words ?? "").toMatch(/\w+ \w+ \w+/);
  expect(words).not.toMatch(/panicked|unwrap|Error\(|\.rs:\d|Some\(|None\b/);
}

/** Sends a bad file. Returns the sentence of the problem in the response, or of the failed job. */
async function refusal(request: APIRequestContext, file: Upload): Promise<string> {
  const answer = await send(request, file);
  if (answer.status() === 202) {
    const { image_id: id } = (await answer.json()) as Accepted;
    const it = await ended(request, id);
    expect(it.state).toBe("failed");
    expectSentence(it.reason);
    return it.reason ?? "";
  }
  expect(answer.status()).toBeGreaterThanOrEqual(400);
  expect(answer.status()).toBeLessThan(500);
  expect(answer.headers()["content-type"]).toContain("application/problem+json");
  const problem = (await answer.json()) as Problem;
  expect(problem.status).toBe(answer.status());
  expectSentence(problem.detail);
  return problem.detail ?? "";
}

const cases: [what: string, file: () => Upload][] = [
  ["an empty file", () => empty],
  ["half a picture", truncated],
  ["a letter called .png", () => text],
  ["a header of 100,000 × 100,000 pixels", gigantic],
];

for (const [what, file] of cases) {
  test(`${what} gets a sentence, and the next upload works`, async ({ request }) => {
    await refusal(request, file());
    const { image_id: id } = await upload(request, sample("coffee.png"));
    await done(request, id);
    expect((await request.get("/healthz")).status()).toBe(200);
  });
}

test("a text file named .png that is dropped on the page is explained there", async ({ page }) => {
  await open(page, "/");
  await drop(page, text);
  const item = page.getByTestId("upload-item").filter({ hasText: text.name }).first();
  const failed = page.locator('[data-testid="gallery-item"][data-state="failed"]').filter({ hasText: text.name }).first();
  const words = item.or(failed).first();
  await expect(words).toContainText(/\w+ \w+ \w+ \w+/);
  await expect(words).not.toContainText(/panicked|Error\(/);
});

test("a missing field is a problem, not a crash", async ({ request }) => {
  const answer = await request.post("/api/images", { multipart: { picture: sample("coffee.png") } });
  expect(answer.status()).toBeGreaterThanOrEqual(400);
  expect(answer.status()).toBeLessThan(500);
  expectSentence(((await answer.json()) as Problem).detail);
});

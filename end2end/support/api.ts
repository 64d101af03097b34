// The HTTP API as the tests use it. Shapes: shared/src/{gallery,cluster}.rs.

import { expect, type APIRequestContext, type APIResponse } from "@playwright/test";

export type JobState = "queued" | "running" | "done" | "failed";

export interface Image {
  id: string;
  job_id: string;
  name: string;
  state: JobState;
  reason: string | null;
  width: number;
  height: number;
  format: "png" | "jpeg" | "tiff" | "webp";
}

export interface Accepted {
  image_id: string;
  job_id: string;
  state: JobState;
}

export interface Problem {
  title: string;
  status: number;
  detail?: string;
}

export interface Pod {
  pod: string;
  state: "up" | "down";
  leads: boolean;
  faults: boolean;
  fault?: "killed" | "frozen" | "disconnected";
}

export interface Phase {
  phase: string;
  done: number;
  total: number;
}

export interface Cluster {
  health: "ok" | "no-master" | "too-few-pods" | "disconnected";
  leader: { pod: string; epoch: number | null } | null;
  past: { pod: string; epoch: number; end: "handed-over" | "stepped-down" | "session-ended" | "evicted" }[];
  pods: Pod[];
  jobs: { job: string; image: string; epoch: number; phases: Phase[] }[];
  backlog: { queued: number; running: number };
}

export interface Upload {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

/** Sends a file as the page would, and returns the response, of any status. */
export function send(request: APIRequestContext, file: Upload): Promise<APIResponse> {
  return request.post("/api/images", { multipart: { image: file } });
}

/** Sends a file that must be accepted. */
export async function upload(request: APIRequestContext, file: Upload): Promise<Accepted> {
  const answer = await send(request, file);
  expect(answer.status(), await answer.text()).toBe(202);
  return (await answer.json()) as Accepted;
}

/** Sends a file that is accepted, and waits until its job has failed. */
export async function failing(request: APIRequestContext, file: Upload): Promise<Accepted> {
  const accepted = await upload(request, file);
  expect((await ended(request, accepted.image_id)).state).toBe("failed");
  return accepted;
}

export async function image(request: APIRequestContext, id: string): Promise<Image> {
  const answer = await request.get(`/api/images/${id}`);
  expect(answer.status(), await answer.text()).toBe(200);
  return (await answer.json()) as Image;
}

export async function images(request: APIRequestContext, query: Record<string, string> = {}): Promise<Image[]> {
  const answer = await request.get("/api/images", { params: query });
  expect(answer.status(), await answer.text()).toBe(200);
  return ((await answer.json()) as { items: Image[] }).items;
}

/** Waits until the image's latest job is done or has failed. Returns the image. */
export async function ended(request: APIRequestContext, id: string, timeout = 60_000): Promise<Image> {
  await expect
    .poll(async () => (await image(request, id)).state, { timeout, intervals: [100], message: `image ${id} ends` })
    .toMatch(/done|failed/);
  return image(request, id);
}

/** Waits until the image is done and returns it; throws the reason if its job fails. */
export async function done(request: APIRequestContext, id: string, timeout = 60_000): Promise<Image> {
  const it = await ended(request, id, timeout);
  expect(it.state, it.reason ?? undefined).toBe("done");
  return it;
}

export async function cluster(request: APIRequestContext): Promise<Cluster> {
  const answer = await request.get("/api/cluster");
  expect(answer.status()).toBe(200);
  return (await answer.json()) as Cluster;
}

/** Waits until the cluster meets a condition. Returns the cluster. */
export async function clusterWhere(
  request: APIRequestContext,
  what: string,
  wanted: (view: Cluster) => boolean,
  timeout = 30_000,
): Promise<Cluster> {
  let view = await cluster(request);
  await expect
    .poll(
      async () => {
        view = await cluster(request);
        return wanted(view);
      },
      { timeout, intervals: [20], message: what },
    )
    .toBe(true);
  return view;
}

export async function kill(request: APIRequestContext, pod: string): Promise<void> {
  const answer = await request.post(`/api/pods/${pod}/kill`);
  expect(answer.ok(), await answer.text()).toBe(true);
}

/** Starts a pod. Accepts that it is already up (409), since the cluster's view may lag behind. */
export async function start(request: APIRequestContext, pod: string): Promise<void> {
  const answer = await request.post(`/api/pods/${pod}/start`);
  expect(answer.ok() || answer.status() === 409, await answer.text()).toBe(true);
}

/**
 * Waits for five pods, a leader and no work, so that the next test starts on an idle array. Starts the pods that are down, whenever
 * the cluster's view, which lags behind, shows that one is.
 */
export async function calm(request: APIRequestContext): Promise<Cluster> {
  let view = await cluster(request);
  const isCalm = async (): Promise<boolean> => {
    view = await cluster(request);
    const stopped = view.pods.filter((pod) => pod.state === "down" || pod.fault !== undefined);
    for (const { pod } of stopped) await start(request, pod);
    return (
      view.health === "ok" &&
      view.leader?.epoch != null &&
      stopped.length === 0 &&
      view.pods.filter((pod) => pod.state === "up").length === 5 &&
      view.jobs.length === 0 &&
      view.backlog.queued + view.backlog.running === 0
    );
  };
  const message = "five pods are up, one leads, nothing is left to do";
  await expect.poll(isCalm, { timeout: 60_000, intervals: [50], message }).toBe(true);
  return view;
}

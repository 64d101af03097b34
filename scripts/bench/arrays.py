"""Benchmarks of the array: time from the last uploaded byte to `done`, with fsync, and cost compared with one process."""

import concurrent.futures
import functools
import statistics
import time

import numpy as np

import measure
import pictures
import servers

RECIPE = {"method": "global", "color": "channels"}
IMAGES = [
    ("0.26 MP PNG, gray (one task)", "small.png", 1, np.uint8, (512, 512)),
    ("12 MP PNG, RGB", "rgb.png", 3, np.uint8, pictures.MEGAPIXELS_12),
    ("12 MP JPEG, RGB", "rgb.jpg", 3, np.uint8, pictures.MEGAPIXELS_12),
    ("12 MP TIFF, RGB", "rgb.tif", 3, np.uint8, pictures.MEGAPIXELS_12),
    ("75 MP TIFF, gray", "large.tif", 1, np.uint8, pictures.MEGAPIXELS_75),
]
SMALL_JOBS = 200
CONNECTIONS = 8


def run(binary, folder, rounds, short):
    paths = {}
    for title, name, channels, dtype, size in IMAGES:
        paths[title] = folder / name
        pictures.write(paths[title], channels, dtype, size)
    result = {"fsync_s": measure.fsync_latency(folder), "arrays": []}
    for pods in (5,) if short else (1, 2, 5):
        with servers.array(binary, folder / f"embedded-{pods}", pods) as array:
            result["arrays"].append(one_array(f"{pods} embedded", array, binary, paths, rounds, short))
    with servers.zookeeper(folder) as ensemble:
        result["zookeeper_write_s"] = write_latency(ensemble)
        for pods in (5,) if short else (1, 2, 5):
            with servers.array(binary, folder / f"zookeeper-{pods}", pods, ensemble) as array:
                result["arrays"].append(one_array(f"{pods} on ZooKeeper", array, binary, paths, rounds, short))
    return result


def one_array(title, array, binary, paths, rounds, short):
    images = {name: one_image(array, binary, path, rounds) for name, path in paths.items()}
    entry = {"title": title, "images": images, "small": small_jobs(array, next(iter(paths.values())), short)}
    print(f"{title}: {entry['small']['jobs_per_second']:.0f} small jobs a second", flush=True)
    for name, image in images.items():
        wall, cpu = image["array"]["wall"], image["one process"]["cpu_ratio"]
        print(f"    {name:32} {1e3 * wall['median']:7.1f} ms (least {1e3 * wall['min']:.1f}), CPU × {1 / cpu['median']:.2f}", flush=True)
    return entry


def one_image(array, binary, path, rounds):
    """Alternates the array and one process. The array's CPU time is that of all its processes from the start of the upload to `done`."""
    client = array.client()
    timelines = []

    def through_array():
        before = array.cpu()
        accepted, sent = client.upload(path, RECIPE)
        done = client.wait(accepted["job_id"])
        cost = measure.Cost(done - sent, array.cpu() - before)
        timelines.append(client.get(f"/api/jobs/{accepted['job_id']}/timeline")["spans"])
        client.delete(accepted["image_id"])
        return cost

    out = path.with_name(f"out-{path.name}")
    command = [binary, "equalize", "--color", RECIPE["color"], path, out]
    contenders = {"array": through_array, "one process": functools.partial(measure.run_process, command)}
    costs = measure.interleave(contenders, rounds, warm_ups=2)
    out.unlink()
    return {**measure.summary(costs, "array"), "stages": stages(timelines)}


def stages(timelines):
    """Returns each phase's duration and the sum of its tasks' durations, in order: milliseconds, medians of the rounds."""
    phases = list(dict.fromkeys(span["phase"] for span in timelines[-1]))

    def median(of):
        return {phase: statistics.median(of([span for span in spans if span["phase"] == phase]) for spans in timelines) for phase in phases}

    took = median(lambda spans: max(span["finished"] for span in spans) - min(span["started"] for span in spans))
    work = median(lambda spans: sum(span["finished"] - span["started"] for span in spans))
    return {phase: {"ms": took[phase], "work_ms": work[phase]} for phase in phases}


def small_jobs(array, path, short):
    """Runs many jobs at once. Returns jobs per second from the first upload to the last `done`."""
    count = SMALL_JOBS // 4 if short else SMALL_JOBS

    def some(number):
        client = array.client(number)
        return [client.upload(path, RECIPE)[0]["job_id"] for _ in range(count // CONNECTIONS)]

    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        jobs = [job for part in pool.map(some, range(CONNECTIONS)) for job in part]
    client = array.client()
    done = max(client.wait(job, pause=0.01) for job in jobs)
    return {"jobs": len(jobs), "jobs_per_second": len(jobs) / (done - began)}


def write_latency(ensemble, rounds=200):
    """Returns the median duration of sequential `setData` calls by an independent client, in seconds."""
    from kazoo.client import KazooClient

    client = KazooClient(hosts=ensemble, timeout=60)
    client.start(timeout=servers.START)
    try:
        client.create("/latency", b"")
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            client.set("/latency", bytes(200))
            times.append(time.perf_counter() - began)
        return statistics.median(times)
    finally:
        client.stop()
        client.close()


def gigapixel(binary, folder, short):
    """Equalizes a TIFF of 32,768 × 32,768 on pods with a process each. Returns the peak memory of any of them, and of one process alone."""
    side = 8_192 if short else pictures.GIGAPIXEL[0]
    path, out = folder / "gigapixel.tif", folder / "gigapixel-out.tif"
    pictures.write_gigapixel(path, (side, side))
    result = {"side": side, "pods": 2, "alone_bytes": measure.peak_memory([binary, "equalize", path, out])}
    out.unlink()
    with servers.zookeeper(folder) as ensemble, servers.array(binary, folder / "gigapixel", 2, ensemble) as array:
        client = array.client()
        accepted, sent = client.upload(path, RECIPE)
        result["seconds"] = client.wait(accepted["job_id"], pause=0.05) - sent
        result["pod_bytes"] = [measure.peak_of(pid) for pid in array.pids]
    path.unlink()
    peaks = ", ".join(f"{peak >> 20}" for peak in result["pod_bytes"])
    print(f"{side} × {side} TIFF: pods {peaks} MiB at most, alone {result['alone_bytes'] >> 20} MiB, {result['seconds']:.1f} s", flush=True)
    return result

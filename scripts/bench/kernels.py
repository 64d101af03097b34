#!/usr/bin/env python3
"""Benchmarks of our kernels against OpenCV's, memory to memory, in one run.

    cargo build --release -p shared --example kernel_times
    python scripts/bench/kernels.py [--rounds 15] [--json FILE]      (`make bench` runs it with the rest)

Both sides get the same 75-megapixel image and write to memory that is already mapped. Each round measures OpenCV
and us right after each other, so that other load on the machine affects both; times are min/median, ratios min, median and
max of the rounds. OpenCV's results are compared with ours pixel by pixel first. Needs what
scripts/bench/requirements.txt names.
"""

import argparse
import functools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time

import cv2
import numpy as np

import files
import pictures

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("EVENLIGHT_EXAMPLES", ROOT / "target/release/examples")) / "kernel_times"
WIDTH, HEIGHT = 10_000, 7_500


def photograph(channels, dtype, width=WIDTH, height=HEIGHT):
    return pictures.photograph(channels, dtype, width, height)


class Ours:
    """The program that runs our kernels and prints a measurement per line."""

    def __init__(self, image, folder, kernel):
        path = folder / "image.raw"
        image.tofile(path)
        height, width = image.shape[:2]
        channels = 1 if image.ndim == 2 else image.shape[2]
        arguments = [PROGRAM, path, width, height, channels, image.itemsize * 8, *([kernel] if kernel else [])]
        self.process = subprocess.Popen(
            list(map(str, arguments)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.folder, self.shape, self.dtype = folder, image.shape, image.dtype
        self.name = self.process.stdout.readline().strip()

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def time(self, task, threads):
        """Returns wall-clock seconds and the CPU seconds of the process, summed over threads."""
        before = self.cpu()
        wall = self.ask(f"{task} {threads}")
        return wall, self.cpu() - before

    def cpu(self):
        # The id of another process' CPU clock, computed as clock_getcpuclockid(3) does on Linux.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def result(self):
        path = self.folder / "result.raw"
        self.ask(f"write {path}")
        return np.fromfile(path, self.dtype).reshape(self.shape)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(function):
    """Returns wall-clock seconds and the CPU seconds of this process, summed over threads."""
    began, cpu_began = time.perf_counter(), time.process_time()
    function()
    cpu = time.process_time() - cpu_began
    return time.perf_counter() - began, cpu


def compare(title, threads, theirs, ours, rounds, pixels, whose="OpenCV"):
    """Alternates theirs and ours. Returns the times and the ratios of the rounds."""
    cv2.setNumThreads(threads)
    pairs = [(theirs(), ours()) for _ in range(rounds + 2)][2:]
    entry = {"what": title, "whose": whose, "threads": threads}
    # CPU time too, which is more meaningful on a busy machine.
    for clock, name in enumerate(("wall", "cpu")):
        a, b = [pair[0][clock] for pair in pairs], [pair[1][clock] for pair in pairs]
        ratios = [a / b for a, b in zip(a, b)]
        entry[name] = {
            "theirs_ms": {"min": 1e3 * min(a), "median": 1e3 * statistics.median(a)},
            "ours_ms": {"min": 1e3 * min(b), "median": 1e3 * statistics.median(b)},
            "gigapixels_per_second": pixels / min(b) / 1e9,
            "ratio": {"min": min(ratios), "median": statistics.median(ratios), "max": max(ratios)},
        }
        line = entry[name]
        print(
            f"{title:36} {threads}t {name:4} theirs {line['theirs_ms']['min']:7.2f}/{line['theirs_ms']['median']:7.2f} ms"
            f"  ours {line['ours_ms']['min']:6.2f}/{line['ours_ms']['median']:6.2f} ms {line['gigapixels_per_second']:6.2f} Gpx/s"
            f"  ratio {line['ratio']['min']:.2f} {line['ratio']['median']:.2f} {line['ratio']['max']:.2f}",
            flush=True,
        )
    return entry


def gray8(folder, rounds, kernel):
    image = photograph(1, np.uint8)
    out = np.zeros_like(image)
    ours = Ours(image, folder, kernel)
    table = np.arange(256, dtype=np.uint8)[::-1].copy()
    ours.ask("equalize 1")
    assert (ours.result() == cv2.equalizeHist(image, out)).all(), "another result than OpenCV's"
    for threads in (1, 2):
        def against(title, task, theirs):
            return compare(
                title, threads, lambda: timed(theirs), lambda: ours.time(task, threads), rounds, image.size
            )

        yield against("gray 8: equalizeHist", "equalize", lambda: cv2.equalizeHist(image, out))
        yield against("gray 8: calcHist", "histogram", lambda: cv2.calcHist([image], [0], None, [256], [0, 256]))
        yield against("gray 8: LUT", "look-up", lambda: cv2.LUT(image, table, out))
        yield compare(
            "gray 8: look-up against memcpy",
            threads,
            lambda: ours.time("memcpy", threads),
            lambda: ours.time("look-up", threads),
            rounds,
            image.size,
            "our memcpy",
        )
        with files.rival("libvips", threads) as libvips:
            yield compare(
                "gray 8: hist_equal",
                threads,
                functools.partial(in_libvips, libvips, image, folder),
                lambda: ours.time("equalize", threads),
                rounds,
                image.size,
                "libvips",
            )
    ours.close()


def in_libvips(libvips, image, folder):
    """libvips equalizes an array in memory to newly allocated memory; its output buffer can't be chosen."""
    path = folder / "image.npy"
    if not path.exists():
        np.save(path, image)
    cost = libvips.ask(json.dumps({"do": "memory", "from": str(path)}))
    return cost.wall, cost.cpu


def clahe(folder, rounds, kernel, dtype=np.uint8):
    image = photograph(1, dtype)
    ours = Ours(image, folder, kernel)
    theirs = cv2.createCLAHE(2.0, (8, 8))
    out = np.zeros_like(image)
    ours.ask("clahe 1")
    assert (ours.result() == theirs.apply(image)).all(), "another result than OpenCV's"
    for threads in (1, 2):
        yield compare(
            f"gray {8 * image.itemsize}: CLAHE 8 x 8",
            threads,
            lambda: timed(lambda: theirs.apply(image, out)),
            lambda: ours.time("clahe", threads),
            rounds,
            image.size,
        )
    ours.close()


def clahe16(folder, rounds, kernel):
    yield from clahe(folder, max(3, rounds // 3), kernel, np.uint16)


def luma8(folder, rounds, kernel):
    """OpenCV's usual way: to YCrCb, equalizeHist of Y, and back. (Because it rounds chroma, its pixels differ.)"""
    image = photograph(3, np.uint8, WIDTH // 2, HEIGHT // 2)
    ours = Ours(image, folder, kernel)

    def theirs():
        y, cr, cb = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
        return cv2.cvtColor(cv2.merge((cv2.equalizeHist(y), cr, cb)), cv2.COLOR_YCrCb2RGB)

    pixels = image.size // 3
    for threads in (1, 2):
        yield compare(
            "RGB 8: equalize luma",
            threads,
            lambda: timed(theirs),
            lambda: ours.time("equalize", threads),
            rounds,
            pixels,
        )
    ours.close()


def run(rounds, kernel=None, only=None):
    entries = []
    with tempfile.TemporaryDirectory() as folder:
        for suite in (gray8, clahe, clahe16, luma8):
            if not only or only in suite.__name__:
                entries += suite(pathlib.Path(folder), rounds, kernel)
    return entries


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--kernel", help="scalar, avx2, avx512 (default: the best)")
    parser.add_argument("--only", help="run only what has this in its name")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    print(f"OpenCV {cv2.__version__}, {platform.machine()}, load {os.getloadavg()[0]:.1f} at the beginning")
    entries = run(arguments.rounds, arguments.kernel, arguments.only)
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    if arguments.json:
        arguments.json.write_text(json.dumps({"opencv": cv2.__version__, "measurements": entries}, indent=2) + "\n")


if __name__ == "__main__":
    main()

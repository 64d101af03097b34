#!/usr/bin/env python3
"""Runs all benchmarks of `make bench` and writes the page.

    run.py --page docs/benchmarks.md --json FILE [--short] [--only kernels,files,arrays,gigapixel]
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import tempfile

import cv2
import pyvips

import arrays
import files
import kernels
import page

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("kernels", "files", "arrays", "gigapixel")


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().split("\n")[0]


def facts():
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = os.getloadavg()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": first_line("git", "rev-parse", "--short", "HEAD"),
        "machine": f"{os.cpu_count()} × {cpu}, {memory:.0f} GiB, {platform.system()} {platform.release()}",
        "load before, by other programs (1, 5, 15 minutes)": f"{load[0]:.1f}, {load[1]:.1f}, {load[2]:.1f}",
        "Evenlight": f"release build, {first_line('rustc', '--version')}",
        "OpenCV": f"{cv2.__version__}, from PyPI",
        "libvips": f"{'.'.join(str(pyvips.version(part)) for part in range(3))}, from PyPI (pyvips-binary)",
        "ImageMagick": f"{first_line('convert', '-version').removeprefix('Version: ImageMagick ').split(' http')[0]}, Debian's",
        "ZooKeeper": f"{first_line('dpkg-query', '-W', '-f', '${Version}', 'zookeeper')}, Debian's, one server",
        "Java": first_line("java", "-version"),
    }


def run(part, arguments, folders):
    memory, disk = folders
    short = arguments.short
    rounds = 3 if short else arguments.rounds
    if part == "kernels":
        return kernels.run(rounds if short else 3 * rounds)
    if part == "files":
        return files.run(arguments.binary, arguments.decoder, memory, rounds, short)
    if part == "arrays":
        return arrays.run(arguments.binary, disk, rounds, short)
    return arrays.gigapixel(arguments.binary, disk, short)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/evenlight")
    parser.add_argument("--decoder", type=pathlib.Path, default=ROOT / "target/release/examples/decode_times")
    parser.add_argument("--page", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path, required=True, help="what was measured; parts that aren't run are taken from it")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", type=lambda text: text.split(","), default=PARTS)
    parser.add_argument("--disk", type=pathlib.Path, default=ROOT / "target", help="where the array keeps its files")
    parser.add_argument("--memory", type=pathlib.Path, default=pathlib.Path("/dev/shm"), help="a tmpfs for files")
    arguments = parser.parse_args()
    results = {"facts": facts(), "short": arguments.short}
    if set(arguments.only) != set(PARTS) and arguments.json.exists():
        earlier = json.loads(arguments.json.read_text())
        results = {**{part: earlier[part] for part in PARTS if part in earlier}, **results}
    for part in arguments.only:
        print(f"-- {part}", flush=True)
        with (
            tempfile.TemporaryDirectory(prefix="evenlight-bench-", dir=arguments.memory) as memory,
            tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.disk) as disk,
        ):
            results[part] = run(part, arguments, (pathlib.Path(memory), pathlib.Path(disk)))
        # After each part, so that its results aren't lost if a later one fails.
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
        before = arguments.page.read_text() if arguments.page.exists() else ""
        arguments.page.write_text(page.page(results, before))


if __name__ == "__main__":
    main()

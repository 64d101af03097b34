"""Benchmarks from file to file: our command, from the start of its process to its end, compared with libvips, OpenCV and ImageMagick.

Everything lies in memory (a tmpfs), so that the disk isn't what is measured. Each channel is equalized separately, which all four
can do. The libraries run warm, in a long-lived process; ImageMagick and Evenlight are started each time.
"""

import functools
import json
import pathlib
import subprocess
import sys

import numpy as np

import measure
import pictures

HERE = pathlib.Path(__file__).resolve().parent
THREADS = 2

MEGAPIXELS = {"12 MP": pictures.MEGAPIXELS_12, "75 MP": pictures.MEGAPIXELS_75}
CASES = [
    *[("12 MP", "png", channels, dtype) for channels in (1, 3) for dtype in (np.uint8, np.uint16)],
    *[("12 MP", "jpg", channels, np.uint8) for channels in (1, 3)],
    *[("12 MP", "tif", channels, dtype) for channels in (1, 3) for dtype in (np.uint8, np.uint16)],
    *[("75 MP", "tif", channels, dtype) for channels in (1, 3) for dtype in (np.uint8, np.uint16)],
]
SHORT = [("12 MP", "png", 3, np.uint8), ("12 MP", "jpg", 3, np.uint8), ("12 MP", "tif", 3, np.uint8), ("75 MP", "tif", 1, np.uint8)]


class Warm:
    """A long-running process that answers each line of its input with the duration."""

    def __init__(self, arguments, greets=True):
        self.process = subprocess.Popen(
            list(map(str, arguments)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self.process.stdout.readline().strip() if greets else ""

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().split()
        if not answer:
            raise RuntimeError(f"{self.process.args} ended at {line}")
        wall, cpu = (*answer, answer[0])[:2]
        return measure.Cost(float(wall), float(cpu))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def rival(name, threads=THREADS):
    return Warm([sys.executable, HERE / "rival.py", name, threads])


def settings(extension, dtype):
    """Yields encoders: a title, the library and its options. The first one of each library has options as close to ours as possible."""
    if extension == "png":
        yield "libvips, level 6, filters chosen", "libvips", {"compression": 6, "filter": "all"}
        yield "libvips, level 6, no filter (its default)", "libvips", {"compression": 6}
        if dtype == np.uint8:
            yield "OpenCV, level 6, filters chosen", "opencv", {"IMWRITE_PNG_COMPRESSION": 6, "IMWRITE_PNG_FILTER": 248}
            yield "OpenCV, its default", "opencv", {}
    elif extension == "jpg":
        yield "libvips", "libvips", {"Q": pictures.JPEG_QUALITY, "subsample_mode": "on"}
        yield "OpenCV", "opencv", {"IMWRITE_JPEG_QUALITY": pictures.JPEG_QUALITY}
    else:
        yield "libvips", "libvips", {"compression": "none"}
        if dtype == np.uint8:
            yield "OpenCV", "opencv", {"IMWRITE_TIFF_COMPRESSION": 1}


def magick(extension, source, target):
    quality = {"png": ["-quality", "65"], "jpg": ["-quality", pictures.JPEG_QUALITY, "-sampling-factor", "4:2:0"]}
    return ["convert-im6.q16", source, "-channel", "RGB", "-equalize", *quality.get(extension, ["-compress", "none"]), target]


def title(size, extension, channels, dtype):
    return f"{size} {extension.upper()}, {'gray' if channels == 1 else 'RGB'}, {8 * np.dtype(dtype).itemsize} bits"


def run(binary, decoder, folder, rounds, short):
    cases = SHORT if short else CASES
    with rival("opencv") as opencv, rival("libvips") as libvips, Warm([decoder], greets=False) as ours:
        warm = {"opencv": opencv, "libvips": libvips, "ours": ours}
        return [case(binary, warm, folder, rounds, *one) for one in cases]


def case(binary, warm, folder, rounds, size, extension, channels, dtype):
    source, target = folder / f"in.{extension}", folder / f"out.{extension}"
    pictures.write(source, channels, dtype, MEGAPIXELS[size])
    ours = [binary, "equalize", "--threads", THREADS, "--color", "channels", source, target]
    contenders, memory = {"Evenlight": functools.partial(measure.run_process, ours)}, {"Evenlight": ours}
    sizes = {}
    for name, library, options in settings(extension, dtype):
        task = json.dumps({"do": "file", "from": str(source), "to": str(target), "options": options})
        contenders[name] = functools.partial(warm[library].ask, task)
        memory[name] = [sys.executable, HERE / "rival.py", library, THREADS, task]
    memory["ImageMagick"] = magick(extension, source, target)
    peaks = {}
    for name, command in memory.items():
        target.unlink(missing_ok=True)
        peaks[name] = measure.peak_memory(command, {"MAGICK_THREAD_LIMIT": str(THREADS)})
        sizes[name] = target.stat().st_size
    result = measure.summary(measure.interleave(contenders, rounds), "Evenlight")
    slow = functools.partial(measure.run_process, memory["ImageMagick"], {"MAGICK_THREAD_LIMIT": str(THREADS)})
    # Many times slower than the others; a pair of runs is enough.
    both = {"Evenlight": contenders["Evenlight"], "ImageMagick": slow}
    result["ImageMagick"] = measure.summary(measure.interleave(both, 1, 0), "Evenlight")["ImageMagick"]
    entry = {
        "title": title(size, extension, channels, dtype),
        "format": extension,
        "input_bytes": source.stat().st_size,
        "contenders": {name: {**result[name], "peak": peaks[name], "bytes": sizes[name]} for name in result},
        "decode": decode(warm, source, rounds),
    }
    source.unlink()
    target.unlink()
    print_case(entry)
    return entry


def decode(warm, source, rounds):
    """The serial lower bound: only decoding the file, on one core, ours and the libraries'."""
    task = json.dumps({"do": "decode", "from": str(source)})
    contenders = {
        "Evenlight": functools.partial(warm["ours"].ask, str(source)),
        "OpenCV": functools.partial(warm["opencv"].ask, task),
        "libvips": functools.partial(warm["libvips"].ask, task),
    }
    return measure.summary(measure.interleave(contenders, rounds), "Evenlight")


def print_case(entry):
    print(entry["title"], flush=True)
    for name, costs in entry["contenders"].items():
        ratio = costs.get("wall_ratio", {}).get("median", 1)
        print(
            f"    {name:42} {1e3 * costs['wall']['median']:8.1f} ms  cpu {1e3 * costs['cpu']['median']:8.1f} ms"
            f"  ratio {ratio:5.2f}  peak {costs['peak'] >> 20:5} MiB  {costs['bytes'] / 1e6:7.1f} MB",
            flush=True,
        )
    floors = ", ".join(f"{name} {1e3 * costs['wall']['median']:.1f} ms" for name, costs in entry["decode"].items())
    print(f"    decoding alone: {floors}", flush=True)

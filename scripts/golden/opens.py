"""Opens image files with the libraries that people use, and compares the decoded samples with the expected ones.

    opens.py FOLDER

In the folder lie files and, for each `name.ext`, a `name.ext.json` ({"width", "height", "channels", "depth"}, depth 8, 16 or
32 for floating point) and a `name.ext.raw`: the samples, little-endian, row after row. Prints a line for each file and
library that differ, and how many were compared; ends with 1 if any differed. Pillow and OpenCV are in .venv; libvips and
ImageMagick are Debian's `libvips-tools` and `imagemagick`, which `make test` installs.

What a library can't hold is listed in `Skip`, with the reason; nothing else is left out.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import cv2
import numpy as np
from PIL import Image

KINDS = {8: np.uint8, 16: np.dtype("<u2"), 32: np.dtype("<f4")}


class Skip(Exception):
    """The library doesn't support such samples, and why."""


class Case:
    def __init__(self, path):
        self.path = path
        said = json.loads(path.with_name(path.name + ".json").read_text())
        self.shape = (said["height"], said["width"], said["channels"])
        self.depth = said["depth"]
        samples = np.frombuffer(path.with_name(path.name + ".raw").read_bytes(), KINDS[self.depth])
        self.samples = samples.reshape(self.shape)
        self.is_jpeg = path.suffix == ".jpg"
        self.in_planes = "-planes" in path.name


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[:400]}")
    return done.stdout


def whole_planes(case):
    if case.in_planes and case.shape[2] == 2:
        raise Skip("libvips, ImageMagick and Pillow each read something else of gray with alpha in planes")


def with_vips(case):
    whole_planes(case)
    raw = case.path.with_name(case.path.name + ".vips")
    run("vips", "rawsave", case.path, raw)
    return np.frombuffer(raw.read_bytes(), KINDS[case.depth]).reshape(case.shape)


def with_imagemagick(case):
    whole_planes(case)
    if case.depth == 32:
        run("identify", case.path)
        raise Skip("ImageMagick of Debian has 16 bits inside: it opens floating point and clips it")
    names = {1: "gray", 2: "graya", 3: "rgb", 4: "rgba"}
    raw = run("convert", case.path, "-depth", case.depth, "-endian", "LSB", f"{names[case.shape[2]]}:-")
    return np.frombuffer(raw, KINDS[case.depth]).reshape(case.shape)


def with_pillow(case):
    _, _, channels = case.shape
    whole_planes(case)
    if case.depth == 32 and "-big-endian" in case.path.name:
        raise Skip("Pillow swaps the bytes of compressed big-endian floating point twice")
    if case.depth == 32 and channels > 1:
        raise Skip("Pillow has floating point for gray alone")
    if case.depth == 16 and channels == 2 and case.path.suffix == ".tif":
        raise Skip("Pillow reads no TIFF of gray with alpha in 16 bits")
    with Image.open(case.path) as image:
        found = np.asarray(image)
    if channels == 2 and found.ndim == 3 and found.shape[2] == 4:
        found = found[:, :, [0, 3]]
    found = found.reshape(case.shape)
    if case.depth == 16 and channels > 1:
        # Pillow supports 16 bits only for gray; of colours it keeps the high byte.
        return found.astype(np.uint16), case.samples >> 8
    return found


def with_opencv(case):
    _, _, channels = case.shape
    if channels == 2 and case.path.suffix == ".tif":
        raise Skip("OpenCV reads no TIFF of gray with alpha")
    if case.in_planes and case.depth > 8:
        raise Skip("OpenCV reads planes of 8 bits alone")
    found = cv2.imread(str(case.path), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise RuntimeError("OpenCV doesn't open it")
    if found.ndim == 2:
        found = found[:, :, None]
    if found.shape[2] >= 3:
        found = np.dstack([found[:, :, 2::-1], found[:, :, 3:]])
    if channels == 2 and found.shape[2] == 4:
        found = found[:, :, [0, 3]]
    if channels == 4 and case.depth == 8 and case.path.suffix == ".tif":
        # OpenCV reads it through libtiff's RGBA interface, which multiplies colours by alpha.
        return found[:, :, 3:], case.samples[:, :, 3:]
    return found


def differs(found, expected, case):
    if found.shape != expected.shape:
        return f"expected {expected.shape}, got {found.shape}"
    if case.is_jpeg:
        # Decoders may round their transform differently.
        worst = int(np.abs(found.astype(int) - expected.astype(int)).max())
        return None if worst <= 4 else f"a sample differs by {worst}"
    same = (found == expected) | ((found != found) & (expected != expected))
    return None if same.all() else f"{(~same).sum()} of {same.size} samples differ"


LIBRARIES = {"libvips": with_vips, "ImageMagick": with_imagemagick, "Pillow": with_pillow, "OpenCV": with_opencv}
TOOLS = {"libvips": "vips", "ImageMagick": "convert"}


def main():
    files = sorted(path for path in pathlib.Path(sys.argv[1]).iterdir() if path.with_name(path.name + ".raw").exists())
    wrong, compared, skipped = 0, dict.fromkeys(LIBRARIES, 0), set()
    for name, tool in TOOLS.items():
        if shutil.which(tool) is None:
            print(f"NOT COMPARED WITH {name.upper()}: `{tool}` is missing; `make test` installs it")
    for case in map(Case, files):
        for name, decode in LIBRARIES.items():
            if name in TOOLS and shutil.which(TOOLS[name]) is None:
                continue
            try:
                found = decode(case)
                found, expected = found if isinstance(found, tuple) else (found, case.samples)
                problem = differs(found, expected, case)
                compared[name] += 1
            except Skip as skip:
                skipped.add(str(skip))
                continue
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if problem:
                wrong += 1
                print(f"{case.path.name} with {name}: {problem}")
    print(*sorted(skipped), sep="\n")
    print(f"{len(files)} files; compared: " + ", ".join(f"{name} {count}" for name, count in compared.items()))
    sys.exit(1 if wrong or not files else 0)


if __name__ == "__main__":
    main()

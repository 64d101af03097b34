#!/usr/bin/env python3
"""Writes the results of OpenCV's equalizeHist for some images, as golden files for the tests.

    pip install opencv-python-headless
    python3 scripts/golden/opencv.py

An equalization is its table, and a table depends on the histogram alone; so `tables.json` keeps, for each image,
the levels that occur in it, how often, and what OpenCV turns each into. `NAME.gray` and `NAME.equalized` are small
whole images (raw rows, 8-bit gray, the size in the name), and `samples.json` has the SHA-256 of the equalized
pixels of the gray sample files.
"""

import hashlib
import json
import pathlib

import cv2
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "shared/tests/golden"
SAMPLES = ROOT / "server/tests/samples"
GRAY_SAMPLES = ["brick.png", "cell.png", "moon.png", "page.png"]


def table(name, image):
    """Returns the level into which OpenCV turns each level of an image. Fails if it isn't a function of the level."""
    equalized = cv2.equalizeHist(image)
    counts = np.bincount(image.ravel(), minlength=256)
    levels = np.flatnonzero(counts)
    lut = np.zeros(256, np.uint8)
    lut[image.ravel()] = equalized.ravel()
    assert (lut[image] == equalized).all(), name
    return {
        "name": name,
        "levels": levels.tolist(),
        "counts": counts[levels].tolist(),
        "equalized": lut[levels].tolist(),
    }


def from_counts(counts):
    """Returns an image of one row with these counts of each level."""
    return np.repeat(np.arange(256, dtype=np.uint8), counts).reshape(1, -1)


def tables(rng):
    """Returns images whose sums stress the arithmetic: ties, single levels, totals that f32 can't hold."""
    for level in (0, 1, 127, 255):
        yield f"constant {level}", np.full((3, 5), level, np.uint8)
    for low, high in ((0, 255), (0, 1), (254, 255), (100, 101)):
        yield f"two levels {low} {high}", np.array([[low, high, high]], np.uint8)
    yield "one of each level", np.arange(256, dtype=np.uint8).reshape(16, 16)
    # 510 pixels are above the lowest level, so every odd sum is exactly halfway between two levels.
    yield "ties at odd sums", from_counts([3] + [1] * 254 + [256])
    for index in range(40):
        occurring = rng.random(256) < rng.random()
        occurring[rng.integers(256)] = True
        counts = rng.integers(1, 10 ** rng.integers(1, 5), 256) * occurring
        yield f"random {index}", from_counts(counts)
    for index, pixels in enumerate((1 << 24, (1 << 24) + 1, 20_000_003, 33_554_467, 100_000_000, 150_000_001)):
        counts = rng.multinomial(pixels, rng.dirichlet(np.ones(256)))
        yield f"large {pixels} {index}", from_counts(counts)


def whole_images(rng):
    """Returns small images, to compare all pixels."""
    y, x = np.mgrid[0:37, 0:53]
    yield "gradient", (x * 2 + y).astype(np.uint8)
    yield "noise", np.clip(rng.normal(90, 20, (37, 53)), 0, 255).astype(np.uint8)
    yield "constant", np.full((37, 53), 42, np.uint8)


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20_240_229)
    samples = {name: cv2.imread(str(SAMPLES / name), cv2.IMREAD_UNCHANGED) for name in GRAY_SAMPLES}
    assert all(image.ndim == 2 and image.dtype == np.uint8 for image in samples.values())

    entries = [table(name, image) for name, image in tables(rng)]
    entries += [table(name, image) for name, image in samples.items()]
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
    (GOLDEN / "tables.json").write_text(f"[\n{lines}\n]\n")

    for name, image in whole_images(rng):
        size = f"{image.shape[1]}x{image.shape[0]}"
        (GOLDEN / f"{name}-{size}.gray").write_bytes(image.tobytes())
        (GOLDEN / f"{name}-{size}.equalized").write_bytes(cv2.equalizeHist(image).tobytes())

    hashes = {
        name: {
            "width": image.shape[1],
            "height": image.shape[0],
            "sha256": hashlib.sha256(cv2.equalizeHist(image).tobytes()).hexdigest(),
        }
        for name, image in samples.items()
    }
    (GOLDEN / "samples.json").write_text(json.dumps({"opencv": cv2.__version__, "images": hashes}, indent=2) + "\n")


if __name__ == "__main__":
    main()

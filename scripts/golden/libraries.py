#!/usr/bin/env python3
"""Writes the results of other libraries for some images, as golden files for the tests (shared/tests/libraries.rs).

    pip install -r scripts/requirements.txt          # OpenCV, Pillow, scikit-image
    apt-get install imagemagick                      # or another source of `convert`; CONVERT names it
    python3 scripts/golden/libraries.py [--check]

With --check nothing is written: it fails if the libraries that are installed make something else than the golden file says.

What is compared are tables: for each level that occurs, what it becomes. `shared/tests/golden/libraries.json` holds the
versions, the images' counts, and for each library and method the tables. The test says by which formula each of them
differs from ours, and holds each to it.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import PIL
import skimage
from PIL import Image, ImageOps
from skimage import exposure

FILE = pathlib.Path(__file__).resolve().parents[2] / "shared/tests/golden/libraries.json"
CONVERT = os.environ.get("CONVERT", "/usr/bin/convert")


def images():
    """Returns gray 8-bit images: dim, with outliers, with gaps."""
    rng = np.random.default_rng(2_025)
    dim = np.clip(rng.normal(70, 18, (48, 64)), 5, 250)
    outliers = np.clip(rng.normal(120, 12, (40, 50)), 0, 255)
    outliers[0, :7], outliers[1, :9] = 0, 255
    gaps = rng.choice([3, 40, 41, 90, 200, 201], (30, 30), p=[0.1, 0.3, 0.2, 0.2, 0.1, 0.1])
    return {name: image.astype(np.uint8) for name, image in [("dim", dim), ("outliers", outliers), ("gaps", gaps)]}


def table(image, result):
    """Returns the result of each level that occurs. Fails if it isn't a function of the level."""
    levels = np.unique(image)
    made = [np.unique(result[image == level]) for level in levels]
    assert all(len(one) == 1 for one in made)
    return [float(one[0]) for one in made]


def imagemagick(image, *operations):
    with tempfile.TemporaryDirectory() as folder:
        before, after = f"{folder}/before.pgm", f"{folder}/after.pgm"
        Image.fromarray(image).save(before)
        subprocess.run([CONVERT, before, *operations, "-depth", "8", after], check=True)
        return np.array(Image.open(after))


def color_image():
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:24, 0:32]
    base = np.stack([60 + 3 * x, 40 + 4 * y, 90 + x + y], axis=-1) + rng.normal(0, 12, (24, 32, 3))
    return np.clip(base, 0, 255).astype(np.uint8)


def clahe():
    """Returns the results of scikit-image's CLAHE with 4 × 4 tiles for an uneven image, without a clip limit and with twice the average."""
    y, x = np.mgrid[0:48, 0:48]
    image = 110 + 60 * np.sin(x / 9) * np.cos(y / 14) + np.random.default_rng(11).normal(0, 6 + y / 4, (48, 48))
    image = np.clip(image, 0, 255).astype(np.uint8)
    made = {
        str(clip): exposure.equalize_adapthist(image, kernel_size=(12, 12), clip_limit=(clip or 256) / 256) for clip in (0, 2)
    }
    return {
        "width": 48,
        "tiles": [4, 4],
        "gray": image.ravel().tolist(),
        "skimage": {clip: (result * 255).round(4).ravel().tolist() for clip, result in made.items()},
    }


def main():
    all_images = images()
    tables = []
    for name, image in all_images.items():
        levels, counts = np.unique(image, return_counts=True)
        made = {
            "opencv equalizeHist": table(image, cv2.equalizeHist(image)),
            "pillow equalize": table(image, np.array(ImageOps.equalize(Image.fromarray(image)))),
            "skimage equalize_hist": table(image, exposure.equalize_hist(image)),
            "imagemagick equalize": table(image, imagemagick(image, "-equalize")),
            "pillow autocontrast 2": table(image, np.array(ImageOps.autocontrast(Image.fromarray(image), cutoff=2))),
            "imagemagick contrast-stretch 2%x2%": table(image, imagemagick(image, "-contrast-stretch", "2%x2%")),
            "skimage rescale_intensity 2 98": table(
                image,
                exposure.rescale_intensity(
                    image.astype(float), in_range=tuple(np.percentile(image, (2, 98))), out_range=(0, 255)
                ),
            ),
        }
        for other, reference in all_images.items():
            matched = exposure.match_histograms(image.astype(float), reference.astype(float))
            made[f"skimage match_histograms {other}"] = table(image, matched)
        tables.append({"name": name, "levels": levels.tolist(), "counts": counts.tolist(), "made": made})

    rgb = color_image()
    ycc = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = cv2.equalizeHist(ycc[..., 0])
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = cv2.equalizeHist(hsv[..., 2])
    channels = np.stack([cv2.equalizeHist(np.ascontiguousarray(rgb[..., c])) for c in range(3)], axis=-1)
    color = {
        "width": 32,
        "rgb": rgb.ravel().tolist(),
        "opencv YCrCb": cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB).ravel().tolist(),
        "opencv HSV": cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).ravel().tolist(),
        "opencv channels": channels.ravel().tolist(),
        "pillow channels": np.array(ImageOps.equalize(Image.fromarray(rgb))).ravel().tolist(),
    }
    version = subprocess.run([CONVERT, "-version"], check=True, capture_output=True, text=True).stdout.split()[2]
    versions = {
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "skimage": skimage.__version__,
        "imagemagick": version,
    }
    golden = {"versions": versions, "tables": tables, "color": color, "clahe": clahe()}
    if sys.argv[1:] == ["--check"]:
        check(golden)
    else:
        FILE.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


def check(made):
    golden = json.loads(FILE.read_text())
    for one, other in zip(made["tables"], golden["tables"], strict=True):
        assert one["levels"] == other["levels"] and one["counts"] == other["counts"], f"{one['name']} is another image"
        for method, expected in other["made"].items():
            # Floating point may differ in its last bits between processors.
            same = np.allclose(one["made"][method], expected, rtol=0, atol=1e-6)
            assert same, f"{method} makes something else of {one['name']}; the golden file is of {golden['versions']}, this of {made['versions']}"
    for method, expected in golden["color"].items():
        assert made["color"][method] == expected, f"{method} makes other colours; the golden file is of {golden['versions']}, this of {made['versions']}"
    assert made["clahe"]["gray"] == golden["clahe"]["gray"], "the image for CLAHE is another one"
    for clip, expected in golden["clahe"]["skimage"].items():
        same = np.allclose(made["clahe"]["skimage"][clip], expected, rtol=0, atol=1e-3)
        assert same, f"CLAHE makes something else; the golden file is of {golden['versions']}, this of {made['versions']}"
    print(f"as the golden file says: {made['versions']}")


if __name__ == "__main__":
    main()

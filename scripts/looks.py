"""Draws the pictures of docs/looks.md: presets beside other programs.

Usage: .venv/bin/python scripts/looks.py, after `make build`. Needs ImageMagick's `convert`.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw
from skimage import exposure, io

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "server/tests/samples"
EVENLIGHT = os.environ.get("EVENLIGHT_BINARY", ROOT / "target/release/evenlight")
SCRATCH = Path(tempfile.mkdtemp())
WIDTH = 300


def evenlight(path, preset):
    """Returns Evenlight's result."""
    out = SCRATCH / f"result{path.suffix}"
    subprocess.check_call([EVENLIGHT, "equalize", "--preset", preset, path, out])
    return io.imread(out)


def imagemagick(path, *arguments):
    """Returns ImageMagick's result."""
    out = SCRATCH / "convert.png"
    subprocess.check_call(["convert", path, *arguments, out])
    return io.imread(out)


def clahe(image):
    """Returns the result of OpenCV's CLAHE; of colours, that of L*."""
    filter = cv2.createCLAHE(2, (8, 8))
    if image.ndim == 2:
        return filter.apply(image)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = filter.apply(lab[:, :, 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def eight(image):
    """Returns a picture of 8 bits from one of 16, or of floats from 0 to 1."""
    if image.dtype == np.uint8:
        return image
    scale = 255 if image.dtype.kind == "f" else 1 / 257
    return (image * scale + 0.5).astype(np.uint8)


def panel(name, columns):
    """Writes pictures side by side, each below its label."""
    pictures = []
    for label, image in columns:
        picture = Image.fromarray(eight(image)).convert("RGB")
        pictures.append((label, picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.LANCZOS)))
    height = max(picture.height for _, picture in pictures)
    whole = Image.new("RGB", (len(pictures) * (WIDTH + 4) - 4, height + 18), "white")
    draw = ImageDraw.Draw(whole)
    for index, (label, picture) in enumerate(pictures):
        draw.text((index * (WIDTH + 4) + 2, 3), label, fill="black")
        whole.paste(picture, (index * (WIDTH + 4), 18))
    whole.save(ROOT / f"docs/images/looks-{name}.jpg", quality=82)


def adaptive(preset, file, original="original"):
    """A preset beside the programs' local equalization."""
    path = SAMPLES / file
    image = io.imread(path)
    panel(preset, [
        (original, image),
        (f"Evenlight, {preset}", evenlight(path, preset)),
        ("OpenCV CLAHE 2, 8 x 8" + (", L*" if image.ndim == 3 else ""), clahe(image)),
        ("scikit-image equalize_adapthist", exposure.equalize_adapthist(image)),
        ("ImageMagick -equalize", imagemagick(path, "-equalize")),
    ])


def satellite():
    path = SAMPLES / "looks/clahe_nodata_edge.png"
    image = io.imread(path)
    ends = tuple(np.percentile(image, (2, 98)))
    panel("satellite", [
        ("original, nodata 0", image),
        ("Evenlight, satellite", evenlight(path, "satellite")),
        ("OpenCV CLAHE 2, 8 x 8", clahe(image)),
        ("scikit-image rescale_intensity 2-98 %", exposure.rescale_intensity(image, ends, (0.0, 1.0))),
        ("ImageMagick -contrast-stretch 2x2%", imagemagick(path, "-contrast-stretch", "2x2%")),
    ])


def classic():
    path = SAMPLES / "moon.png"
    image = io.imread(path)
    panel("classic", [
        ("original", image),
        ("Evenlight, classic", evenlight(path, "classic")),
        ("OpenCV equalizeHist", cv2.equalizeHist(image)),
        ("scikit-image equalize_hist", exposure.equalize_hist(image)),
        ("ImageMagick -equalize", imagemagick(path, "-equalize")),
    ])


adaptive("photograph", "coffee.png")
adaptive("document", "page.png")
adaptive("microscopy", "looks/clahe_12in16.png", "original, 12 bits in 16")
adaptive("astronomy", "hubble_deep_field.jpg")
satellite()
classic()

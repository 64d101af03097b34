#!/usr/bin/env python3
"""Writes the results of OpenCV's CLAHE for some images, as golden files for the tests.

    pip install opencv-python-headless
    python3 scripts/golden/clahe.py

`shared/tests/golden/clahe/cases.json` lists the cases and names OpenCV's version; `NAME.raw` are the images, `NAME.clahe` the results:
raw rows, gray, 16-bit samples little-endian.
"""

import json
import pathlib

import cv2
import numpy as np

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "shared/tests/golden/clahe"

# Width, height, bits, columns, rows, clip limit.
CASES = [
    # Both sides divisible by the grid.
    (64, 48, 8, 8, 8, 2.0),
    (64, 48, 16, 8, 8, 2.0),
    # Neither side divisible.
    (53, 37, 8, 8, 8, 2.0),
    (53, 37, 16, 8, 8, 3.0),
    # One side divisible: both are extended.
    (64, 37, 8, 8, 8, 2.0),
    (53, 48, 8, 8, 8, 2.0),
    (53, 48, 16, 8, 8, 40.0),
    # Grids that aren't square, one tile, tiles of one pixel.
    (61, 47, 8, 3, 5, 1.5),
    (61, 47, 8, 1, 1, 4.0),
    (60, 40, 8, 60, 40, 2.0),
    # Fewer pixels than tiles: mirrored more than once.
    (5, 3, 8, 8, 8, 2.0),
    (1, 4, 8, 3, 3, 2.0),
    # No clipping, hardly any, and the smallest limit.
    (70, 50, 8, 4, 4, 0.0),
    (70, 50, 8, 4, 4, 40.0),
    (70, 50, 8, 4, 4, 0.001),
    (70, 50, 16, 4, 4, 0.0),
]


def image(rng, width, height, bits):
    """A gradient with noise, a flat corner and a bright one."""
    y, x = np.mgrid[0:height, 0:width]
    levels = 0.2 + 0.5 * x / width + 0.1 * np.sin(y / 5) + rng.normal(0, 0.06, (height, width))
    levels[: height // 4, : width // 4] = 0.3
    levels[-height // 5 :, -width // 5 :] += 0.4
    top = (1 << bits) - 1
    return np.clip(levels * top, 0, top).astype(np.uint8 if bits == 8 else "<u2")


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1_994)
    cases = []
    for width, height, bits, columns, rows, clip in CASES:
        name = f"{width}x{height}-{bits}-{columns}x{rows}-{clip}"
        original = image(rng, width, height, bits)
        result = cv2.createCLAHE(clip, (columns, rows)).apply(original)
        (GOLDEN / f"{name}.raw").write_bytes(original.tobytes())
        (GOLDEN / f"{name}.clahe").write_bytes(result.astype(original.dtype).tobytes())
        cases.append(
            {"name": name, "width": width, "height": height, "bits": bits}
            | {"columns": columns, "rows": rows, "clip_limit": clip}
        )
    lines = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    (GOLDEN / "cases.json").write_text(
        f'{{\n  "opencv": "{cv2.__version__}",\n  "cases": [\n{lines}\n  ]\n}}\n'
    )


if __name__ == "__main__":
    main()

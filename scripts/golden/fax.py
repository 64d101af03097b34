"""Black-and-white TIFFs that libtiff compresses as faxes, by Pillow: for each file its pixels, a byte each (0 or 255), in NAME.raw.

    fax.py FOLDER

Used by `server/tests/files/faxes.rs`.
"""

import pathlib
import sys

import numpy as np
from PIL import Image

TWO_DIMENSIONAL, FILL_BITS = 1, 4


def pictures():
    random = np.random.default_rng(3)
    y, x = np.mgrid[0:61, 0:83]
    yield "noise", random.random((61, 83)) < 0.5
    yield "lines", (x * 7 + y * 3) % 31 < 9
    yield "stripes", x % 2 == 0
    yield "white", np.ones((61, 83), bool)
    yield "black", np.zeros((61, 83), bool)
    yield "edges", (x == 0) | (x == 82) | (y == 0) | (y == 60)
    # Runs of more than 2,560 pixels, which take several codes; and more data than twice the pixels.
    wide = np.ones((20, 6_001), bool)
    wide[5:9, 17:5_900] = False
    wide[12, 3_000:] = False
    yield "wide", wide
    yield "large-noise", random.random((900, 1_000)) < 0.5
    page = Image.open(pathlib.Path(__file__).parents[2] / "server/tests/samples/page.png").convert("L")
    yield "page", np.asarray(page) > 127


def main(folder):
    for name, pixels in pictures():
        for compression, options in [
            ("tiff_ccitt", None),
            ("group3", 0),
            ("group3", FILL_BITS),
            ("group3", TWO_DIMENSIONAL),
            ("group3", TWO_DIMENSIONAL | FILL_BITS),
            ("group4", None),
        ]:
            for order, rows in [(1, 17), (2, len(pixels))]:
                path = folder / f"{name}-{compression}-{options}-{order}.tif"
                fields = {266: order, 278: rows} | ({} if options is None else {292: options})
                Image.fromarray(pixels).save(path, "TIFF", compression=compression, tiffinfo=fields)
                with Image.open(path) as read:
                    assert np.array_equal(np.asarray(read), pixels), path
                path.with_suffix(".raw").write_bytes((pixels * np.uint8(255)).tobytes())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

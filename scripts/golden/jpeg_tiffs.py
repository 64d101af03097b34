"""jpeg_tiffs.py FOLDER: writes JPEG in TIFF by libtiff (Pillow, libvips), and beside each file the samples that libtiff reads (.raw).

Prints the names of the files. Used by `server/tests/files/jpeg_tiffs.rs`.
"""

import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image, TiffImagePlugin

WIDTH, HEIGHT = 150, 117
ROWS_PER_STRIP = 278


def picture(mode):
    channels = len(Image.new(mode, (1, 1)).getbands())
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(channels).integers(0, 9, (HEIGHT, WIDTH, channels))
    planes = np.stack([(x * (1 + k / 2) + y * 0.7 + 30 * k) % 200 + 20 for k in range(channels)], -1)
    return Image.frombytes(mode, (WIDTH, HEIGHT), (planes + noise).astype("u1").tobytes())


def keep(path):
    """Writes the samples as libtiff reads them."""
    with Image.open(path) as stored:
        assert stored.tag_v2[259] == 7, f"{path}: compression {stored.tag_v2[259]}"
        path.with_name(f"{path.name}.raw").write_bytes(np.asarray(stored).tobytes())
    print(path.name)


def main(folder):
    for name, mode, rows in [
        ("gray", "L", HEIGHT),
        ("gray-strips", "L", 8),
        ("colour", "RGB", HEIGHT),
        ("colour-strips", "RGB", 16),
        ("inks", "CMYK", HEIGHT),
        ("inks-strips", "CMYK", 24),
    ]:
        directory = TiffImagePlugin.ImageFileDirectory_v2()
        directory[ROWS_PER_STRIP] = rows
        path = folder / f"{name}.tif"
        picture(mode).save(path, compression="jpeg", quality=92, tiffinfo=directory)
        keep(path)
    picture("RGB").save(folder / "picture.png")
    for name, options in [("ycbcr", "Q=90"), ("ycbcr-half", "Q=75"), ("ycbcr-tiles", "Q=75,tile,tile-width=64,tile-height=32")]:
        path = folder / f"{name}.tif"
        subprocess.run(["vips", "copy", folder / "picture.png", f"{path}[compression=jpeg,{options}]"], check=True)
        keep(path)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

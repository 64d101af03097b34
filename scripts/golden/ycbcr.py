"""TIFFs of YCbCr without JPEG, by hand: for each file its RGB pixels, as libtiff's formulas (tif_color.c) have them, in NAME.raw.

    ycbcr.py FOLDER

Used by `server/tests/files/ycbcr_tiffs.rs`.
"""

import pathlib
import sys
import zlib

import numpy as np

import tiffs
from packed import pack_bits

HEIGHT, WIDTH = 45, 58


def picture():
    """Y, Cb and Cr of a picture with all hues."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(5).integers(0, 30, x.shape)
    luma = (x * 3 + y * 2 + noise) % 256
    return np.stack([luma, 128 + 127 * np.sin(x / 9), 128 + 127 * np.cos(y / 8)], -1).astype(np.int64)


def units(pixels, across, down):
    """The bytes of units of pixels: Y of each, then the chroma of the first."""
    height, width, _ = pixels.shape
    padded = np.pad(pixels, ((0, -height % down), (0, -width % across), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // down, down, padded.shape[1] // across, across, 3).swapaxes(1, 2)
    lumas = blocks[..., 0].reshape(*blocks.shape[:2], across * down)
    return np.concatenate([lumas, blocks[:, :, 0, 0, 1:]], -1).astype("u1").tobytes()


def shared_chroma(pixels, across, down):
    height, width, _ = pixels.shape
    y, x = np.arange(height) // down * down, np.arange(width) // across * across
    return np.concatenate([pixels[..., :1], pixels[y][:, x, 1:]], -1)


def rgb(pixels, coefficients, reference):
    """libtiff's conversion: fixed point with 16 bits, tables truncated as by C's conversions from float."""
    red, green, blue = (np.float32(one) for one in coefficients)
    reference = [np.float32(one) for one in reference]
    fixed = lambda factor: int(float(np.clip(np.float32(factor), np.float32(0), np.float32(2)) * np.float32(65_536)) + 0.5)
    of_red, of_blue = 2 - 2 * red, 2 - 2 * blue
    d1, d2 = fixed(of_red), -fixed(red * of_red / green)
    d3, d4 = fixed(of_blue), -fixed(blue * of_blue / green)

    def value(code, black, white, span):
        distance = white - black if white != black else np.float32(1)
        exact = (code - int(black)).astype("f4") * np.float32(span) / distance
        return np.trunc(np.clip(exact, -4_096, 4_096)).astype(np.int64)

    y = value(pixels[..., 0], reference[0], reference[1], 255)
    cb = value(pixels[..., 1] - 128, reference[2] - 128, reference[3] - 128, 127)
    cr = value(pixels[..., 2] - 128, reference[4] - 128, reference[5] - 128, 127)
    channels = [y + ((d1 * cr + 32_768) >> 16), y + ((d4 * cb + 32_768 + d2 * cr) >> 16), y + ((d3 * cb + 32_768) >> 16)]
    return np.clip(np.stack(channels, -1), 0, 255).astype("u1")


def rational(values):
    return tiffs.Tiff("<").numbers(4, [part for value in values for part in (round(value * 10_000), 10_000)])


def main(folder):
    pixels = picture()
    bt601, bt709, full, video = (0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722), (0, 255, 128, 255, 128, 255), (16, 235, 128, 240, 128, 240)
    storages = [(1, None, 16), (8, None, 45), (32_773, None, 8), (8, 16, None), (1, 16, None)]
    for across, down in [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (4, 2), (4, 4), (None, None)]:
        for index, (compression, tile, rows) in enumerate(storages):
            coefficients, reference = [(None, None), (bt709, full), (bt601, video), (None, video), (bt709, None)][index]
            # Without the field, the factors are 2 and 2.
            factors = (across or 2, down or 2)
            if tile:
                padded = np.pad(pixels, ((0, -HEIGHT % tile), (0, -WIDTH % tile), (0, 0)), mode="edge")
                pieces = [padded[y : y + tile, x : x + tile] for y in range(0, HEIGHT, tile) for x in range(0, WIDTH, tile)]
            else:
                pieces = [pixels[y : y + rows] for y in range(0, HEIGHT, rows)]
            tiff = tiffs.Tiff()
            encode = {1: bytes, 8: zlib.compress, 32_773: lambda data: pack_bits(data, len(data))}[compression]
            pieces = [encode(units(piece, *factors)) for piece in pieces]
            places = [tiff.put(piece) for piece in pieces]
            at, of = (324, 325) if tile else (273, 279)
            fields = {
                256: (4, [WIDTH]),
                257: (4, [HEIGHT]),
                258: (3, [8, 8, 8]),
                259: (3, [compression]),
                262: (3, [6]),
                277: (3, [3]),
                at: (4, places),
                of: (4, [len(piece) for piece in pieces]),
            }
            fields |= {322: (3, [tile]), 323: (3, [tile])} if tile else {278: (4, [rows])}
            fields |= {530: (3, [across, down])} if across else {}
            fields |= {529: (5, rational(coefficients))} if coefficients else {}
            fields |= {532: (5, rational(reference))} if reference else {}
            tiff.page(fields)
            path = folder / f"ycbcr-{across}x{down}-{index}.tif"
            path.write_bytes(tiff.file)
            expected = rgb(shared_chroma(pixels, *factors), coefficients or bt601, reference or full)
            path.with_suffix(".raw").write_bytes(expected.tobytes())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

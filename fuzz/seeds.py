#!/usr/bin/env python3
"""seeds.py: writes the inputs with which fuzzing begins, small files of every kind, into fuzz/corpus. CC0.

Needs numpy, pillow and tifffile (with imagecodecs for LZW), and cjpeg (libjpeg-turbo).
"""

import io
import pathlib
import subprocess
import tempfile

import numpy as np
import tifffile
from PIL import Image

CORPUS = pathlib.Path(__file__).parent / "corpus"
NOISE = np.random.default_rng(5)


def pixels(height, width, channels, dtype=np.uint8):
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 9 + y * (3 + c) for c in range(channels)], -1)
    most = 255 if dtype == np.uint8 else 60_000
    noisy = (base * most // 400 + NOISE.integers(0, 20, base.shape)) % most
    return noisy.astype(dtype) if channels > 1 else noisy[:, :, 0].astype(dtype)


def keep(kind, name, data):
    folder = CORPUS / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def by_pillow(kind, name, image, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    keep(kind, name, file.getvalue())


def pngs():
    gray = Image.fromarray(pixels(11, 13, 1))
    rgb = Image.fromarray(pixels(11, 13, 3))
    for image in gray, rgb, Image.fromarray(pixels(11, 13, 4)), gray.convert("LA"), gray.convert("1"), rgb.quantize(7):
        by_pillow("png", f"{image.mode}.png", image)
    by_pillow("png", "I16.png", Image.fromarray(pixels(11, 13, 1, np.uint16)))
    by_pillow("png", "palette-transparent.png", rgb.quantize(3), transparency=1, bits=2)
    by_pillow("png", "gray-transparent.png", gray, transparency=7)
    by_pillow("png", "metadata.png", rgb, dpi=(300, 300), icc_profile=b"not a profile" * 9, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")


def jpegs():
    image = Image.fromarray(pixels(37, 41, 3))
    for sampling in "4:4:4", "4:2:2", "4:2:0":
        by_pillow("jpeg", f"{sampling.replace(':', '')}.jpg", image, quality=40, subsampling=sampling)
    by_pillow("jpeg", "progressive.jpg", image, quality=40, progressive=True)
    by_pillow("jpeg", "restarts.jpg", image, quality=40, restart_marker_blocks=2)
    by_pillow("jpeg", "gray.jpg", image.convert("L"), quality=40)
    by_pillow("jpeg", "gray-progressive.jpg", image.convert("L"), quality=40, progressive=True)
    by_pillow("jpeg", "cmyk.jpg", image.convert("CMYK"), quality=30)
    by_pillow("jpeg", "exif.jpg", image, quality=20, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")
    jpegs_by_cjpeg(image)


def jpegs_by_cjpeg(image):
    """Kinds that Pillow doesn't write."""
    progressive = "0: 0-0, 0, 1; 1 2: 0-0, 0, 0; 0: 1-5, 0, 2; 1: 1-63, 0, 0; 2: 1-63, 0, 0; 0: 6-63, 0, 2; 0: 1-63, 2, 1; 0: 0-0, 1, 0; 0: 1-63, 1, 0;"
    kinds = {
        "scans-420": (["-sample", "2x2"], "0; 1; 2;"),
        "scans-chroma-first": (["-sample", "2x1", "-restart", "3B"], "1 2; 0;"),
        "scans-4x4": (["-sample", "4x4,2x2,1x4"], "0; 1; 2;"),
        "sampling-mixed": (["-sample", "2x2,2x1,1x1"], None),
        "sampling-3x2": (["-sample", "3x2", "-restart", "1"], None),
        "rgb": (["-rgb", "-sample", "1x1"], None),
        "arithmetic": (["-arithmetic"], None),
        "arithmetic-restarts": (["-arithmetic", "-restart", "2B"], "0; 1 2;"),
        "arithmetic-progressive": (["-arithmetic"], progressive),
        "progressive-approximation": (["-sample", "1x2"], progressive),
    }
    picture = io.BytesIO()
    image.save(picture, "ppm")
    for name, (options, scans) in kinds.items():
        with tempfile.NamedTemporaryFile("w") as script:
            script.write(scans or "")
            script.flush()
            options = ["-quality", "40", *options, *(["-scans", script.name] if scans else [])]
            keep("jpeg", f"{name}.jpg", subprocess.run(["cjpeg", *options], input=picture.getvalue(), capture_output=True, check=True).stdout)
    whole = (CORPUS / "jpeg" / "420.jpg").read_bytes()
    keep("jpeg", "cut.jpg", whole[:-40])
    keep("jpeg", "stray-bytes.jpg", whole[:20] + b"stray" + whole[20:])


def tiffs():
    def put(name, data, **options):
        file = io.BytesIO()
        tifffile.imwrite(file, data, metadata=None, **options)
        keep("tiff", f"{name}.tif", file.getvalue())

    gray, deep, rgb = pixels(33, 21, 1), pixels(33, 21, 1, np.uint16), pixels(33, 21, 3)
    for compression in None, "lzw", "deflate", "packbits", "zstd":
        for name, data in ("gray", gray), ("deep", deep), ("rgb", rgb):
            put(f"{name}-{compression}", data, compression=compression, rowsperstrip=8)
    for predictor in ("lzw", 2), ("deflate", 2):
        put(f"predictor-{predictor[0]}", rgb, compression=predictor[0], predictor=predictor[1], rowsperstrip=16)
    put("big-endian", deep, byteorder=">", compression="lzw")
    put("bigtiff", gray, bigtiff=True, compression="deflate")
    put("tiles", rgb, tile=(16, 16), compression="deflate")
    put("tiles-deep", deep, tile=(16, 16), compression="lzw", predictor=2)
    put("planes", np.moveaxis(rgb, -1, 0), planarconfig="separate", photometric="rgb")
    put("bands", np.moveaxis(pixels(9, 9, 4), -1, 0), planarconfig="separate", photometric="minisblack")
    put("alpha", pixels(9, 9, 4), extrasamples=["unassalpha"], photometric="rgb")
    put("float", (gray / 255).astype(np.float32), compression="deflate")
    put("float-predictor", (gray / 255).astype(np.float32), compression="deflate", predictor=3)
    put("pages", np.stack([gray, gray + 1]), photometric="minisblack", compression="packbits")
    put("nodata", gray, extratags=[(42113, 2, 4, "-9", True)])
    for mode in "1", "P", "CMYK":
        by_pillow("tiff", f"{mode}.tif", Image.fromarray(rgb).convert(mode))
    for compression in "group3", "group4", "tiff_ccitt":
        by_pillow("tiff", f"{compression}.tif", Image.fromarray(gray).convert("1"), compression=compression)
    by_pillow("tiff", "jpeg.tif", Image.fromarray(rgb), compression="jpeg")


def webps():
    rgb, rgba = Image.fromarray(pixels(11, 13, 3)), Image.fromarray(pixels(11, 13, 4))
    by_pillow("webp", "lossy.webp", rgb, quality=40)
    by_pillow("webp", "lossy-alpha.webp", rgba, quality=40)
    by_pillow("webp", "lossless.webp", rgb, lossless=True)
    by_pillow("webp", "lossless-alpha.webp", rgba, lossless=True, exact=True)
    by_pillow("webp", "palette.webp", rgb.quantize(5).convert("RGB"), lossless=True, method=6)
    by_pillow("webp", "large.webp", Image.fromarray(pixels(70, 90, 3)), quality=10)
    by_pillow("webp", "animated.webp", rgb, save_all=True, append_images=[rgb.rotate(90)])
    by_pillow("webp", "metadata.webp", rgb, lossless=True, icc_profile=b"not a profile" * 9, xmp=b"<x/>",
              exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")


def kernels():
    for number, (width, kind, color) in enumerate([(7, 0, 0), (16, 4, 0), (5, 2, 0), (9, 3, 1), (33, 6, 2), (64, 7, 3), (3, 1, 4)]):
        keep("kernels", f"{number}", bytes([width, kind, color]) + NOISE.bytes(700))


if __name__ == "__main__":
    pngs()
    jpegs()
    tiffs()
    webps()
    kernels()

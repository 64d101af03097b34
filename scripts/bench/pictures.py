"""Images for the benchmarks: synthetic photographs, generated from a seed."""

import cv2
import numpy as np
import pyvips

MEGAPIXELS_12 = (4_000, 3_000)
MEGAPIXELS_75 = (10_000, 7_500)
GIGAPIXEL = (32_768, 32_768)

JPEG_QUALITY = 85


def photograph(channels, dtype, width, height):
    """Returns smooth shapes, edges and sensor noise: rows × columns (× channels)."""
    rng = np.random.default_rng(5)
    small = rng.normal(0.45, 0.2, (max(height // 50, 2), max(width // 50, 2), channels)).astype(np.float32)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    noise = rng.normal(0, 0.012, (512, width, channels)).astype(np.float32)
    top = np.iinfo(dtype).max
    rows = [np.clip((image[y : y + 512] + noise[: height - y]) * top, 0, top) for y in range(0, height, 512)]
    return np.concatenate(rows).astype(dtype).squeeze()


def in_libvips(array):
    """Returns the same pixels as a libvips image."""
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]
    image = pyvips.Image.new_from_memory(array.data, width, height, channels, "uchar" if array.itemsize == 1 else "ushort")
    interpretation = {(1, 1): "b-w", (1, 2): "grey16", (3, 1): "srgb", (3, 2): "rgb16"}[channels, array.itemsize]
    return image.copy(interpretation=interpretation)


def write(path, channels, dtype, size):
    """Writes a photograph in the format of the path's extension."""
    image = in_libvips(photograph(channels, dtype, *size))
    if path.suffix == ".jpg":
        image.jpegsave(str(path), Q=JPEG_QUALITY, subsample_mode="on")
    elif path.suffix == ".png":
        image.pngsave(str(path), compression=6, filter="all")
    else:
        image.tiffsave(str(path), compression="none")


def write_gigapixel(path, size=GIGAPIXEL):
    """Writes a gray 8-bit TIFF in strips, streamed, since it may not fit in memory."""
    width, height = size
    tile = in_libvips(photograph(1, np.uint8, 4_096, 4_096))
    image = tile.replicate(-(-width // 4_096), -(-height // 4_096)).crop(0, 0, width, height)
    image.tiffsave(str(path), compression="none")

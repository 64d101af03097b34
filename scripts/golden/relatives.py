"""Relatives of the files in `server/tests/samples/tiff`, `jpeg` and `looks`: made by tifffile, Pillow, OpenCV, ImageMagick and by hand,
and what OpenCV, numpy, scikit-image, Pillow and tifffile say of their results.

    relatives.py make FOLDER    writes files and cases.json: for each file its family, recipe, and words of its notes or refusal
    relatives.py check FOLDER   compares each result (out-NAME) with the expected pixels, structure and metadata

Equalized values of 8 bits are those of `cv2.equalizeHist` for the valid pixels alone. Used by `server/tests/files/relatives.rs`.
"""

import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import skimage.color
import skimage.exposure
import tifffile
from PIL import Image, PngImagePlugin

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import ranged  # noqa: E402

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "server/tests/samples"
HEIGHT, WIDTH = 96, 128
CONVERT = os.environ.get("CONVERT", "/usr/bin/convert")
CHANNELS = {"method": "global", "color": "channels"}
LUMA = {"method": "global"}
# At least this many files for each family.
LEAST = {"nodata": 10, "overviews": 8, "bands": 6, "masks": 20, "looks": 12, "metadata": 24, "colours": 5}


class Cases:
    def __init__(self, folder):
        self.folder, self.all, self.family = folder, [], None

    def add(self, name, recipe=LUMA, notes=(), refused=(), **expected):
        """A file, with the words of its notes or of its refusal, and what its result must be."""
        case = {"name": name, "family": self.family, "recipe": recipe, "notes": list(notes), "refused": list(refused)}
        self.all.append({**case, "expected": expected})

    def path(self, name):
        return self.folder / name


def picture(dtype="u1", kind=1):
    """A picture of 16-bit levels or of 8 bits, whose ends don't occur."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(kind).integers(0, 9, x.shape)
    values = (x * (1 + kind / 3) + y * 0.7 + 20 * ((x // 9 + y // 7) % 3) + noise) % 200 + 20
    return (values * (1 if np.dtype(dtype).itemsize == 1 else 57)).astype(dtype)


def bands(count, dtype="u1"):
    return np.stack([picture(dtype, kind) for kind in range(1, count + 1)], -1)


def holes(kind, share=0.2):
    """Where something is missing: a corner and single pixels, elsewhere for each kind."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return (x + y < 40 + 9 * kind) | (np.random.default_rng(90 + kind).random(x.shape) < share)


def halves(data, factor):
    """An old overview: every factor-th pixel."""
    return np.ascontiguousarray(data[::factor, ::factor])


# Nodata of each band, and their overviews.


def nodata(cases):
    def write(name, data, value, recipe, overviews=(), places=None, **options):
        data = data.copy()
        for band in range(data.shape[-1]):
            data[..., band][holes(band) if places is None else places] = value
        options.setdefault("photometric", "minisblack")
        if options["photometric"] == "minisblack":
            options.setdefault("extrasamples", [0] * (data.shape[-1] - 1))
        planar = options.setdefault("planarconfig", "contig") == "separate"
        stored = (lambda array: np.moveaxis(array, -1, 0)) if planar else (lambda array: array)
        tags = [(42113, "s", 0, str(value), True)]
        order = options.pop("byteorder", "<")
        with tifffile.TiffWriter(cases.path(name), byteorder=order, bigtiff=options.pop("bigtiff", False)) as file:
            file.write(stored(data), extratags=tags, metadata=None, **options)
            for factor in overviews:
                file.write(stored(halves(data, factor)), subfiletype=1, extratags=tags, metadata=None, **options)
        cases.add(name, recipe, nodata=value, planar=planar)

    write("nodata-u1.tif", bands(3), 0, CHANNELS)
    write("nodata-u1-high.tif", bands(5), 255, CHANNELS, compression="zlib", tile=(32, 48))
    write("nodata-rgb.tif", bands(3), 0, CHANNELS, photometric="rgb")
    write("nodata-rgb-planes.tif", bands(3), 255, CHANNELS, photometric="rgb", planarconfig="separate", compression="zlib")
    write("nodata-rgb-luma.tif", bands(3), 0, LUMA, photometric="rgb")
    write("nodata-rgb-luma-all.tif", bands(3), 0, LUMA, photometric="rgb", places=holes(1))
    write("nodata-u1-overviews.tif", bands(3), 0, CHANNELS, [2, 4])
    write("nodata-rgb-overviews.tif", bands(3), 0, CHANNELS, [2, 4], photometric="rgb")
    write("nodata-rgb-luma-overviews.tif", bands(3), 0, LUMA, [2], photometric="rgb", places=holes(2))
    write("nodata-i2.tif", bands(2, "i2") - 8_000, -9_999, CHANNELS, planarconfig="separate")
    write("nodata-i2-overviews.tif", bands(4, "i2") - 8_000, -32_768, CHANNELS, [2, 3], byteorder=">", compression="zlib")
    write("nodata-u2.tif", bands(4, "u2"), 65_535, CHANNELS, byteorder=">", compression="zlib", predictor=True)
    write("nodata-f4.tif", bands(4, "f4") / 7 - 500, -9_999, CHANNELS, planarconfig="separate", tile=(32, 32))
    write("nodata-f4-least.tif", bands(2, "f4") / 7, -3.4028234663852886e38, CHANNELS, [2], bigtiff=True)
    write("nodata-f8.tif", bands(3, "f8") / 7 - 500, 0.1, CHANNELS, [4], compression="zlib")
    write("nodata-i4.tif", bands(2, "i4") * 1_000, -2_147_483_648, CHANNELS, [2])


def table(values):
    """OpenCV's equalization of these values alone: for each level, what it becomes."""
    levels = np.arange(256)
    return np.array([cv2.equalizeHist(values.reshape(1, -1))[0][values == level][:1].tolist() or [0] for level in levels]).ravel()


def exactly(values):
    """The global method of 16 bits for these levels alone, by docs/methods.md."""
    counts = np.bincount(values, minlength=65_536)
    sums = np.cumsum(counts)
    lowest = sums[values.min()]
    return np.rint((sums - lowest).clip(0) * 65_535 / max(len(values) - lowest, 1)).astype(int)


def equalized(values, recipe):
    """What a plane's valid values become."""
    if values.dtype == np.uint8:
        return table(values)[values]
    if values.dtype.kind in "iu" and values.dtype.itemsize == 2:
        shift = 32_768 if values.dtype.kind == "i" else 0
        levels = values.astype(int) + shift
        return exactly(levels)[levels] - shift
    exact = ranged.equalized(values.astype("f8"), values.dtype, recipe)
    return np.rint(exact) if values.dtype.kind in "iu" else exact


def tolerance(dtype, values):
    if dtype == np.uint8:
        return 0
    if dtype.kind in "iu":
        return 1
    return np.abs(np.spacing(values.astype(dtype))).astype("f8") + 1e-9 * np.ptp(values)


def planes_of(data, planar):
    if data.ndim == 2:
        return [data]
    return list(data) if planar else [data[..., band] for band in range(data.shape[-1])]


def luma(colors):
    """Y of BT.601, as libjpeg computes it."""
    red, green, blue = (colors[..., channel].astype(int) for channel in range(3))
    return ((19_595 * red + 38_470 * green + 7_471 * blue + 32_768) >> 16).astype(np.uint8)


def by_luma(before, shown):
    """Colours whose luma is equalized by OpenCV, of the pixels that are shown."""
    y = luma(before)
    change = table(y[shown])[y].astype(int) - y
    return np.where(shown[..., None], np.clip(before.astype(int) + change[..., None], 0, 255), before).astype(np.uint8)


def pages_of(path):
    with tifffile.TiffFile(path) as file:
        return [(page.asarray(), int(page.subfiletype), page.tags) for page in file.pages]


def means(plane, valid, factor, weights=None):
    """The mean of the valid pixels of each square, NaN where there is none, and each square's first pixel."""
    height, width = -(-plane.shape[0] // factor), -(-plane.shape[1] // factor)
    found, firsts = np.full((height, width), np.nan), plane[::factor, ::factor].astype("f8")
    for y in range(height):
        for x in range(width):
            square = np.s_[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
            if valid[square].any():
                found[y, x] = plane[square][valid[square]].astype("f8").mean()
    return found, firsts


def wrong_overview(small, plane, valid, dtype, what):
    factor = -(-plane.shape[0] // small.shape[0])
    expected, firsts = means(plane, valid, factor)
    expected = np.where(np.isnan(expected), firsts, expected)
    slack = 0.5 if dtype.kind in "iu" else np.abs(np.spacing(expected.astype(dtype))).astype("f8")
    off = np.abs(small.astype("f8") - expected)
    return f"{what}: overview 1/{factor} is off by up to {off.max()}" if (off > slack + 1e-9).any() else None


def check_nodata(case, folder):
    expected, recipe = case["expected"], case["recipe"]
    before, after = pages_of(folder / case["name"]), pages_of(folder / f"out-{case['name']}")
    if len(before) != len(after):
        return f"{len(after)} pages of {len(before)}"
    old, new = before[0][0], after[0][0]
    value = np.array(expected["nodata"]).astype(old.dtype)
    if "color" not in recipe:
        missing = (old == value).all(-1)
        exact = by_luma(old, ~missing)
        compared = ~(exact == value).all(-1) | missing
        if not (new[compared] == exact[compared]).all():
            return "luma differs from OpenCV's"
        if (new[~compared] == value).all(-1).any():
            return "a valid pixel became nodata"
        shown = [~missing] * 3
    else:
        shown = []
        for band, (plane, found) in enumerate(zip(planes_of(old, expected["planar"]), planes_of(new, expected["planar"]))):
            missing = plane == value
            shown.append(~missing)
            if not (found[missing] == value).all():
                return f"band {band}: nodata changed"
            if (found[~missing] == value).any():
                return f"band {band}: valid pixels became nodata"
            exact = equalized(plane[~missing], recipe)
            off = np.abs(found[~missing].astype("f8") - exact)
            # What would have become nodata is the next value.
            off[exact.astype(old.dtype) == value] = 0
            if (off > tolerance(old.dtype, exact)).any():
                return f"band {band}: off by up to {off.max()}"
    for small, kind, _ in after[1:]:
        if kind != 1:
            return f"a page of kind {kind} in place of an overview"
        for band, (part, plane) in enumerate(zip(planes_of(small, expected["planar"]), planes_of(new, expected["planar"]))):
            wrong = wrong_overview(part, plane, shown[band], old.dtype, f"band {band}")
            if wrong:
                return wrong
    return None


# Overviews of numbers without levels.


def overviews(cases):
    def write(name, data, value, factors=(2, 4), below=False, order="<", **options):
        missing = holes(3)
        data = data.copy()
        data[missing] = np.array(value).astype(data.dtype)
        tags = [(42113, "s", 0, str(value), True)]
        with tifffile.TiffWriter(cases.path(name), byteorder=order, bigtiff=options.pop("bigtiff", False)) as file:
            file.write(data, extratags=tags, metadata=None, photometric="minisblack", subifds=len(factors) if below else None, **options)
            for factor in factors:
                file.write(halves(data, factor), subfiletype=1, extratags=tags, metadata=None, photometric="minisblack", **options)
        cases.add(name, nodata=str(value), below=below, factors=list(factors))

    floats = picture("f4", 4) / 7 - 500
    write("overviews-1e20-be.tif", floats, 1e20, order=">")
    write("overviews-largest.tif", floats, 3.4028234663852886e38, compression="zlib")
    write("overviews-tenth.tif", floats, 0.1, (3,), tile=(32, 32))
    write("overviews-nan.tif", floats, np.nan, compression="zlib")
    write("overviews-below.tif", floats, -9_999, below=True, compression="zlib")
    write("overviews-f8.tif", floats.astype("f8"), -1.7976931348623157e308, (2, 4, 8), bigtiff=True)
    write("overviews-f2.tif", (floats / 30).astype("f2"), -9_999, order=">")
    write("overviews-i2.tif", picture("i2", 5) - 9_000, -32_768, (2, 5))
    write("overviews-u2.tif", picture("u2", 5), 0, compression="zlib", order=">")
    write("overviews-i4.tif", picture("i4", 6) * 9_999, -1, tile=(48, 64))


def check_overviews(case, folder):
    expected = case["expected"]
    with tifffile.TiffFile(folder / f"out-{case['name']}") as file:
        page = file.pages[0]
        small = [small.asarray() for small in (page.pages if expected["below"] else file.pages[1:])]
        new = page.asarray()
    old = tifffile.imread(folder / case["name"], key=0)
    value = np.array(float(expected["nodata"])).astype(old.dtype)
    valid = np.isfinite(old) if np.isnan(value) else old != value
    if new[~valid].tobytes() != old[~valid].tobytes():
        return "nodata changed"
    if len(small) != len(expected["factors"]):
        return f"{len(small)} overviews"
    for part in small:
        wrong = wrong_overview(np.nan_to_num(part, nan=7e9), np.nan_to_num(new, nan=7e9), valid, old.dtype, "page")
        if wrong:
            return wrong
    return None


# Red, green, blue and further samples.


def further(cases):
    def write(name, data, photometric, extra, recipe=CHANNELS, order="<", **options):
        planar = options.get("planarconfig") == "separate"
        stored = np.moveaxis(data, -1, 0) if planar else data
        tifffile.imwrite(cases.path(name), stored, photometric=photometric, extrasamples=extra, byteorder=order, metadata=None,
                         **{"planarconfig": "contig", **options})
        cases.add(name, recipe, photometric={"rgb": 2, "minisblack": 1}[photometric], extra=extra, planar=planar)

    write("bands-rgbn.tif", bands(4), "rgb", [0])
    write("bands-rgbn-tiles.tif", bands(4), "rgb", [0], tile=(32, 48), compression="zlib", predictor=True)
    write("bands-eight.tif", bands(8), "rgb", [0] * 5, order=">")
    write("bands-planes.tif", bands(5), "rgb", [0, 0], planarconfig="separate", compression="zlib")
    write("bands-u2.tif", bands(4, "u2"), "rgb", [0], order=">", compression="zlib")
    write("bands-gray.tif", bands(3), "minisblack", [0, 0])
    shown = bands(5)
    shown[..., 4] = np.where(holes(2), 0, 255)
    write("bands-alpha-last.tif", shown, "rgb", [0, 2])
    first = bands(5)
    first[..., 3] = np.where(holes(2), 0, 255)
    write("bands-alpha-first.tif", first, "rgb", [2, 0], planarconfig="separate")


def check_further(case, folder):
    expected = case["expected"]
    (old, _, _), (new, _, tags) = pages_of(folder / case["name"])[0], pages_of(folder / f"out-{case['name']}")[0]
    kinds = [int(kind) for kind in np.atleast_1d(tags[338].value)]
    if (tags[262].value, kinds) != (expected["photometric"], expected["extra"]):
        return f"photometric {tags[262].value}, extra samples {kinds}"
    old, new = planes_of(old, expected["planar"]), planes_of(new, expected["planar"])
    alpha = len(old) - len(kinds) + kinds.index(2) if 2 in kinds else None
    shown = np.ones((HEIGHT, WIDTH), bool) if alpha is None else old[alpha] > 0
    for band, (before, after) in enumerate(zip(old, new)):
        exact = before.astype("f8")
        if band != alpha:
            exact[shown] = equalized(before[shown], case["recipe"])
        if (np.abs(after - exact) > tolerance(before.dtype, exact)).any():
            return f"band {band}: off by up to {np.abs(after - exact).max()}"
    return None


# Masks: inside of the file, in any order, and beside it.


def masks(cases):
    def write(name, parts, order="<", big=False, **expected):
        """Parts: pixels and the kind of page (0, 1 an overview, 4 a mask, 5 an overview of it), with further options."""
        with tifffile.TiffWriter(cases.path(name), byteorder=order, bigtiff=big) as file:
            for data, kind, options in parts:
                kinds = {"photometric": "mask"} if kind >= 4 else {"photometric": "rgb" if data.ndim == 3 else "minisblack"}
                file.write(data, subfiletype=kind, metadata=None, **{**kinds, **options})
        cases.add(name, **{"kind": "inside", **expected})

    gray, color, mask = picture(kind=2), bands(3), ~holes(4, 0.1)
    page, page3 = (gray, 0, {}), (color, 0, {})
    small = [(halves(gray, factor), 1, {}) for factor in (2, 4)]
    masked = (mask, 4, {})
    small_masks = [(halves(mask, factor), 5, {}) for factor in (2, 4)]
    zipped = {"compression": "zlib"}
    write("mask-gray.tif", [page, masked])
    write("mask-rgb.tif", [page3, masked])
    write("mask-zip-tiles.tif", [(color, 0, {**zipped, "tile": (32, 48)}), (mask, 4, zipped)])
    write("mask-be.tif", [page, masked], order=">")
    write("mask-big.tif", [(gray, 0, zipped), (mask, 4, zipped)], big=True)
    # tifffile writes masks of one bit only.
    for name, level in [("mask-eight-bits.tif", 255), ("mask-eight-bits-of-1.tif", 1)]:
        write(name, [page, ((mask * level).astype("u1"), 0, {})])
        with tifffile.TiffFile(cases.path(name), mode="r+") as file:
            for tag in (254, 262):
                file.pages[1].tags[tag].overwrite(4)
    write("mask-first.tif", [masked, page])
    write("mask-first-overviews.tif", [masked, *small_masks, page, *small])
    write("mask-overviews.tif", [page, masked, *small, *small_masks])
    write("mask-last.tif", [page, *small, masked, *small_masks])
    write("mask-pairs.tif", [page, masked, small[0], small_masks[0], small[1], small_masks[1]])
    write("mask-reversed.tif", [page, *small_masks[::-1], *small[::-1], masked], order=">")
    write("mask-rows.tif", [(color, 0, {"rowsperstrip": 7}), (mask, 4, {"rowsperstrip": 5})])
    other = picture(kind=5)
    write("mask-pages.tif", [page, masked, (other, 0, {}), (~mask, 4, {})])
    write("mask-none-hidden.tif", [page, (np.ones_like(mask), 4, {})])
    write("mask-u2.tif", [(picture("u2", 3), 0, {}), masked])
    for name in ["g_rgb_mask_tiles.tif", "g_mask_cog.tif", "g_u2_mask_ovr.tif"]:
        cases.path(name).write_bytes((SAMPLES / "tiff" / name).read_bytes())
        cases.add(name, kind="inside")
    twice = [page, masked, masked]
    with tifffile.TiffWriter(cases.path("mask-twice.tif")) as file:
        for data, kind, _ in twice:
            file.write(data, subfiletype=kind, photometric="mask" if kind else "minisblack", metadata=None)
    cases.add("mask-twice.tif", refused=["several mask pages", "gdal_translate -mask none"])

    def beside(name, save, suffix=".msk", mask=mask, notes=("was applied",), applied=True, **options):
        save(cases.path(name))
        data = (mask * 255).astype("u1") if mask.ndim == 2 else mask
        with tifffile.TiffWriter(cases.path(name + suffix)) as file:
            file.write(data, photometric="minisblack", metadata=None, **options)
            if options.get("compression"):
                file.write(halves(data, 2), subfiletype=1, photometric="minisblack", metadata=None, **options)
        cases.add(name, notes=list(notes), kind="beside", mask=name + suffix if applied else None)

    plain = lambda data: lambda path: tifffile.imwrite(path, data, metadata=None)
    by_pillow = lambda data, **options: lambda path: Image.fromarray(data).save(path, **options)
    beside("side-gray.tif", plain(gray))
    beside("side-zip.tif", plain(gray), compression="zlib", tile=(32, 32))
    beside("side-rgb.png", by_pillow(color))
    beside("side-rgb.webp", by_pillow(color, lossless=True))
    beside("side-upper.tif", plain(gray), suffix=".MSK")
    beside("side-u2.png", lambda path: cv2.imwrite(str(path), picture("u2", 3)))
    beside("side-small.tif", plain(gray), mask=halves(mask, 2), notes=["isn't used: it isn't as large"], applied=False)
    each = (np.stack([mask, ~mask, mask], -1) * 255).astype("u1")
    beside("side-each.tif", plain(color), mask=each, notes=["isn't used: it has a mask for each band"], applied=False,
           extrasamples=[0, 0], planarconfig="contig")


def read(path):
    """The pixels of a file's first page, as red, green and blue or gray."""
    if path.suffix == ".tif":
        return tifffile.imread(path, key=0)
    if path.suffix == ".png":
        data = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        return data if data.ndim == 2 else np.ascontiguousarray(data[..., 2::-1])
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def wrong_page(old, new, shown):
    """What is wrong with a page of which only some pixels are shown."""
    if not (new[~shown] == old[~shown]).all():
        return "hidden pixels changed"
    if old.ndim == 3:
        exact = by_luma(old, shown)
    else:
        exact = old.astype(int)
        exact[shown] = equalized(old[shown], LUMA)
    off = np.abs(new.astype(int) - exact)
    return f"off by up to {off.max()}" if off.max() > tolerance(old.dtype, exact) else None


def in_order(pages):
    """The pages proper, each with its mask, overviews and overviews of the mask, whatever the order of the directories."""
    found, early = [], []
    for data, kind, tags in pages:
        if kind in (0, 2):
            found.append({0: data, 4: None, 1: [], 5: []})
            for kind, data in early:
                found[-1].update({kind: data} if kind == 4 else {kind: found[-1][kind] + [data]})
            early = []
        elif not found:
            early.append((kind, data))
        elif kind == 4:
            found[-1][4] = data
        else:
            found[-1][kind].append(data)
    for page in found:
        for kind in (1, 5):
            page[kind].sort(key=lambda data: -data.size)
    return found


def check_masks(case, folder):
    expected, name = case["expected"], case["name"]
    if expected["kind"] == "beside":
        old, new = read(folder / name), read(folder / f"out-{name}")
        mask = tifffile.imread(folder / expected["mask"], key=0) if expected["mask"] else np.ones(old.shape[:2])
        return wrong_page(old, new, mask > 0)
    before, after = in_order(pages_of(folder / name)), in_order(pages_of(folder / f"out-{name}"))
    if len(before) != len(after):
        return f"{len(after)} pages of {len(before)}"
    for old, new in zip(before, after):
        if [old[4].tobytes()] + [small.tobytes() for small in old[5]] != [new[4].tobytes()] + [small.tobytes() for small in new[5]]:
            return f"the mask or its overviews changed: {len(new[5])} of {len(old[5])} overviews"
        shown = old[4] > 0
        wrong = wrong_page(old[0], new[0], shown)
        if wrong:
            return wrong
        if len(old[1]) != len(new[1]):
            return f"{len(new[1])} overviews of {len(old[1])}"
        for small in new[1]:
            for part, plane in zip(planes_of(small, False), planes_of(new[0], False)):
                wrong = wrong_overview(part, plane, shown, plane.dtype, "page")
                if wrong:
                    return wrong
    return None


# CLAHE of 16 bits beside that of 8.


def clahe(limit, tiles=(8, 8), **more):
    return {"method": "clahe", "clip_limit": limit, "tiles": list(tiles), **more}


def stretched(scene):
    """The scene as programs make 8 bits of 12: over its occupied range, which is that of the 16 bits' bins."""
    low, high = np.percentile(scene, [0.1, 99.9])
    return np.rint((scene.astype(float) - low) * 255 / (high - low)).clip(0, 255).astype("u1")


def looks(cases):
    def of(name):
        return cv2.imread(str(SAMPLES / name), cv2.IMREAD_GRAYSCALE)

    def write(name, scene, bits, offset=0, scale=None, limit=2, tiles=(8, 8), hot=False):
        step = scale or 1 << (bits - 8)
        noise = np.random.default_rng(bits).integers(0, step, scene.shape)
        data = (scene.astype(int) * step + noise + offset).clip(0, 65_535).astype("u2")
        if hot:
            data[31, 57], data[200, 9] = 65_535, 0
        cv2.imwrite(str(cases.path(name)), data)
        np.save(cases.path(f"{name}.npy"), cv2.createCLAHE(limit, tiles).apply(stretched(scene)))
        cases.add(name, clahe(limit, tiles), kind="alike")

    moon, page, brick, cell = of("moon.png"), of("page.png"), of("brick.png"), of("cell.png")
    write("looks-moon-12.png", moon, 12)
    write("looks-moon-12-four.png", moon, 12, limit=4)
    write("looks-page-10.png", page, 10)
    write("looks-brick-14.png", brick, 14)
    write("looks-cell-12.png", cell, 12, limit=3, tiles=(4, 4))
    write("looks-reflectance.png", brick, 12, offset=1_000, scale=40)
    write("looks-hot.png", moon, 12, hot=True)
    write("looks-16.png", cell, 16)
    for name, scene in [("looks-whole-range.png", moon), ("looks-whole-range-page.png", page)]:
        data = scene.astype("u2") * 16
        cv2.imwrite(str(cases.path(name)), data)
        np.save(cases.path(f"{name}.npy"), cv2.createCLAHE(40, (4, 4)).apply(data))
        cases.add(name, clahe(40, (4, 4), range=[0, 65_535]), kind="equal")
    y, x = np.mgrid[0:512, 0:512]
    shapes = {"left": x < 256, "top": y < 200, "disk": (x - 256) ** 2 + (y - 256) ** 2 > 200**2}
    for name, scene in [("brick", brick), ("moon", moon)]:
        for shape, missing in shapes.items():
            data = np.where(missing, 0, scene.astype(int) * 11 + 300).astype("u2")
            file = f"looks-edge-{name}-{shape}.png"
            cv2.imwrite(str(cases.path(file)), data)
            np.save(cases.path(f"{file}.npy"), cv2.createCLAHE(2, (8, 8)).apply(stretched(scene)))
            cases.add(file, {**clahe(2), "nodata": 0}, kind="edge")


def check_looks(case, folder):
    kind, name = case["expected"]["kind"], case["name"]
    new, expected = cv2.imread(str(folder / f"out-{name}"), cv2.IMREAD_UNCHANGED), np.load(folder / f"{name}.npy")
    if kind == "equal":
        return None if np.array_equal(new, expected) else "differs from OpenCV's CLAHE of 16 bits"
    new = new / 257
    if kind == "alike":
        off = np.abs(new - expected).mean()
        return f"{off:.1f} levels from that of 8 bits" if off >= 8 else None
    missing = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED) == 0
    near = (cv2.dilate(missing.astype("u1"), np.ones((21, 21), "u1")) > 0) & ~missing
    share = new[near].mean() / expected[near].mean()
    return f"within 10 px of nodata {share:.3f} as bright as with the whole scene" if share < 0.85 else None


# Metadata that become false.

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
GAIN = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
MOTION = 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"'
REMOTE = 'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="https://example.com/photo.c2pa"'
CAMERA = 'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="a camera"'
THUMBNAILS = (
    '<xmp:Thumbnails xmlns:xmp="http://ns.adobe.com/xap/1.0/"><rdf:Alt><rdf:li rdf:parseType="Resource">'
    '<g:image xmlns:g="http://ns.adobe.com/xap/1.0/g/img/">b2xkIHBpeGVscw==</g:image></rdf:li></rdf:Alt></xmp:Thumbnails>'
)


def packet(properties, inside=""):
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" {properties}>{inside}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def metadata(cases):
    color = Image.fromarray(bands(3))

    def put(name, data, false, kept=(), notes=(), **expected):
        """A file whose result must not have some words, but others, and be opened by Pillow or tifffile."""
        cases.path(name).write_bytes(data)
        cases.add(name, notes=notes, false=list(false), kept=list(kept), **expected)

    def saved(image, **options):
        file = io.BytesIO()
        image.save(file, **options)
        return file.getvalue()

    def jpeg(segments=b"", after=b"", **options):
        data = saved(color, format="JPEG", quality=90, **options)
        return data[:20] + segments + data[20:] + after

    # Gain maps and motion photos, as phones store them.
    gain = saved(Image.fromarray(picture(kind=7)), format="JPEG", quality=80)
    item = '<c:Directory xmlns:c="http://ns.google.com/photos/1.0/container/"><rdf:Seq><rdf:li rdf:parseType="Resource"/></rdf:Seq></c:Directory>'
    put("gain-appended.jpg", jpeg(after=gain, xmp=packet(f"{GAIN} {CAMERA}", item)), ["hdrgm", "container"], ["a camera"],
        ["gain map"], frames=1)
    multi = saved(color, format="MPO", save_all=True, append_images=[Image.fromarray(picture(kind=7)).convert("RGB")])
    put("gain-mpo.jpg", multi, ["MPF"], notes=["MPF"], frames=1)
    iso = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    put("gain-iso.jpg", jpeg(iso, gain), ["21496"], notes=["ISO 21496-1"], frames=1)
    video = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08mdat"
    put("motion.jpg", jpeg(after=video, xmp=packet(f"{MOTION} {CAMERA}")), ["MotionPhoto", "ftyp"], ["a camera"], ["motion photo"])
    # The same properties after another program saved the picture in another format.
    for properties, false, word in [(GAIN, "hdrgm", "gain map"), (MOTION, "MotionPhoto", "motion photo"), (REMOTE, "provenance", "C2PA")]:
        kind = false.lower()
        xmp = packet(f"{properties} {CAMERA}")
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        put(f"xmp-{kind}.png", saved(color, format="PNG", pnginfo=info), [false], ["a camera"], [word])
        put(f"xmp-{kind}.webp", saved(color, format="WEBP", lossless=True, xmp=xmp), [false], ["a camera"], [word])
        tifffile.imwrite(cases.path(f"xmp-{kind}.tif"), bands(3), photometric="rgb", metadata=None, extratags=[(700, 1, len(xmp), xmp, True)])
        put(f"xmp-{kind}.tif", cases.path(f"xmp-{kind}.tif").read_bytes(), [false], ["a camera"], [word])
        put(f"xmp-{kind}.jpg", jpeg(xmp=xmp), [false], ["a camera"], [word])
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet(f"{GAIN} {CAMERA}").decode(), zip=True)
    put("xmp-zipped.png", saved(color, format="PNG", pnginfo=info), ["hdrgm"], ["a camera"], ["gain map"])
    cases.path("source.jpg").write_bytes(jpeg(xmp=packet(f"{GAIN} {CAMERA}")))
    subprocess.run([CONVERT, cases.path("source.jpg"), f"png:{cases.path('xmp-imagemagick.png')}"], check=True)
    put("xmp-imagemagick.png", cases.path("xmp-imagemagick.png").read_bytes(), ["hdrgm"], ["a camera"], ["gain map"])
    put("xmp-thumbnails.jpg", jpeg(xmp=packet(CAMERA, THUMBNAILS)), ["Thumbnails", "b2xkIHBp"], ["a camera"], ["thumbnails in XMP"])
    put("xmp-true.jpg", jpeg(xmp=packet(CAMERA)), [], [packet(CAMERA).decode()])
    # Signatures, and layers that decoders add to the picture.
    boxes = b"JP\0\1\0\0\0\1" + struct.pack(">I", 32) + b"jumb" + struct.pack(">I", 24) + b"jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9bq"
    put("c2pa.jpg", jpeg(segment(0xEB, boxes)), ["jumdc2pa"], notes=["C2PA"])
    png = saved(color, format="PNG")
    put("c2pa.png", png[:33] + chunk(b"caBX", boxes[8:]) + png[33:], ["jumdc2pa"], notes=["C2PA"])
    webp = saved(color, format="WEBP", lossless=True, xmp=packet(CAMERA)) + b"C2PA" + struct.pack("<I", len(boxes) - 8) + boxes[8:]
    put("c2pa.webp", webp[:4] + struct.pack("<I", len(webp) - 8) + webp[8:], ["jumdc2pa"], ["a camera"], ["C2PA"])
    tifffile.imwrite(cases.path("c2pa.tif"), bands(3), photometric="rgb", metadata=None, extratags=[(52545, 7, len(boxes) - 8, boxes[8:], True)])
    put("c2pa.tif", cases.path("c2pa.tif").read_bytes(), ["jumdc2pa"], notes=["C2PA"])
    layer = b"JP\0\1\0\0\0\1" + struct.pack(">I", 30) + b"RESI" + b"old residuals of JPEG XT"
    put("jpeg-xt.jpg", jpeg(segment(0xEB, layer)), ["old residuals"], notes=["JPEG XT"])
    put("jpeg-hdr.jpg", jpeg(segment(0xEB, b"HDR_RI ver=11\0old ratio image")), ["old ratio"], notes=["JPEG-HDR"])
    # Significant bits.
    twelve = picture("u2", 3) & 0xFFF0
    for name, data, bits in [
        ("sbit-gray16.png", twelve, [12]),
        ("sbit-rgb16.png", np.stack([twelve, twelve, twelve], -1), [12, 14, 12]),
        ("sbit-rgba16.png", np.stack([twelve] * 4, -1), [10, 10, 10, 16]),
        ("sbit-rgb.png", bands(3), [5, 6, 5]),
        ("sbit-rgba.png", bands(4), [5, 5, 5, 1]),
    ]:
        png = cv2.imencode(".png", data)[1].tobytes()
        put(name, png[:33] + chunk(b"sBIT", bytes(bits)) + png[33:], ["sBIT"], notes=["sBIT"])
    palette = saved(color.quantize(16), format="PNG")
    at = palette.index(b"PLTE") - 4
    put("sbit-palette.png", palette[:at] + chunk(b"sBIT", b"\5\6\5") + palette[at:], ["sBIT"], notes=["sBIT", "palette"])
    tifffile.imwrite(cases.path("ome-12.ome.tif"), np.stack([twelve, twelve]), ome=True, photometric="minisblack",
                     metadata={"axes": "ZYX", "SignificantBits": 12, "Name": "a specimen"})
    ome = cases.path("ome-12.ome.tif").read_bytes()
    put("ome-12.tif", ome, ["SignificantBits"], ["a specimen", "SizeZ=\"2\""], ["significant bits"])
    subprocess.run([CONVERT, cases.path("sbit-rgb.png"), "-interlace", "PNG", cases.path("interlaced.png")], check=True)
    put("interlaced.png", cases.path("interlaced.png").read_bytes(), [], notes=["interlaced"])
    # Ranges and statistics.
    for name, order in [("imagej-composite.tif", ">"), ("imagej-color.tif", "<")]:
        data = np.stack([picture("u2", kind) for kind in (1, 2)]) if "composite" in name else bands(3)[None]
        more = {"mode": "composite"} if "composite" in name else {}
        tifffile.imwrite(cases.path(name), data, imagej=True, byteorder=order, metadata={"min": 3.0, "max": 9_000.0, "unit": "um", **more})
        put(name, cases.path(name).read_bytes(), ["min=", "max="], ["unit=um"], ["display range"])
    tags = [(280, 3, 1, 20, True), (281, 3, 1, 219, True), (340, 3, 1, 20, True), (341, 3, 1, 219, True)]
    tifffile.imwrite(cases.path("least.tif"), picture(), photometric="minisblack", metadata=None, extratags=tags)
    put("least.tif", cases.path("least.tif").read_bytes(), [], notes=["field 280", "field 281", "field 340", "field 341"], without=[280, 281, 340, 341])
    text = '<GDALMetadata>\n  <Item name="UNIT">metre</Item>\n  <Item name="STATISTICS_MAXIMUM" sample="0">219</Item>\n</GDALMetadata>\n'
    tifffile.imwrite(cases.path("statistics.tif"), picture(), photometric="minisblack", metadata=None, extratags=[(42112, 2, 0, text, True)])
    put("statistics.tif", cases.path("statistics.tif").read_bytes(), ["STATISTICS"], ["metre"], ["statistics"])


def check_metadata(case, folder):
    expected, path = case["expected"], folder / f"out-{case['name']}"
    data = path.read_bytes()
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            pixels, tags = file.pages[0].asarray(), file.pages[0].tags
            if any(tag in tags for tag in expected.get("without", [])):
                return f"still has {[tag.code for tag in tags]}"
    else:
        with Image.open(path) as image:
            if getattr(image, "n_frames", 1) != 1:
                return f"{image.n_frames} frames"
            if "mp" in image.info or "mpoffset" in image.info:
                return "still has an index of pictures"
            pixels = np.asarray(image)
            if image.format == "PNG":
                # Text may be compressed.
                data += "".join(str(value) for value in image.text.values()).encode()
    if pixels.shape[:2] != (HEIGHT, WIDTH):
        return f"{pixels.shape}"
    left = [word for word in expected["false"] if word.encode() in data]
    lost = [word for word in expected["kept"] if word.encode() not in data]
    return f"still says {left}, lost {lost}" if left or lost else None


# Colours.


def colours(cases):
    def write(name, data):
        Image.fromarray(data).save(cases.path(name))
        for color in ("oklab", "lab"):
            cases.add(f"{color}-{name}", {"method": "global", "color": color}, color=color, source=name)
            cases.path(f"{color}-{name}").write_bytes(cases.path(name).read_bytes())

    def sample(name, top, left, step=1):
        with Image.open(SAMPLES / name) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[top : top + 200 * step : step, left : left + 240 * step : step])

    write("rocket.png", sample("rocket.jpg", 0, 100, 2))
    write("retina.png", sample("retina.jpg", 200, 200, 3))
    write("hubble.png", sample("hubble_deep_field.jpg", 100, 100, 2))
    write("coffee.png", sample("coffee.png", 150, 200))
    y, x = np.mgrid[0:200, 0:240]
    hue = np.stack([x / 240, np.full(x.shape, 0.9), 0.1 + 0.5 * y / 200], -1)
    write("hues.png", np.rint(skimage.color.hsv2rgb(hue) * 255).astype("u1"))


def newly_clipped(before, after):
    ends = lambda data: (data == 0) | (data == 255)
    return (ends(after) & ~ends(before)).any(-1).mean()


def check_colours(case, folder):
    expected = case["expected"]
    before, after = read(folder / expected["source"]), read(folder / f"out-{case['name']}")
    # CIELAB by scikit-image, as a photographer would compute it.
    lab = skimage.color.rgb2lab(before)
    lab[..., 0] = 100 * skimage.exposure.equalize_hist(lab[..., 0], 65_536)
    share = newly_clipped(before, np.rint(skimage.color.lab2rgb(lab) * 255).clip(0, 255).astype("u1"))
    found = newly_clipped(before, after)
    if np.abs(after.astype(int) - before).mean() < 1:
        return "hardly changed"
    # Gamut mapping ends on sRGB's surface, where a channel is at its end: of fully saturated colours more often than CIELAB's clipping.
    most = share + (0.02 if expected["color"] == "oklab" and expected["source"] != "hues.png" else 0.06)
    return f"clips {found:.3f} of the pixels, scikit-image's CIELAB {share:.3f}" if found > most else None


FAMILIES = {
    "nodata": (nodata, check_nodata),
    "overviews": (overviews, check_overviews),
    "bands": (further, check_further),
    "masks": (masks, check_masks),
    "looks": (looks, check_looks),
    "metadata": (metadata, check_metadata),
    "colours": (colours, check_colours),
}


def make(folder):
    cases = Cases(folder)
    for family, (write, _) in FAMILIES.items():
        cases.family = family
        write(cases)
    (folder / "cases.json").write_text(json.dumps(cases.all))


def check(folder):
    wrong, counts = [], dict.fromkeys(FAMILIES, 0)
    for case in json.loads((folder / "cases.json").read_text()):
        counts[case["family"]] += 1
        if not case["refused"]:
            what = FAMILIES[case["family"]][1](case, folder)
            wrong += [f"{case['name']}: {what}"] if what else []
    print("results compared:", ", ".join(f"{family} {count}" for family, count in counts.items()))
    print(*wrong, sep="\n")
    sys.exit(1 if wrong or any(counts[family] < least for family, least in LEAST.items()) else 0)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))

"""Makes cloud-optimized GeoTIFFs with GDAL, and checks the results of them.

    cloud.py make FOLDER
    cloud.py check FOLDER

`make` writes the files and their list, `cases.json`: each name with a word of the note if the result isn't cloud-optimized.
`check` reads two results of each `NAME.tif`. `same-NAME.tif` must have the same pixels, `out-NAME.tif` may have others. Both must be
valid COGs by rio-cogeo and GDAL with the original's tags, georeference and structure, whose overviews are the rounded means of squares of
pixels, and whose directories and tiles lie as the text behind the header says.
"""

import json
import pathlib
import struct
import sys

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from rio_cogeo.cogeo import cog_validate

BANDS = "GRAY"


def picture(width, height, bands, dtype, seed=0):
    """Smooth areas with noise, of the type's range."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    shade = np.stack([np.sin(x / (31 + band)) + np.cos(y / (43 - band)) for band in range(bands)]) / 4 + 0.5
    shade = np.clip(shade + random.normal(0, 0.02, shade.shape), 0, 1)
    if np.issubdtype(dtype, np.floating):
        return (shade * 3_000 - 1_000).astype(dtype)
    lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
    return (shade * (highest - lowest) * 0.6 + lowest + (highest - lowest) * 0.2).astype(dtype)


class Cases:
    def __init__(self, folder):
        self.folder, self.all = folder, []

    def add(self, name, pixels, options, nodata=None, why=None, interp=None, colors=None, driver="COG", factors=(), **tags):
        count, height, width = pixels.shape
        profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": pixels.dtype, "nodata": nodata}
        # A plain photograph of three or four bands is RGB, unless they are named otherwise.
        if interp == BANDS:
            profile["photometric"] = "MINISBLACK"
        with MemoryFile() as memory:
            place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_300_000, 10, 10)}
            with memory.open(**profile, **place) as file:
                file.write(pixels)
                if interp == BANDS:
                    file.colorinterp = [ColorInterp.gray] + [ColorInterp.undefined] * (count - 1)
                if colors:
                    file.write_colormap(1, colors)
                file.update_tags(AREA_OR_POINT="Area", AUTHOR="a test", **tags)
                if factors:
                    file.build_overviews(list(factors))
            rasterio.shutil.copy(memory.name, self.folder / name, driver=driver, **options)
        self.all.append({"name": name, "why": why})

    def patch(self, name, of, change, why):
        data = bytearray((self.folder / of).read_bytes())
        change(data, Directories(data))
        (self.folder / name).write_bytes(data)
        self.all.append({"name": name, "why": why})


class Directories:
    """All directories of a little-endian TIFF: a map from tags to the places of their entries, and the values."""

    def __init__(self, data):
        self.big = data[2] == 43
        self.number = "<Q" if self.big else "<I"
        self.size = 8 if self.big else 4
        pointer, count_format, count_size, entry = (8, "<Q", 8, 20) if self.big else (4, "<H", 2, 12)
        self.all = []
        while at := struct.unpack_from(self.number, data, pointer)[0]:
            count = struct.unpack_from(count_format, data, at)[0]
            fields, end = {}, at + count_size + count * entry
            for place in range(at + count_size, end, entry):
                tag, kind = struct.unpack_from("<HH", data, place)
                fields[tag] = (place, self.values(data, place, kind))
            self.all.append({"at": at, "pointer": pointer, "end": end + self.size, "fields": fields})
            pointer = end

    def values(self, data, place, kind):
        form = {1: "B", 2: "B", 3: "H", 4: "I", 12: "d", 16: "Q"}.get(kind)
        if form is None:
            return ()
        count = struct.unpack_from(self.number, data, place + 4)[0]
        length, at = count * struct.calcsize(form), place + 4 + self.size
        if length > self.size:
            at = struct.unpack_from(self.number, data, at)[0]
        return struct.unpack_from(f"<{count}{form}", data, at)


def narrower(data, directories):
    """Makes an overview's width one that no whole factor reaches."""
    place, (width,) = directories.all[1]["fields"][256]
    form = "<H" if data[place + 2] == 3 else "<I"
    struct.pack_into(form, data, place + 8, width - 3)


def further(data, directories):
    """Makes a page of an overview."""
    place, _ = directories.all[3]["fields"][254]
    struct.pack_into("<I", data, place + 8, 0)


def swapped(data, directories):
    """Lists the second overview before the first."""
    first, second, third = directories.all[1:4]
    for pointer, to in [(first["pointer"], second["at"]), (third["pointer"], first["at"]), (second["pointer"], third["at"])]:
        struct.pack_into(directories.number, data, pointer, to)


def edited(data, _):
    """What GDAL writes when it changes a file."""
    at = data.index(b"EDITION=NO\n ")
    data[at : at + 12] = b"EDITION=YES\n"


def make(folder):
    cases = Cases(folder)
    tiles = {"BLOCKSIZE": 128}
    deflate = {"COMPRESS": "DEFLATE", **tiles}
    rgb = picture(517, 389, 3, np.uint8)
    cases.add("rgb.tif", rgb, deflate)
    cases.add("rgb_predictor.tif", rgb, {"PREDICTOR": "YES", **deflate})
    cases.add("rgb_statistics.tif", rgb, {"STATISTICS": "YES", **deflate})
    cases.add("rgb_ycbcr.tif", rgb, {"COMPRESS": "JPEG", **tiles})
    cases.add("rgb_webp.tif", rgb, {"COMPRESS": "WEBP", "QUALITY": 100, **tiles})
    cases.add("rgb_web.tif", rgb, {"TILING_SCHEME": "GoogleMapsCompatible", "ADD_ALPHA": "YES", "COMPRESS": "DEFLATE"})
    alpha = np.full((1, 389, 517), 255, np.uint8)
    alpha[0, 100:200, 50:250], alpha[0, 300:, 300:] = 0, 77
    rgba = np.concatenate([rgb, alpha])
    cases.add("rgba_lzw.tif", rgba, {"COMPRESS": "LZW", **tiles})
    cases.add("gray16_lzw2.tif", picture(300, 1_000, 1, np.uint16), {"COMPRESS": "LZW", "PREDICTOR": "STANDARD", **tiles})
    bands = picture(400, 333, 5, np.uint16)
    cases.add("bands5.tif", bands, deflate, interp=BANDS)
    bands[2, 10:90, 30:301] = 7
    bands[4, 200:, :55] = 7
    cases.add("bands5_nodata.tif", bands, deflate, interp=BANDS, nodata=7)
    floats = picture(700, 401, 1, np.float32)
    floats[0, :150, :222] = -9_999
    cases.add("f32_zstd3.tif", floats, {"COMPRESS": "ZSTD", "PREDICTOR": "FLOATING_POINT", **tiles}, nodata=-9_999)
    floats[floats == -9_999] = np.nan
    cases.add("f32_nan.tif", floats, {"COMPRESS": "NONE", **tiles}, nodata=np.nan)
    cases.add("f64_deflate3.tif", picture(260, 300, 1, np.float64), {"PREDICTOR": "YES", **deflate})
    cases.add("i16_none_big.tif", picture(333, 444, 1, np.int16), {"COMPRESS": "NONE", "BIGTIFF": "YES", **tiles}, nodata=-32_768)
    cases.add("i8.tif", picture(333, 444, 1, np.int8), deflate)
    cases.add("i32.tif", picture(300, 257, 1, np.int32), {"PREDICTOR": "YES", **deflate})
    cases.add("u32.tif", picture(257, 300, 1, np.uint32), deflate)
    cases.add("u12.tif", picture(400, 300, 1, np.uint16) >> 4, {"NBITS": 12, **deflate})
    hole = picture(600, 500, 1, np.uint8)
    hole[0, 90:410, 100:500] = 0
    cases.add("nodata0.tif", hole, {"SPARSE_OK": "TRUE", **deflate}, nodata=0)
    colors = {index: (index, 255 - index, index // 2, 255) for index in range(256)}
    cases.add("palette.tif", picture(300, 300, 1, np.uint8), {"OVERVIEW_RESAMPLING": "NEAREST", **deflate}, colors=colors)
    cases.add("no_overviews.tif", picture(500, 300, 3, np.uint8), {"OVERVIEWS": "NONE", **deflate})
    cases.add("one_tile.tif", picture(100, 83, 1, np.uint16), {"OVERVIEW_COUNT": 4, "COMPRESS": "DEFLATE", "BLOCKSIZE": 512})
    cases.add("rounded_up.tif", picture(1_025, 257, 1, np.uint8), {"OVERVIEW_COUNT": 3, **deflate}, factors=(2, 4, 8))
    tall = {"TILED": "YES", "BLOCKXSIZE": 64, "BLOCKYSIZE": 256, "COPY_SRC_OVERVIEWS": "YES", "COMPRESS": "DEFLATE"}
    cases.add("factors_3_9.tif", picture(400, 800, 3, np.uint8), tall, factors=(3, 9), driver="GTiff")
    cases.add("descriptions.tif", rgb, deflate, LONG="text " * 3_000)
    # Those whose result has the ordinary layout.
    cases.add("x_mask.tif", rgba, {"COMPRESS": "JPEG", **tiles}, why="it has a mask")
    strips = {"COPY_SRC_OVERVIEWS": "YES", "COMPRESS": "DEFLATE"}
    cases.add("x_strips.tif", picture(300, 300, 1, np.uint8), strips, factors=(2,), driver="GTiff", why="its pixels are stored in strips")
    cases.patch("x_lost.tif", "rgb.tif", narrower, "an overview can't be rebuilt")
    cases.patch("x_pages.tif", "rgb.tif", further, "it has several pages")
    cases.patch("x_unsorted.tif", "rounded_up.tif", swapped, "its overviews aren't listed by size")
    # An edited file is no COG, so there is nothing to report.
    cases.patch("x_edited.tif", "rgb.tif", edited, "")
    (folder / "cases.json").write_text(json.dumps(cases.all))


def smaller(pixels, factor, shape):
    """The squares of a band's pixels: rows × columns × the square's pixels; NaN beyond the edges."""
    height, width = pixels.shape
    padded = np.full((shape[0] * factor, shape[1] * factor), np.nan)
    rows, columns = min(height, padded.shape[0]), min(width, padded.shape[1])
    padded[:rows, :columns] = pixels[:rows, :columns]
    return padded.reshape(shape[0], factor, shape[1], factor).transpose(0, 2, 1, 3).reshape(*shape, -1)


def means(pixels, file, factor, shape):
    """Means of squares, of integers rounded half up, weighted by alpha; of pixels that aren't nodata, or else the first pixel."""
    alpha = [band for band, kind in enumerate(file.colorinterp) if kind == ColorInterp.alpha]
    colors = [band for band in range(file.count) if band not in alpha]
    # Nodata is a whole pixel's value if the bands are the colours of a picture.
    together = len(colors) in (1, 3) and ColorInterp.undefined not in file.colorinterp
    squares = [smaller(band, factor, shape) for band in pixels]
    valid = [np.isfinite(square) for square in squares]
    if file.nodata is not None and not np.isnan(file.nodata):
        valid = [known & (square != file.nodata) for known, square in zip(valid, squares)]
    if together:
        any_valid = np.any([valid[band] for band in colors], axis=0)
        finite = np.all([np.isfinite(squares[band]) for band in colors], axis=0)
        valid = [any_valid & finite] * len(squares)
    weight = squares[alpha[0]] if alpha else 1.0
    result = []
    for band, square in enumerate(squares):
        if band in alpha:
            mean = np.nanmean(square, axis=2)
        else:
            weights = np.where(valid[band], weight, 0)
            total = weights.sum(axis=2)
            sums = (np.where(valid[band], square, 0) * weights).sum(axis=2)
            mean = np.where(total > 0, sums / np.where(total > 0, total, 1), np.nan)
        if not np.issubdtype(pixels.dtype, np.floating):
            mean = np.floor(mean + 0.5)
        result.append(np.where(np.isnan(mean), square[..., 0], mean).astype(pixels.dtype))
    return np.stack(result)


def misplaced(path):
    """What doesn't lie as the text behind the header says, nor as the specification of COG demands."""
    data = path.read_bytes()
    directories = Directories(data)
    start = 16 if directories.big else 8
    text = (
        b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
        b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
    )
    expected = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(text) + text
    if data[start : start + len(expected)] != expected:
        yield f"the text is {data[start : start + len(expected)]}"
    ends = [directory["at"] for directory in directories.all]
    if ends != sorted(ends):
        yield "the directories aren't in order"
    # The smallest overview's tiles come first, then those of the next one, then the page's, each behind the one before.
    next_tile = None
    for directory in reversed(directories.all):
        offsets, lengths = directory["fields"][324][1], directory["fields"][325][1]
        for offset, length in zip(offsets, lengths, strict=True):
            if next_tile not in (None, offset):
                yield f"a tile is at {offset} instead of {next_tile}"
            if data[offset - 4 : offset] != struct.pack("<I", length):
                yield f"the tile at {offset} doesn't have its length of {length} before it"
            if data[offset + length : offset + length + 4] != data[offset + length - 4 : offset + length]:
                yield f"the tile at {offset} doesn't have its last four bytes behind it"
            if length < 4 or offset <= ends[-1]:
                yield f"a tile of {length} bytes is at {offset}, and the last directory at {ends[-1]}"
            next_tile = offset + length + 8
    if next_tile != len(data) + 4:
        yield f"the last tile ends at {next_tile - 4} of {len(data)}"


def rgb_of(file):
    """The pixels, with colours in place of a palette."""
    pixels = file.read()
    if file.colorinterp[0] != ColorInterp.palette:
        return pixels
    colors = file.colormap(1)
    table = np.array([colors[index][:3] for index in range(256)], np.uint8)
    return table[pixels[0]].transpose(2, 0, 1)


def differences(original, result, is_same):
    """What is wrong with the result of a file whose layout is kept."""
    (valid, errors, warnings), (_, _, allowed) = cog_validate(result, quiet=True), cog_validate(original, quiet=True)
    if not valid or warnings != allowed:
        yield f"not cloud-optimized: {errors} {warnings}"
    yield from misplaced(result)
    with rasterio.open(original) as one, rasterio.open(result) as other:
        pixels = other.read()
        away = rgb_of(one).astype(float) - pixels
        # Decoders of JPEG differ slightly.
        most = 0.5 if "JPEG" in one.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "") else 0
        if (np.nanmean(np.abs(away)) <= most) != is_same or (np.isnan(rgb_of(one)) != np.isnan(pixels)).any():
            yield "other pixels" if is_same else "the same pixels"
        own = ["crs", "transform", "width", "height"]
        was_palette = one.colorinterp[0] == ColorInterp.palette
        own += [] if was_palette else ["block_shapes", "dtypes", "descriptions", "colorinterp", "indexes"]
        for what in own:
            if getattr(one, what) != getattr(other, what):
                yield f"{what}: {getattr(one, what)} became {getattr(other, what)}"
        if one.nodata != other.nodata and not (np.isnan(one.nodata) and np.isnan(other.nodata)):
            yield f"nodata: {one.nodata} became {other.nodata}"
        if one.tags() != other.tags():
            yield f"tags: {one.tags()} became {other.tags()}"
        before, after = one.tags(ns="IMAGE_STRUCTURE"), other.tags(ns="IMAGE_STRUCTURE")
        if before.get("COMPRESSION") in ("YCbCr JPEG", "JPEG", "WEBP"):
            before["COMPRESSION"] = "DEFLATE"
        for what in ("LAYOUT", "COMPRESSION", "PREDICTOR", "INTERLEAVE"):
            if before.get(what) != after.get(what) and not (was_palette and what == "INTERLEAVE"):
                yield f"{what}: {before.get(what)} became {after.get(what)}"
        if one.tags(1, ns="IMAGE_STRUCTURE").get("NBITS") != other.tags(1, ns="IMAGE_STRUCTURE").get("NBITS"):
            yield "other bits"
        if one.tags(ns="TILING_SCHEME") != other.tags(ns="TILING_SCHEME"):
            yield "another tiling scheme"
        factors = other.overviews(1)
        if one.overviews(1) != factors:
            yield f"overviews {one.overviews(1)} became {factors}"
        for level, factor in enumerate(factors):
            with rasterio.open(result, overview_level=level) as small:
                # GDAL divides the widths.
                factor = next((2**power for power in range(10) if small.shape == (other.height >> power, other.width >> power)), factor)
                with rasterio.open(original, overview_level=level) as before:
                    if (small.shape, small.block_shapes) != (before.shape, other.block_shapes):
                        yield f"the overview of 1:{factor} has {small.shape} in {small.block_shapes}"
                found, expected = small.read(), means(pixels, other, factor, small.shape)
                if not np.allclose(found, expected, rtol=1e-6 if found.dtype.kind == "f" else 0, atol=0, equal_nan=True):
                    yield f"the overview of 1:{factor} isn't that of the pixels"


def ordinary(result):
    """What is wrong with the result of a file whose layout isn't kept."""
    with rasterio.open(result) as file:
        file.read()
        if file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG" or b"GDAL_STRUCTURAL_METADATA" in result.read_bytes():
            yield "it claims to be cloud-optimized"


def check(folder):
    failed, cases = 0, json.loads((folder / "cases.json").read_text())
    for case in cases:
        original = folder / case["name"]
        for prefix in ("same-", "out-"):
            result = folder / f"{prefix}{case['name']}"
            wrong = differences(original, result, prefix == "same-") if case["why"] is None else ordinary(result)
            for difference in wrong:
                print(f"{result.name}: {difference}")
                failed += 1
    print(f"{len(cases)} files, {failed} differences")
    sys.exit(1 if failed or len(cases) < 25 else 0)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))

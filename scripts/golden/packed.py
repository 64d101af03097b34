"""Packed TIFFs, and TIFFs with alpha of signed samples or among bands: made by hand, with the pixels that numpy computes for their results.

    packed.py make FOLDER    writes files and cases.json: for each file its recipe, and the samples expected as .npy
    packed.py check FOLDER   compares each result (out-NAME) and each one at strength 0 (same-NAME) with the samples and structure expected

The samples are packed and unpacked here bit by bit, and equalized by the formulas of docs/methods.md. Used by
`server/tests/files/packed.rs`.
"""

import json
import pathlib
import sys
import zlib

import numpy as np
import tifffile

import tiffs

HEIGHT, WIDTH = 61, 83
REVERSED = tiffs.REVERSED
TRANSPARENT = np.s_[11:25, 30:60]


def picture(bits, kind=0):
    """A picture that doesn't use the whole range."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(bits + 100 * kind).integers(0, 1 << (bits - 4), x.shape)
    wave = (np.sin(x / 11 + kind) + np.cos(y / 7)) * 0.2 + 0.45
    return (wave * (1 << bits) * 0.6 + noise).astype(np.int64)


def pictures(bits, channels):
    return np.stack([picture(bits, kind) for kind in range(channels)], -1)


def pack(rows, bits):
    """Rows of samples as bytes, highest bits first; each row starts on a whole byte."""
    spread = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.astype("u1").reshape(len(rows), -1), axis=1).tobytes()


def unpack(data, bits, rows, count):
    line = (count * bits + 7) // 8
    spread = np.unpackbits(np.frombuffer(data[: rows * line], "u1").reshape(rows, line), axis=1)[:, : count * bits]
    return spread.reshape(rows, count, bits).astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1))


def pack_bits(data, line):
    """PackBits of literal runs only, which don't cross rows."""
    packed = bytearray()
    for row in range(0, len(data), line):
        for at in range(row, min(row + line, len(data)), 128):
            part = data[at : min(at + 128, row + line)]
            packed += bytes([len(part) - 1]) + part
    return bytes(packed)


def unpack_bits(data):
    raw, at = bytearray(), 0
    while at < len(data):
        control, at = data[at], at + 1
        if control < 128:
            raw += data[at : at + control + 1]
            at += control + 1
        elif control > 128:
            raw += data[at : at + 1] * (257 - control)
            at += 1
    return bytes(raw)


def write(path, pixels, bits, compression=1, order="<", big=False, reverse=False, planar=False, tile=None, rows=20, **fields):
    """Writes non-negative samples (rows × columns × channels) of this many bits."""
    height, width, channels = pixels.shape
    planes = [pixels[..., channel : channel + 1] for channel in range(channels)] if planar else [pixels]
    tiff = tiffs.Tiff(order, big)
    offsets, lengths = [], []
    for plane in planes:
        if tile:
            padded = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)), mode="edge")
            pieces = [padded[y : y + tile, x : x + tile] for y in range(0, height, tile) for x in range(0, width, tile)]
        else:
            pieces = [plane[y : y + rows] for y in range(0, height, rows)]
        for piece in pieces:
            lines = piece.reshape(len(piece), -1)
            if bits in (8, 16):
                data = lines.astype(f"{order}u{bits // 8}").tobytes()
            else:
                data = pack(lines, bits)
            data = {1: bytes, 8: zlib.compress, 32_773: lambda data: pack_bits(data, (lines.shape[1] * bits + 7) // 8)}[compression](data)
            data = data.translate(REVERSED) if reverse else data
            offsets.append(tiff.put(data))
            lengths.append(len(data))
    at, of = (324, 325) if tile else (273, 279)
    all_fields = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits] * channels),
        259: (3, [compression]),
        262: (3, [2 if channels >= 3 else 1]),
        at: (4, offsets),
        277: (3, [channels]),
        284: (3, [2 if planar else 1]),
        of: (4, lengths),
    }
    all_fields.update({322: (3, [tile]), 323: (3, [tile])} if tile else {278: (4, [rows])})
    if reverse:
        all_fields[266] = (3, [2])
    all_fields.update({int(tag[1:]): value for tag, value in fields.items()})
    tiff.page(all_fields)
    path.write_bytes(tiff.file)


def read(path):
    """Returns the samples as stored (rows × columns × channels), and the fields."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        fields = {tag.code: tag.value for tag in page.tags.values()}
        data = pathlib.Path(path).read_bytes()
        width, height, channels = fields[256], fields[257], fields.get(277, 1)
        bits = int(np.atleast_1d(fields[258])[0])
        planar = fields.get(284, 1) == 2
        own = 1 if planar else channels
        decode = {1: bytes, 8: zlib.decompress, 32_773: unpack_bits}[int(fields[259])]
        pieces = [
            decode(data[at : at + length])
            for at, length in zip(np.atleast_1d(fields[324 if 324 in fields else 273]), np.atleast_1d(fields[325 if 325 in fields else 279]))
        ]

        def samples(piece, rows, columns):
            if bits in (8, 16):
                flat = np.frombuffer(piece[: rows * columns * own * bits // 8], f"{file.byteorder}u{bits // 8}").astype(np.int64)
                return flat.reshape(rows, columns, own)
            return unpack(piece, bits, rows, columns * own).reshape(rows, columns, own)

        planes = []
        for plane in range(channels if planar else 1):
            mine = pieces[plane * (len(pieces) // (channels if planar else 1)) :][: len(pieces) // (channels if planar else 1)]
            out = np.zeros((height, width, own), np.int64)
            if 322 in fields:
                side, down = fields[322], fields[323]
                across = -(-width // side)
                for index, piece in enumerate(mine):
                    y, x = index // across * down, index % across * side
                    part = samples(piece, down, side)
                    out[y : y + down, x : x + side] = part[: height - y, : width - x]
            else:
                rows = min(fields[278], height)
                for index, piece in enumerate(mine):
                    y = index * rows
                    out[y : y + rows] = samples(piece, min(rows, height - y), width)
            planes.append(out)
        return np.concatenate(planes, -1), fields


def table(values, levels, method):
    """The table of levels for the values that count, by the formulas of docs/methods.md."""
    counts = np.bincount(values, minlength=levels)
    highest = levels - 1
    if method == "global":
        lowest = np.flatnonzero(counts)[0]
        above = np.cumsum(counts) - counts[lowest]
        above[: lowest + 1] = 0
        whole = int(above[-1])
        if whole == 0:
            return np.arange(levels)
        if levels == 256:
            return np.rint(above.astype("f4") * (np.float32(255) / np.float32(whole))).astype(np.int64)
        return (2 * above * highest + whole) // (2 * whole)
    # A stretch between the 2nd and the 98th percentile.
    total = int(counts.sum())
    low = np.flatnonzero(np.cumsum(counts) * 1_000_000 > total * 20_000)[0]
    high = levels - 1 - np.flatnonzero(np.cumsum(counts[::-1]) * 1_000_000 > total * 20_000)[0]
    spread = np.clip(np.arange(levels), low, high) - low
    return (2 * spread * highest + (high - low)) // (2 * (high - low))


def equalized(plane, levels, shown=None, method="global", strength=1_000):
    """One channel, equalized by itself; pixels that aren't shown are neither counted nor changed."""
    shown = np.ones(plane.shape, bool) if shown is None else shown
    mapped = table(plane[shown], levels, method)
    mapped = ((1_000 - strength) * np.arange(levels) + strength * mapped + 500) // 1_000
    return np.where(shown, mapped[plane], plane)


class Cases:
    def __init__(self, folder):
        self.folder, self.all = folder, []

    def add(self, name, pixels, bits, expected=None, recipe=None, structure=None, **how):
        write(self.folder / name, pixels, bits, **how)
        np.save(self.folder / f"{name}.before.npy", pixels)
        if expected is not None:
            np.save(self.folder / f"{name}.npy", expected)
        kept = {258: [bits] * pixels.shape[2], 259: how.get("compression", 1), 284: 2 if how.get("planar") else 1, **(structure or {})}
        recipe = {"method": "global", "color": "channels", **(recipe or {})}
        self.all.append({"name": name, "recipe": recipe, "exact": expected is not None, "structure": kept})


def packed(cases):
    """Samples of 9 to 15 bits, equalized over 0 to 2ⁿ − 1."""
    storages = [
        {},
        {"compression": 8, "reverse": True},
        {"compression": 32_773, "tile": 32, "order": ">"},
        {"compression": 1, "reverse": True, "rows": 61},
        {"compression": 8, "tile": 16, "big": True},
    ]
    for bits in range(9, 16):
        levels = 1 << bits
        for index, how in enumerate(storages):
            one = picture(bits, index)
            cases.add(f"gray{bits}-{index}.tif", one[..., None], bits, equalized(one, levels)[..., None], **how)
        three = pictures(bits, 3)
        each = np.stack([equalized(three[..., channel], levels) for channel in range(3)], -1)
        cases.add(f"rgb{bits}.tif", three, bits, each, compression=8)
        cases.add(f"rgb{bits}-planes.tif", three, bits, each, planar=True, order=">", rows=7)
        one = picture(bits, 9)
        for strength in (0, 333, 500):
            expected = equalized(one, levels, strength=strength)
            cases.add(f"gray{bits}-strength{strength}.tif", one[..., None], bits, expected[..., None], {"strength": strength / 1_000})
        stretched = equalized(one, levels, method="stretch")
        cases.add(f"gray{bits}-stretch.tif", one[..., None], bits, stretched[..., None], {"method": "stretch", "low": 2, "high": 98})
        # Black and white points are among the file's levels: the formula of `Tone` with gamma 1.
        black, white = levels // 8, levels // 2
        share = np.clip((one - black) / (white - black), 0, 1)
        expected = np.floor(share * (levels - 1) + 0.5).astype(np.int64)
        points = {"method": "stretch", "black": black, "white": white}
        cases.add(f"gray{bits}-points.tif", one[..., None], bits, expected[..., None], points)
        # White is zero: light is the highest level less the sample.
        light = equalized(levels - 1 - one, levels)
        cases.add(f"gray{bits}-inverted.tif", one[..., None], bits, (levels - 1 - light)[..., None], t262=(3, [0]), structure={262: 0})
        # No data, by the file and by the recipe: kept, and nothing else becomes it.
        holed = one.copy()
        holed[TRANSPARENT] = 5
        expected = equalized(holed, levels, holed != 5)
        expected[(expected == 5) & (holed != 5)] = 6
        cases.add(f"gray{bits}-nodata.tif", holed[..., None], bits, expected[..., None], t42113=(2, b"5\0"))
        cases.add(f"gray{bits}-nodata-given.tif", holed[..., None], bits, expected[..., None], {"nodata": 5}, rows=9)
        white = holed.copy()
        white[TRANSPARENT] = levels - 1
        expected = equalized(white, levels, white != levels - 1)
        expected[(expected == levels - 1) & (white != levels - 1)] = levels - 2
        cases.add(f"gray{bits}-nodata-highest.tif", white[..., None], bits, expected[..., None], {"nodata": levels - 1})
        # Alpha: transparent pixels are kept.
        alpha = np.full((HEIGHT, WIDTH), levels - 1)
        alpha[TRANSPARENT] = 0
        alpha[0] = 3
        four = np.concatenate([three, alpha[..., None]], -1)
        expected = np.concatenate([np.stack([equalized(three[..., c], levels, alpha > 0) for c in range(3)], -1), alpha[..., None]], -1)
        extra = {"t338": (3, [2]), "structure": {338: [2]}}
        cases.add(f"rgba{bits}.tif", four, bits, expected, compression=8, **extra)
        gray = np.stack([one, alpha], -1)
        expected = np.stack([equalized(one, levels, alpha > 0), alpha], -1)
        cases.add(f"gray-alpha{bits}.tif", gray, bits, expected, planar=True, t262=(3, [1]), **extra)
        five = pictures(bits, 5)
        each = np.stack([equalized(five[..., channel], levels) for channel in range(5)], -1)
        cases.add(f"bands{bits}.tif", five, bits, each, t262=(3, [1]), t338=(3, [0] * 4), structure={338: [0] * 4, 262: 1})
    # Colour is computed at 16 bits; here only the range and strength 0 are known.
    for bits in (10, 12, 14):
        for color in ("luma", "hsv", "oklab", "lab"):
            cases.add(f"rgb{bits}-{color}.tif", pictures(bits, 3), bits, None, {"color": color})
        tiles = {"method": "clahe", "clip_limit": 2, "tiles": [2, 3], "color": "luma"}
        cases.add(f"gray{bits}-clahe.tif", picture(bits)[..., None], bits, None, tiles)
        ranged = {**tiles, "range": [0, (1 << bits) - 1]}
        cases.add(f"gray{bits}-clahe-range.tif", picture(bits)[..., None], bits, None, ranged)
        limited = {"method": "global", "clip_limit": 3}
        cases.add(f"gray{bits}-plateau.tif", picture(bits)[..., None], bits, None, limited)


def alpha(cases):
    """Alpha of signed samples, and among bands: kept, with the samples below it where it is 0."""
    for bits in (8, 16):
        levels, half = 1 << bits, 1 << (bits - 1)
        signed = picture(bits)  # as two's complement
        opaque = np.full((HEIGHT, WIDTH), half - 1)
        opaque[TRANSPARENT] = 0
        opaque[0], opaque[1] = 1, levels - 1
        three = pictures(bits, 3)
        for name, colors in [("gray", signed[..., None]), ("rgb", three)]:
            channels = colors.shape[2]
            # From the lowest to the highest number, as unsigned ones from 0.
            each = [equalized(colors[..., c] ^ half, levels, opaque != 0) ^ half for c in range(channels)]
            expected = np.stack([*each, opaque], -1)
            fields = {"t339": (3, [2] * (channels + 1)), "t338": (3, [2]), "t262": (3, [1 if channels == 1 else 2])}
            structure = {339: [2] * (channels + 1), 338: [2]}
            pixels = np.concatenate([colors, opaque[..., None]], -1)
            cases.add(f"{name}-signed{bits}.tif", pixels, bits, expected, compression=8, structure=structure, **fields)
            cases.add(f"{name}-signed{bits}-tiles.tif", pixels, bits, expected, planar=True, tile=32, order=">", structure=structure, **fields)
        hidden = np.full((HEIGHT, WIDTH), levels - 1)
        hidden[TRANSPARENT] = 0
        hidden[3] = 7
        inverted = np.stack([levels - 1 - equalized(levels - 1 - signed, levels, hidden > 0), hidden], -1)
        white = {"t262": (3, [0]), "t338": (3, [2]), "structure": {262: 0, 338: [2]}}
        cases.add(f"inverted{bits}.tif", np.stack([signed, hidden], -1), bits, inverted, **white)
        # Colours or bands, with alpha in any place among the others.
        for photometric, colors, kinds in [
            (2, 3, [2, 0]),
            (2, 3, [0, 2]),
            (2, 3, [0, 2, 0, 0]),
            (1, 1, [0, 0, 0, 2]),
            (1, 1, [2, 0]),
            (1, 1, [0, 2]),
        ]:
            channels = colors + len(kinds)
            place = colors + kinds.index(2)
            pixels = pictures(bits, channels)
            pixels[..., place] = hidden
            expected = np.stack([equalized(pixels[..., c], levels, hidden > 0) for c in range(channels)], -1)
            expected[..., place] = hidden
            text = "".join(map(str, kinds))
            fields = {"t338": (3, kinds), "t262": (3, [photometric]), "structure": {338: kinds, 262: photometric}}
            cases.add(f"bands{bits}-{photometric}-{text}.tif", pixels, bits, expected, compression=32_773, **fields)
            cases.add(f"bands{bits}-{photometric}-{text}-planes.tif", pixels, bits, expected, planar=True, tile=16, order=">", **fields)
            # Each band has its own nodata.
            pixels = pixels.copy()
            pixels[40:50, 5:70, 0] = 9
            valid = pixels != 9
            expected = np.stack([equalized(pixels[..., c], levels, (hidden > 0) & valid[..., c]) for c in range(channels)], -1)
            moved = (expected == 9) & valid & (hidden > 0)[..., None]
            expected[moved] = 10
            expected[..., place] = hidden
            cases.add(f"bands{bits}-{photometric}-{text}-nodata.tif", pixels, bits, expected, t42113=(2, b"9\0"), **fields)


def make(folder):
    cases = Cases(folder)
    packed(cases)
    alpha(cases)
    (folder / "cases.json").write_text(json.dumps(cases.all))


def check(folder):
    wrong = []
    cases = json.loads((folder / "cases.json").read_text())
    for case in cases:
        name = case["name"]
        before = np.load(folder / f"{name}.before.npy")
        for prefix, expected in [("out", np.load(folder / f"{name}.npy") if case["exact"] else None), ("same", before)]:
            found, fields = read(folder / f"{prefix}-{name}")
            if found.shape != before.shape:
                wrong.append(f"{prefix}-{name}: {found.shape} instead of {before.shape}")
            elif expected is not None and not np.array_equal(found, expected):
                away = np.abs(found - expected)
                wrong.append(f"{prefix}-{name}: {np.count_nonzero(away)} samples differ, by up to {away.max()}")
            elif expected is None and np.array_equal(found, before):
                wrong.append(f"{prefix}-{name}: nothing changed")
            for tag, value in case["structure"].items():
                own = [int(one) for one in np.atleast_1d(fields.get(int(tag), 1))]
                if own != [int(one) for one in np.atleast_1d(value)]:
                    wrong.append(f"{prefix}-{name}: field {tag} is {own}, not {value}")
            if 266 in fields and fields[266] != 1:
                wrong.append(f"{prefix}-{name}: fill order {fields[266]}")
    print(f"{len(cases)} cases")
    print(*wrong, sep="\n")
    sys.exit(1 if wrong or len(cases) < 150 else 0)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))

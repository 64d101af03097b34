"""TIFFs of unusual structure, made by tifffile and by hand, and what tifffile reads in their results.

    tiffs.py make FOLDER    writes files and cases.json: for each file its sentences, and the pixels expected as .npy
    tiffs.py check FOLDER   compares each result (out-NAME, made at strength 0) with the expected pixels and structure

By hand: what no writer writes today but readers meet (libtiff's and GDAL's behaviour is the expectation). Used by
`server/tests/files/strange_tiffs.rs`.
"""

import json
import pathlib
import struct
import sys
import zlib

import numpy as np
import tifffile

HEIGHT, WIDTH = 96, 128
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8}


def picture(dtype="u1", kind=1, channels=0):
    """A picture without equal neighbours, whose lightest and darkest values don't occur."""
    if channels:
        return np.stack([picture(dtype, kind + channel) for channel in range(channels)], -1)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(kind).integers(0, 9, x.shape)
    values = (x * (1 + kind / 3) + y * 0.7 + 20 * ((x // 9 + y // 7) % 3) + noise) % 200 + 20
    return (values * (1 if np.dtype(dtype).itemsize == 1 else 57)).astype(dtype)


class Tiff:
    """A TIFF by hand: pixels first, then the directories."""

    def __init__(self, order="<", big=False):
        self.order, self.big = order, big
        magic = b"II" if order == "<" else b"MM"
        self.file = bytearray(magic + (struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)))
        self.pointer = 8 if big else 4

    def put(self, data):
        at = len(self.file)
        self.file += data
        return at

    def offset(self, value):
        return struct.pack(self.order + ("Q" if self.big else "I"), value)

    def numbers(self, kind, values):
        letter = {1: "B", 3: "H", 4: "I", 9: "i", 13: "I", 16: "Q"}[kind]
        return struct.pack(f"{self.order}{len(values)}{letter}", *values)

    def page(self, fields, raw=None, next_at=0):
        """Appends a directory. `fields`: tag -> (type, values as numbers or bytes); `raw`: tag -> (type, count, offset)."""
        entries = []
        for tag, (kind, values) in fields.items():
            data = values if isinstance(values, bytes) else self.numbers(kind, values)
            count = len(data) // SIZES[kind]
            inline = 8 if self.big else 4
            place = data.ljust(inline, b"\0") if len(data) <= inline else self.offset(self.put(data))
            entries.append((tag, kind, count, place))
        for tag, (kind, count, place) in (raw or {}).items():
            entries.append((tag, kind, count, self.offset(place)))
        entries.sort(key=lambda entry: entry[0])
        if len(self.file) % 2:
            self.put(b"\0")
        at = self.put(struct.pack(self.order + ("Q" if self.big else "H"), len(entries)))
        for tag, kind, count, place in entries:
            self.put(struct.pack(self.order + "HH", tag, kind) + self.offset(count) + place)
        self.file[self.pointer : self.pointer + len(self.offset(0))] = self.offset(at)
        self.pointer = self.put(self.offset(next_at))

    def fields(self, pixels, compression=1, strips=1, encode=bytes):
        """Fields of a page in strips, whose data are appended."""
        rows = HEIGHT // strips
        channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        data = [encode(pixels[at : at + rows].astype(pixels.dtype.newbyteorder(self.order)).tobytes()) for at in range(0, HEIGHT, rows)]
        offsets = [self.put(strip) for strip in data]
        fields = {
            256: (4, [WIDTH]),
            257: (4, [HEIGHT]),
            258: (3, [8 * pixels.dtype.itemsize] * channels),
            259: (3, [compression]),
            262: (3, [{3: 2, 4: 5}.get(channels, 1)]),
            273: (4, offsets),
            277: (3, [channels]),
            278: (4, [rows]),
            279: (4, [len(strip) for strip in data]),
        }
        if pixels.dtype.kind == "f":
            fields[339] = (3, [3])
        return fields


class Cases:
    def __init__(self, folder):
        self.folder, self.all = folder, []

    def add(self, name, pixels=None, notes=(), refused=(), **structure):
        """A file that is processed to `pixels` with these words in its notes, or refused with these words."""
        if pixels is not None:
            np.save(self.folder / f"{name}.npy", pixels)
        self.all.append({"name": name, "notes": list(notes), "refused": list(refused), "structure": structure})

    def hand(self, name, tiff, pixels=None, **case):
        (self.folder / name).write_bytes(tiff.file)
        self.add(name, pixels, **case)


def tolerance(cases):
    """What other readers open."""
    beyond = 1 << 30
    gray, wide = picture(), picture("u2", 2)
    for order, big in [("<", False), (">", False), ("<", True)]:
        name = ("big" if big else "classic") + ("-be" if order == ">" else "")
        for tag, kind in [(65_000, 7), (34_675, 7), (700, 1), (37_724, 7)]:
            tiff = Tiff(order, big)
            tiff.page(tiff.fields(gray), {tag: (kind, 100, beyond)})
            cases.hand(f"{name}-tag{tag}-beyond.tif", tiff, gray, notes=[f"{tag} can't be read"])
        for tag, what in [(34_665, "EXIF"), (34_853, "GPS")]:
            for at in [beyond, 20]:
                tiff = Tiff(order, big)
                tiff.page(tiff.fields(gray | 0x80 if at == 20 else gray), {tag: (4, 1, at)})
                expected = gray | 0x80 if at == 20 else gray
                if order == "<":
                    cases.hand(f"{name}-{what}-at{at}.tif", tiff, expected, notes=[what])
        tiff = Tiff(order, big)
        tiff.page(tiff.fields(wide), next_at=beyond)
        cases.hand(f"{name}-next-beyond.tif", tiff, wide, notes=["beyond its end"])
        tiff = Tiff(order, big)
        fields = tiff.fields(wide, strips=3)
        del fields[279]
        tiff.page(fields)
        cases.hand(f"{name}-no-counts.tif", tiff, wide)
    tiff = Tiff()
    tiff.page(tiff.fields(gray), {65_001: (99, 1, 0)})
    cases.hand("type-99.tif", tiff, gray, notes=["65001 can't be read"])
    tiff = Tiff()
    tiff.page(tiff.fields(gray))
    tiff.page(tiff.fields(picture(kind=3)), next_at=beyond)
    cases.hand("two-pages-next-beyond.tif", tiff, np.stack([gray, picture(kind=3)]), notes=["beyond its end"])

    def changed(name, pixels, change, expected=None, compression=1, encode=bytes, strips=3, order="<", **case):
        tiff = Tiff(order)
        fields = tiff.fields(pixels, compression, strips, encode)
        fields.update(change(fields) or {})
        tiff.page({tag: field for tag, field in fields.items() if field})
        cases.hand(name, tiff, pixels if expected is None else expected, **case)

    changed("deflate-no-counts.tif", wide, lambda _: {279: None}, None, 8, zlib.compress)
    changed("count-0.tif", gray, lambda _: {279: (4, [0])}, strips=1)
    changed("count-short.tif", gray, lambda _: {279: (4, [5])}, strips=1)
    changed("counts-long.tif", wide, lambda f: {279: (4, [2 * n for n in f[279][1]])})
    changed("rows-0-deflate.tif", gray, lambda _: {278: (4, [0])}, None, 8, zlib.compress, 1)
    changed("rows-max.tif", wide, lambda _: {278: (4, [0xFFFFFFFF])}, strips=1)
    changed("no-rows.tif", wide, lambda _: {278: None}, strips=1)
    more = lambda f: {tag: (4, f[tag][1] + [4]) for tag in (273, 279)}
    changed("more-strips-deflate.tif", gray, more, None, 8, zlib.compress)
    changed("more-offsets.tif", wide, lambda f: {273: (4, f[273][1] + [8, 8, 8])})
    changed("no-photometric-16.tif", wide, lambda _: {262: None}, notes=["PhotometricInterpretation"], photometric=1)
    changed("no-photometric-deflate.tif", gray, lambda _: {262: None}, None, 8, zlib.compress, notes=["read as gray"])
    changed("predictor-2-16.tif", wide, lambda _: {317: (3, [2])})
    floats = picture("f4")
    changed("predictor-3-float.tif", floats, lambda _: {317: (3, [3])}, order=">")
    reverse = lambda data: data.translate(REVERSED)
    changed("fill2-deflate.tif", wide, lambda _: {266: (3, [2])}, None, 8, lambda data: reverse(zlib.compress(data)))
    changed("fill2-none-16.tif", wide, lambda _: {266: (3, [2])}, encode=reverse)
    changed("fill2-float.tif", floats, lambda _: {266: (3, [2])}, encode=reverse)
    changed("signed-sizes.tif", gray, lambda _: {256: (9, [WIDTH]), 257: (9, [HEIGHT]), 278: (9, [32])})
    changed("private-ifd.tif", gray, lambda _: {50_000: (13, [8])}, notes=["50000", "positions"])
    changed("lsm.tif", gray, lambda _: {34_412: (7, bytes(40))}, notes=["34412", "positions"])
    changed("kodak.tif", wide, lambda _: {33_424: (4, [8])}, notes=["33424", "positions"])
    # Tiles that are listed as if they were strips.
    tiff = Tiff()
    fields = tiff.fields(gray)
    places = [tiff.put(gray[y : y + 32, x : x + 32].tobytes()) for y in range(0, HEIGHT, 32) for x in range(0, WIDTH, 32)]
    fields.update({273: (4, places), 279: (4, [1_024] * 12), 322: (3, [32]), 323: (3, [32])})
    del fields[278]
    tiff.page(fields)
    cases.hand("tiles-as-strips.tif", tiff, gray)
    # A compressed strip whose length is rounded up beyond the end of the file: its directory lies before it.
    tiff = Tiff()
    data = zlib.compress(gray.tobytes())
    fields = tiff.fields(gray, 8, 1, lambda _: b"")
    at = 8 + 2 + 12 * len(fields) + 4
    fields.update({273: (4, [at]), 279: (4, [len(data) + 3])})
    tiff.page(fields)
    assert len(tiff.file) == at
    tiff.put(data)
    cases.hand("count-beyond-deflate.tif", tiff, gray)
    # Those really are cut short.
    for name, length in [("cut.tif", 4_000), ("cut-in-directory.tif", -30)]:
        tiff = Tiff()
        tiff.page(tiff.fields(wide))
        tiff.file = tiff.file[:length]
        cases.hand(name, tiff, refused=["truncated"])


def slices(cases):
    """Several slices behind one directory."""
    stack = np.stack([picture("u2", kind) for kind in range(1, 6)])

    def imagej(name, images, described, order, **case):
        tiff = Tiff(order)
        at = tiff.put(images.astype(images.dtype.newbyteorder(order)).tobytes())
        fields = tiff.fields(images[0], encode=lambda _: b"")
        length = images[0].nbytes
        text = f"ImageJ=1.53t\nimages={described}\nslices={described}\nmin=1.0\nmax=9.0\n\0".encode()
        fields.update({270: (2, text), 273: (4, [at]), 279: (4, [length])})
        tiff.page(fields)
        cases.hand(name, tiff, **case)

    told = ["slices lay behind one page", "display range"]
    imagej("imagej-u2.tif", stack, 5, ">", pixels=stack, notes=told)
    imagej("imagej-f4.tif", stack.astype("f4"), 5, "<", pixels=stack.astype("f4"), notes=told)
    colors = np.stack([picture(kind=kind, channels=3) for kind in range(1, 5)])
    imagej("imagej-rgb.tif", colors, 4, ">", pixels=colors, notes=told, photometric=2)
    imagej("imagej-short.tif", stack[:3], 7, ">", refused=["7 slices", "for 3"])
    imagej("imagej-lone.tif", stack[:1], 7, ">", pixels=stack[0], notes=["display range"], stale=True)
    for name, shape in [("truncate.tif", (5, HEIGHT, WIDTH)), ("truncate-2d.tif", (HEIGHT, WIDTH))]:
        data = stack if len(shape) == 3 else stack[0]
        tifffile.imwrite(cases.folder / name, data, truncate=True, photometric="minisblack")
        cases.add(name, data, notes=told[:1] if len(shape) == 3 else [])
    grid = np.stack([stack[:4], stack[1:]]).reshape(2, 2, 2, HEIGHT, WIDTH)
    tifffile.imwrite(cases.folder / "truncate-5d.tif", grid, truncate=True, photometric="minisblack")
    cases.add("truncate-5d.tif", grid.reshape(8, HEIGHT, WIDTH), notes=told[:1])
    for name, more in [("volume.tif", {}), ("volume-tiles.tif", {"tile": (5, 32, 32), "compression": "zlib"})]:
        tifffile.imwrite(cases.folder / name, stack, volumetric=True, photometric="minisblack", **more)
        cases.add(name, refused=["5 slices", "ImageDepth", "tifffile"])
    tiff = Tiff()
    tiff.put(stack.tobytes())
    tiff.page({**tiff.fields(stack[0]), 33_629: (5, bytes(8 * 5))})
    cases.hand("metamorph.tif", tiff, refused=["MetaMorph", "5 planes"])


def extra(cases):
    """Red, green, blue and further samples."""
    five = picture(channels=5)
    tifffile.imwrite(cases.folder / "five.tif", five, photometric="rgb", extrasamples=[0, 0], compression="zlib", tile=(32, 32))
    cases.add("five.tif", five, photometric=2, extrasamples=[0, 0])
    planes = np.moveaxis(picture("u2", channels=4), -1, 0)
    tifffile.imwrite(cases.folder / "planes.tif", planes, photometric="rgb", planarconfig="separate", extrasamples=[0])
    cases.add("planes.tif", planes, photometric=2, extrasamples=[0])
    tifffile.imwrite(cases.folder / "gray-and-more.tif", five, photometric="minisblack", extrasamples=[0] * 4, planarconfig="contig")
    cases.add("gray-and-more.tif", five, photometric=1, extrasamples=[0] * 4)
    tifffile.imwrite(cases.folder / "alpha-and-more.tif", five, photometric="rgb", extrasamples=[0, 2])
    cases.add("alpha-and-more.tif", five, photometric=2, extrasamples=[0, 2])
    tifffile.imwrite(cases.folder / "alphas-and-more.tif", five, photometric="rgb", extrasamples=[2, 2])
    cases.add("alphas-and-more.tif", refused=["5 samples", "2 alphas", "gdal_translate -b 1"])


def inks(cases):
    """Four inks (CMYK), and others."""
    kept = {"photometric": 5}
    for name, dtype, more in [
        ("inks.tif", "u1", {}),
        ("inks-16.tif", "u2", {}),
        ("inks-be-tiles.tif", "u2", {"byteorder": ">", "tile": (32, 48), "compression": "zlib"}),
        ("inks-big.tif", "u1", {"bigtiff": True, "rowsperstrip": 7, "compression": "zlib", "predictor": True}),
    ]:
        pixels = picture(dtype, channels=4)
        tifffile.imwrite(cases.folder / name, pixels, photometric="separated", planarconfig="contig", **more)
        cases.add(name, pixels, **kept)
    planes = np.moveaxis(picture("u2", channels=4), -1, 0)
    tifffile.imwrite(cases.folder / "inks-planes.tif", planes, photometric="separated", planarconfig="separate")
    cases.add("inks-planes.tif", planes, **kept)
    described = [(332, 3, 1, 1, True), (334, 3, 1, 4, True), (336, 1, 2, (0, 255), True)]
    tifffile.imwrite(cases.folder / "inks-set.tif", picture(channels=4), photometric="separated", planarconfig="contig", extratags=described)
    cases.add("inks-set.tif", picture(channels=4), **kept)
    floats = picture("f4", channels=4)
    tifffile.imwrite(cases.folder / "inks-float.tif", floats, photometric="separated", planarconfig="contig")
    cases.add("inks-float.tif", refused=["floating-point samples of 32 bits"])
    five = picture(channels=5)
    tifffile.imwrite(cases.folder / "inks-alpha.tif", five, photometric="separated", extrasamples=[2], planarconfig="contig")
    cases.add("inks-alpha.tif", refused=["5 samples", "alpha or further inks"])


def imagej(cases):
    """ImageJ's display ranges."""
    stack = np.stack([picture("u2", kind) for kind in range(1, 5)])
    both = {"axes": "ZCYX", "Ranges": (10.0, 20.0, 30.0, 40.0), "Labels": list("abcd"), "mode": "composite", "min": 1.0, "max": 2.0}
    data = stack.reshape(2, 2, HEIGHT, WIDTH)
    for name, order in [("ranges.tif", "<"), ("ranges-be.tif", ">")]:
        tifffile.imwrite(cases.folder / name, data, imagej=True, metadata=both, byteorder=order)
        cases.add(name, stack, notes=["display ranges", "display range (min"], labels=list("abcd"))
    tifffile.imwrite(cases.folder / "ranges-alone.tif", stack[:2], imagej=True, metadata={"Ranges": (1.0, 2.0)})
    cases.add("ranges-alone.tif", stack[:2], notes=["display ranges"])
    tifffile.imwrite(cases.folder / "no-range.tif", stack[:3], imagej=True, metadata={"Labels": list("abc"), "unit": "um"})
    cases.add("no-range.tif", stack[:3], labels=list("abc"), unit="um")


def make(folder):
    cases = Cases(folder)
    for family in (tolerance, slices, extra, inks, imagej):
        family(cases)
    (folder / "cases.json").write_text(json.dumps(cases.all))


def check(folder):
    wrong = []
    cases = [case for case in json.loads((folder / "cases.json").read_text()) if not case["refused"]]
    for case in cases:
        name, structure = case["name"], case["structure"]
        expected = np.load(folder / f"{name}.npy")
        with tifffile.TiffFile(folder / f"out-{name}") as result:
            found = np.stack([page.asarray() for page in result.pages]) if len(result.pages) > 1 else result.pages[0].asarray()
            tags = result.pages[0].tags
            if found.shape != expected.shape or not np.array_equal(found, expected):
                wrong.append(f"{name}: {found.shape} {found.dtype} instead of {expected.shape}, or other pixels")
            if "photometric" in structure and tags[262].value != structure["photometric"]:
                wrong.append(f"{name}: photometric {tags[262].value}")
            if "extrasamples" in structure and [int(kind) for kind in np.atleast_1d(tags[338].value)] != structure["extrasamples"]:
                wrong.append(f"{name}: extra samples {tags[338].value}")
            metadata = result.imagej_metadata or {}
            if any(key in metadata for key in ("min", "max", "Ranges")):
                wrong.append(f"{name}: ImageJ still has a range: {metadata}")
            if "labels" in structure and metadata.get("Labels") != structure["labels"]:
                wrong.append(f"{name}: labels {metadata}")
            if "unit" in structure and metadata.get("unit") != structure["unit"]:
                wrong.append(f"{name}: unit {metadata}")
            described = "ImageJ" in str(tags[270].value if 270 in tags else "") and "stale" not in structure
            if described and metadata.get("images", 1) != len(result.pages):
                wrong.append(f"{name}: {metadata.get('images')} images described, {len(result.pages)} pages")
    print(f"{len(cases)} results read by tifffile")
    print(*wrong, sep="\n")
    sys.exit(1 if wrong or len(cases) < 40 else 0)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))

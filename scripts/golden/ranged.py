"""TIFFs of floating-point numbers and of whole numbers of 32 bits, made by tifffile, and what numpy makes of them.

    ranged.py make FOLDER    writes files and cases.json: for each file its recipe and words of its notes
    ranged.py check FOLDER   compares each result (out-NAME) with docs/methods.md's formulas, computed by numpy

Used by `server/tests/files/ranged.rs`.
"""

import json
import pathlib
import sys

import numpy as np
import tifffile

HEIGHT, WIDTH = 96, 128
BINS = 65536
TYPES = ["f2", "f4", "f8", "i4", "u4"]
RNG = np.random.default_rng(14)


def shaped(values, dtype):
    """Values as an image of this type: rounded and clipped if they are whole numbers."""
    if np.dtype(dtype).kind in "iu":
        info = np.iinfo(dtype)
        values = np.clip(np.rint(values), info.min, info.max)
    return values.reshape(HEIGHT, WIDTH, *values.shape[1:]).astype(dtype)


def terrain(dtype, kind=0):
    """Uneven values: a slope, waves and noise."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(kind).normal(size=x.shape)
    values = (x / 20) ** 3 + 30 * np.sin(y / (7 + kind)) + 5 * noise
    span = {"f2": 40, "f4": 1e3, "f8": 1e9, "i4": 4e6, "u4": 9e6}[dtype]
    offset = {"f2": -500, "f4": -1e4, "f8": 1e11, "i4": -9e8, "u4": 5e8}[dtype]
    return shaped((values * span + offset).ravel(), dtype)


class Cases:
    def __init__(self, folder):
        self.folder, self.all = folder, []

    def add(self, name, data, recipe=None, notes=(), nodata=None, **options):
        tags = [] if nodata is None else [(42113, "s", 0, str(nodata), True)]
        options.setdefault("photometric", "minisblack")
        tifffile.imwrite(self.folder / name, data, extratags=tags, metadata=None, **options)
        self.all.append({"name": name, "recipe": recipe or {"method": "global"}, "notes": list(notes), "nodata": nodata})


def structures(cases):
    """Each type in strips, tiles and planes, in both byte orders, and in BigTIFF."""
    for dtype in TYPES:
        image = terrain(dtype)
        for order, name in [("<", "le"), (">", "be")]:
            cases.add(f"{dtype}-{name}.tif", image, byteorder=order, rowsperstrip=7)
            cases.add(f"{dtype}-{name}-tiles.tif", image, byteorder=order, tile=(32, 48), compression="zlib")
        cases.add(f"{dtype}-big.tif", image, bigtiff=True, compression="zlib")
        bands = np.stack([terrain(dtype, kind) for kind in range(3)])
        cases.add(f"{dtype}-planes.tif", bands, {"method": "global", "color": "channels"}, planarconfig="separate", extrasamples=[0, 0])
        interleaved = np.moveaxis(bands, 0, -1)
        cases.add(f"{dtype}-rgb.tif", interleaved, {"method": "global", "color": "channels"}, photometric="rgb")


def missing(cases):
    """Nodata of each type, and what is no number."""
    for dtype, nodata in [("f2", -9999), ("f4", 1e20), ("f4", -3.4e38), ("f8", -9999), ("f8", 0.1), ("i4", -2147483648), ("u4", 0)]:
        image = terrain(dtype)
        holes = RNG.random(image.shape) < 0.2
        image[holes] = np.array(nodata).astype(dtype)
        if dtype[0] == "f":
            image[:2, :3] = [[np.nan, np.inf, -np.inf]] * 2
        cases.add(f"nodata-{dtype}-{nodata}.tif", image, nodata=nodata)


def numbers(cases):
    """Numbers that other types can't hold."""
    exact = shaped(4_294_900_000 + RNG.integers(0, 67_000, HEIGHT * WIDTH), "u4")
    cases.add("u4-above-f4.tif", exact)
    cases.add("u4-whole-range.tif", shaped(RNG.integers(0, 1 << 32, HEIGHT * WIDTH), "u4"))
    cases.add("i4-whole-range.tif", shaped(RNG.integers(-(1 << 31), 1 << 31, HEIGHT * WIDTH), "i4"))
    cases.add("i4-levels.tif", shaped(RNG.normal(0, 60, HEIGHT * WIDTH), "i4"))
    cases.add("u4-levels-65536.tif", shaped(np.concatenate([[0, 65535], RNG.gamma(2, 5000, HEIGHT * WIDTH - 2)]).clip(0, 65535), "u4"))
    cases.add("u4-65537-values.tif", shaped(np.concatenate([[0, 65536], RNG.gamma(2, 5000, HEIGHT * WIDTH - 2)]).clip(0, 65536), "u4"))
    cases.add("f8-fine.tif", shaped(1e9 + RNG.gamma(2, 1e-4, HEIGHT * WIDTH), "f8"))
    cases.add("f8-huge.tif", shaped(RNG.normal(size=HEIGHT * WIDTH).clip(-3.5, 3.5) * 5e307, "f8"))
    cases.add("f8-tiny.tif", shaped(RNG.gamma(2, 1e-300, HEIGHT * WIDTH), "f8"))
    cases.add("f2-whole-range.tif", shaped(RNG.uniform(-65504, 65504, HEIGHT * WIDTH), "f2"))
    cases.add("one-value.tif", np.full((HEIGHT, WIDTH), 7, "i4"))


def outliers(cases):
    """Values far away from all others."""
    for dtype in ["f4", "f8", "i4", "u4"]:
        base = shaped(RNG.gamma(3, 30, HEIGHT * WIDTH), dtype)
        far = {"f4": 1e6, "f8": 1e300, "i4": 2**31 - 1, "u4": 2**32 - 1}[dtype]
        hot = base.copy()
        hot[17, 5] = far
        cases.add(f"hot-{dtype}.tif", hot, notes=["1 value is far away", "--range"])
        several = base.copy()
        several.ravel()[RNG.choice(base.size, 20, replace=False)] = far / np.arange(1, 21)
        cases.add(f"hot-several-{dtype}.tif", several, notes=["20 values are far away", "`range`"])
        cases.add(f"hot-strength-{dtype}.tif", hot, {"method": "global", "strength": 0.5}, notes=["1 value is"])
        cases.add(f"hot-none-{dtype}.tif", hot, {"method": "global", "strength": 0}, notes=["1 value is"])
        cases.add(f"hot-range-{dtype}.tif", hot, {"method": "global", "range": [0, 1000]})
        cases.add(f"hot-stretch-{dtype}.tif", hot, {"method": "stretch", "low": 2, "high": 98}, notes=["1 value is"])
        cases.add(f"hot-points-{dtype}.tif", hot, {"method": "stretch", "black": 10, "white": 200})
    both = shaped(RNG.normal(0, 1, HEIGHT * WIDTH), "f4")
    both[3, 3], both[4, 4], both[5, 5] = -1e30, 1e30, 3e38
    cases.add("hot-and-dead.tif", both, notes=["3 values are"])
    few = shaped(RNG.normal(1000, 0.01, HEIGHT * WIDTH), "f8")
    few[50, 50] = 2000
    cases.add("hot-on-offset.tif", few, notes=["1 value is"])
    bands = np.stack([shaped(RNG.gamma(3, 30, HEIGHT * WIDTH), "f4") for _ in range(3)], -1)
    bands[9, 9, 1] = 1e7
    cases.add("hot-in-a-band.tif", bands, {"method": "global", "color": "channels"}, notes=["of channel 2"], photometric="minisblack",
              planarconfig="contig", extrasamples=[0, 0])
    # No outliers: a long tail without a gap, a range that is wide but even, and a picture mostly of one value.
    cases.add("tail.tif", shaped(RNG.lognormal(0, 1.5, HEIGHT * WIDTH), "f4"))
    cases.add("wide.tif", shaped(RNG.uniform(-1e30, 1e30, HEIGHT * WIDTH), "f4"))
    sparse = np.zeros((HEIGHT, WIDTH), "f4")
    sparse[40, 10:30] = np.arange(20) * 1e5
    cases.add("sparse.tif", sparse)


def recipes(cases):
    """The other methods, on each type."""
    for dtype in TYPES:
        image = terrain(dtype)
        low, high = (float(value) for value in np.percentile(image.astype("f8"), [20, 80], method="nearest"))
        for name, recipe in [
            ("strength", {"method": "global", "strength": 0.25}),
            ("none", {"method": "global", "strength": 0}),
            ("range", {"method": "global", "range": [low, high]}),
            ("range-none", {"method": "global", "range": [low, high], "strength": 0}),
            ("stretch", {"method": "stretch", "low": 5, "high": 90}),
            ("gamma", {"method": "stretch", "low": 0, "high": 100, "gamma": 2}),
            ("points", {"method": "stretch", "black": low, "white": high}),
            ("plateau", {"method": "global", "clip_limit": 65536}),
        ]:
            cases.add(f"{name}-{dtype}.tif", image, recipe)
    levels = shaped(RNG.normal(0, 60, HEIGHT * WIDTH), "i4")
    cases.add("stretch-levels.tif", levels, {"method": "stretch", "low": 5, "high": 90})
    cases.add("strength-levels.tif", levels, {"method": "global", "strength": 0.25})


def make(folder):
    cases = Cases(folder)
    for family in (structures, missing, numbers, outliers, recipes):
        family(cases)
    (folder / "cases.json").write_text(json.dumps(cases.all))


def ends(values, recipe):
    """The range of a plane's values, and the least and greatest of all."""
    if "range" in recipe:
        return recipe["range"], recipe["range"]
    ordered = np.sort(values)
    outermost = ordered[0], ordered[-1]
    outside = len(ordered) // 200
    low, high = ordered[outside], ordered[-1 - outside]
    reach = 100 * (high - low)
    if reach <= 0 or "black" in recipe:
        return outermost, outermost
    kept = ordered[(ordered >= low - reach) & (ordered <= high + reach)]
    return (kept[0], kept[-1]), outermost


def curve(values, dtype, recipe):
    """The values at the edges of a plane's bins, and what they become; both as quarters of their distance from the range's lower end,
    which are exact where values lie close together, and finite where they lie far apart."""
    (lo, hi), (least, greatest) = ends(values, recipe)
    below, above = int(least < lo), int(greatest > hi)
    levels = np.dtype(dtype).kind in "iu" and hi - lo < BINS - below - above
    steps = int(hi - lo) if levels else int(BINS - below - above)
    inside = values[(values >= lo) & (values <= hi)] if below or above else np.clip(values, lo, hi)
    # Halves, since the length of a range of f8 may be infinite.
    place = inside - lo if levels else (inside / 2 - lo / 2) / (hi / 2 - lo / 2) * steps
    counts = np.bincount(np.minimum(place.astype(int), steps if levels else steps - 1), minlength=steps + levels)
    under, over = int((values < lo).sum()) * below, int((values > hi).sum()) * above
    edges = np.arange(steps + 1)
    old = lo + edges if levels else (lo / 2 + (hi / 2 - lo / 2) * (edges / steps)) * 2
    if "black" in recipe:
        share = np.clip((old - recipe["black"]) / (recipe["white"] - recipe["black"]), 0, 1)
    elif recipe["method"] == "stretch":
        passed = under + np.cumsum(counts) > len(values) * recipe["low"] / 100
        from_top = over + np.cumsum(counts[::-1]) > len(values) * (100 - recipe["high"]) / 100
        low, high = np.argmax(passed), len(counts) - np.argmax(from_top) - levels
        share = np.clip((edges - low) / (high - low), 0, 1)
    elif levels:
        lowest = under or counts[counts > 0][0]
        share = np.maximum(under + np.cumsum(counts) - lowest, 0) / (len(values) - lowest)
    else:
        share = (under + np.concatenate([[0], np.cumsum(counts)])) / len(values)
    share = share ** (1 / recipe.get("gamma", 1))
    # Outliers have a bin on either side, from the end of the range to the outermost value.
    length = hi / 4 - lo / 4
    at = edges / 4 if levels else length * (edges / steps)
    at = np.concatenate([[least / 4 - lo / 4] * below, at, [greatest / 4 - lo / 4] * above])
    share = np.concatenate([[0] * below, share, [1] * above])
    if levels and above:
        at, share = np.insert(at, -1, length), np.insert(share, -1, share[-2])
    return at, length * share


def equalized(values, dtype, recipe):
    """The new values of a plane's valid values."""
    (lo, hi), (least, greatest) = ends(values, recipe)
    strength = recipe.get("strength", 1)
    if strength == 0 or lo == hi:
        return values
    old, new = curve(values, dtype, recipe)
    new = new if strength == 1 else old + strength * (new - old)
    return (lo / 4 + np.interp(np.clip(values, least, greatest) / 4 - lo / 4, old, new)) * 4


def valid(plane, nodata):
    usable = np.isfinite(plane) if plane.dtype.kind == "f" else np.ones(plane.shape, bool)
    return usable if nodata is None else usable & (plane != np.array(nodata).astype(plane.dtype))


def wrong(case, before, after):
    """Returns what is wrong with a result."""
    if (before.shape, before.dtype) != (after.shape, after.dtype):
        return f"{after.shape} {after.dtype} instead of {before.shape} {before.dtype}"
    recipe, dtype = case["recipe"], before.dtype
    planes = [(before, after)]
    if recipe.get("color") == "channels":
        axis = 0 if before.shape[0] == 3 else -1
        planes = [(np.take(before, i, axis), np.take(after, i, axis)) for i in range(3)]
    for index, (old, new) in enumerate(planes):
        shown = valid(old, case["nodata"])
        if old[~shown].tobytes() != new[~shown].tobytes():
            return f"plane {index}: what is no value changed"
        values, found = old[shown].astype("f8"), new[shown].astype("f8")
        if recipe.get("strength") == 0 and old.tobytes() != new.tobytes():
            return f"plane {index}: changed at strength 0"
        exact = equalized(values, dtype, recipe)
        if dtype.kind in "iu":
            exact, tolerance = np.rint(exact), 0
        else:
            # The formulas are the same, the order of operations isn't.
            tolerance = np.abs(np.spacing(exact.astype(dtype))).astype("f8") + 1e-12 * np.ptp(values / 4) * 4
        if case["nodata"] is not None:
            # A value that would have become nodata is the next one.
            missing = np.array(case["nodata"]).astype(dtype)
            exact = np.where(exact.astype(dtype) == missing, found, exact)
        differs = np.abs(found - exact) > tolerance
        # Halfway between two whole numbers, the order of operations decides.
        if differs.mean() > (1e-3 if dtype.kind in "iu" else 0):
            at = np.argmax(np.abs(found - exact))
            return f"plane {index}: {differs.sum()} differ, most {values[at]} became {found[at]} instead of {exact[at]}"
        if dtype.kind in "iu" and np.abs(found - exact).max() > 1:
            return f"plane {index}: off by {np.abs(found - exact).max()}"
        order = np.argsort(values, kind="stable")
        if recipe.get("strength", 1) == 1 and np.any(np.diff(found[order]) < 0):
            return f"plane {index}: values overtake each other"
    return None


def check(folder):
    failures = []
    cases = json.loads((folder / "cases.json").read_text())
    for case in cases:
        before, after = tifffile.imread(folder / case["name"]), tifffile.imread(folder / f"out-{case['name']}")
        failure = wrong(case, before, after)
        if failure:
            failures.append(f"{case['name']}: {failure}")
    print(f"{len(cases)} results compared with numpy")
    print(*failures, sep="\n")
    sys.exit(1 if failures or len(cases) < 120 else 0)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))

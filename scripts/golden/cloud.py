"""Checks that results of cloud-optimized GeoTIFFs are cloud-optimized, by rio-cogeo and GDAL.

    cloud.py FOLDER

For each `NAME.tif` in the folder, `out-NAME.tif` must be a valid COG with the same pixels, tags and georeference, whose overviews are
the rounded means of squares of pixels that aren't nodata.
"""

import pathlib
import sys

import numpy as np
import rasterio
from rio_cogeo.cogeo import cog_validate


def means(pixels, nodata, factor, shape):
    """Means of squares, rounded half up; nodata where all of a square is."""
    count, height, width = pixels.shape
    padded = np.full((count, shape[0] * factor, shape[1] * factor), np.nan)
    rows, columns = min(height, padded.shape[1]), min(width, padded.shape[2])
    padded[:, :rows, :columns] = pixels[:, :rows, :columns]
    if nodata is not None:
        padded[:, (np.nan_to_num(padded, nan=nodata) == nodata).all(axis=0)] = np.nan
    squares = padded.reshape(count, shape[0], factor, shape[1], factor)
    known = np.isfinite(squares).sum(axis=(2, 4))
    sums = np.nansum(squares, axis=(2, 4))
    return np.where(known > 0, np.floor(sums / np.maximum(known, 1) + 0.5), nodata if nodata is not None else 0)


def differences(original, result):
    valid, errors, warnings = cog_validate(result, strict=True, quiet=True)
    if not valid:
        yield f"not cloud-optimized: {errors} {warnings}"
    with rasterio.open(original) as one, rasterio.open(result) as other:
        before, after = one.read(), other.read()
        if not np.array_equal(before, after):
            yield "other pixels"
        for what in ("crs", "transform", "nodata", "block_shapes", "descriptions", "colorinterp"):
            if getattr(one, what) != getattr(other, what):
                yield f"{what}: {getattr(one, what)} became {getattr(other, what)}"
        if one.tags() != other.tags():
            yield f"tags: {one.tags()} became {other.tags()}"
        if other.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
            yield "GDAL doesn't call it a COG"
        factors = other.overviews(1)
        if one.overviews(1) != factors:
            yield f"overviews {one.overviews(1)} became {factors}"
        nodata = other.nodata
    for level, factor in enumerate(factors):
        with rasterio.open(result, overview_level=level) as small:
            if not np.array_equal(small.read(), means(after, nodata, factor, small.shape)):
                yield f"the overview of 1:{factor} isn't that of the pixels"


def main(folder):
    failed, count = 0, 0
    for original in sorted(pathlib.Path(folder).glob("*.tif")):
        if original.name.startswith("out-"):
            continue
        count += 1
        for difference in differences(original, original.with_name(f"out-{original.name}")):
            print(f"{original.name}: {difference}")
            failed += 1
    print(f"{count} files, {failed} differences")
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

#!/usr/bin/env python3
"""Writes shared/tests/golden/nodata.json: how bright CLAHE is beside nodata, by numpy in double precision.

Independent of the Rust code: docs/methods.md describes the arithmetic. Run with the tests' Python (numpy and OpenCV).
"""
import json
import pathlib

import cv2
import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOOKS = ROOT / "server/tests/samples/looks"


def core(image, known):
    """The 0.1 and 99.9 percentiles of the known pixels, as levels that occur."""
    levels = numpy.sort(image[known])
    outliers = len(levels) * 1_000 // 1_000_000
    return levels[outliers], levels[len(levels) - 1 - outliers]


def places(image, known, wide):
    """Returns each level's place among the bins (bins and a fraction), and the number of bins."""
    if not wide:
        return image.astype(float), 256
    least, greatest = image[known].min(), image[known].max()
    low, high = core(image, known)
    below, above = int(least < low), int(high < greatest)
    bins = min(256, int(greatest) - int(least) + 1)
    inner = bins - below - above
    level = numpy.clip(image.astype(float), least, greatest)
    place = below + (level - low) * inner / (high - low)
    if below:
        place = numpy.where(level < low, (level - least) / (low - least), place)
    if above:
        place = numpy.where(level > high, below + inner + (level - high) / (greatest - high), place)
    return place, bins


def equalized(image, known, columns, rows, limit):
    """Returns the result from 0 to 255. The sides must be divisible by the grid."""
    wide = image.dtype == numpy.uint16
    place, bins = places(image, known, wide)
    height, width = image.shape
    tile_height, tile_width = height // rows, width // columns
    assert (tile_height * rows, tile_width * columns) == image.shape
    index = numpy.minimum(place.astype(int), bins - 1)
    tables, counted = {}, {}
    for row in range(rows):
        for column in range(columns):
            tile = numpy.s_[row * tile_height : (row + 1) * tile_height, column * tile_width : (column + 1) * tile_width]
            counts = numpy.bincount(index[tile][known[tile]], minlength=bins).astype(float)
            total = counted[row, column] = counts.sum()
            if total == 0:
                continue
            if limit > 0:
                most = limit * total / bins
                excess = numpy.maximum(counts - most, 0).sum()
                counts = numpy.minimum(counts, most) + excess / bins
            sums = numpy.cumsum(counts)
            # Of a range, the sum below each edge; with an entry for each level, the sum up to it.
            tables[row, column] = numpy.concatenate([[0], sums] if wide else [sums]) * 255 / total
    if wide:
        linear = numpy.arange(bins + 1) * 255 / bins
    else:
        low, high = (float(level) for level in core(image, known))
        linear = numpy.clip((numpy.arange(256) - low) / (high - low), 0, 1) * 255
    filled = {}
    for row in range(rows):
        for column in range(columns):
            around = [(r, c) for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)]
            around = [tables[tile] for tile in around if counted.get(tile, 0) > 0]
            if counted[row, column] > 0:
                filled[row, column] = tables[row, column]
            elif around:
                filled[row, column] = numpy.mean([*around, linear], axis=0)
            else:
                filled[row, column] = linear
    stacked = numpy.array([[filled[row, column] for column in range(columns)] for row in range(rows)])
    part = place - index

    def between(length, tile, grid):
        at = numpy.arange(length) / tile - 0.5
        first = numpy.floor(at).astype(int)
        return numpy.clip(first, 0, grid - 1), numpy.clip(first + 1, 0, grid - 1), at - first

    upper, lower, down = between(height, tile_height, rows)
    left, right, across = between(width, tile_width, columns)
    result = numpy.zeros(image.shape)
    for row, weight_down in ((upper, 1 - down), (lower, down)):
        for column, weight_across in ((left, 1 - across), (right, across)):
            tile = row[:, None], column[None, :]
            value = stacked[(*tile, index)]
            if wide:
                value = value * (1 - part) + stacked[(*tile, index + 1)] * part
            result += value * weight_down[:, None] * weight_across[None, :]
    return result


def main():
    half = cv2.imread(str(LOOKS / "clahe_nodata_edge.png"), cv2.IMREAD_UNCHANGED)
    scene = cv2.imread(str(LOOKS / "clahe_12in16.png"), cv2.IMREAD_UNCHANGED)
    known = half != 0
    whole = numpy.where(known, half, (scene >> 4) * 11 + 300)
    edge = half.shape[1] // 2
    cases = []
    for bits in (16, 8):
        images = [image if bits == 16 else numpy.where(image == 0, 0, (image.astype(int) - 300) // 22 + 1).astype(numpy.uint8) for image in (half, whole)]
        for limit, columns, rows in ((0, 4, 4), (2, 4, 4), (2, 8, 8), (0, 16, 2)):
            means = []
            for image, shown in zip(images, (known, numpy.ones_like(known))):
                means.append(equalized(image, shown, columns, rows, limit)[:, edge : edge + 10].mean())
            cases.append({"bits": bits, "limit": limit, "tiles": [columns, rows], "half": round(means[0], 3), "whole": round(means[1], 3)})
            print(cases[-1], round(means[0] / means[1], 4))
    path = ROOT / "shared/tests/golden/nodata.json"
    path.write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Writes the files beside it: small TIFFs of floating-point numbers and whole numbers of 32 bits, by GDAL (rasterio 1.4.4) and, of
binary16, by tifffile 2026.3 with imagecodecs. The pixels are those of `pixel` in `server/tests/files/ranged.rs`."""

import pathlib

import numpy as np
import rasterio
import rasterio.enums
import tifffile

FOLDER = pathlib.Path(__file__).parent
Y, X = np.mgrid[0:29, 0:37]


def picture(dtype, bands=1):
    base = np.stack([X * 511 + Y * 257 * (band + 1) for band in range(bands)])
    if dtype[0] == "f":
        return (base / 7.0 - 1000.0).astype(dtype)
    return (base * 60001 - 2_000_000_000 if dtype == "i4" else base * 65521 + 7).astype(dtype)


def gdal(name, dtype, bands=1, **options):
    data = picture(dtype, bands)
    with rasterio.open(FOLDER / name, "w", driver="GTiff", height=29, width=37, count=bands, dtype=data.dtype, **options) as file:
        file.write(data)


gdal("f8_deflate3_tiles.tif", "f8", compress="deflate", predictor=3, tiled=True, blockxsize=16, blockysize=16)
gdal("f8_lzw2_bands.tif", "f8", 2, compress="lzw", predictor=2, interleave="pixel")
gdal("f8_zstd3_planes_be.tif", "f8", 2, compress="zstd", predictor=3, interleave="band", endianness="big")
gdal("i4_deflate2_tiles.tif", "i4", compress="deflate", predictor=2, tiled=True, blockxsize=16, blockysize=16)
gdal("i4_lzw2_planes.tif", "i4", 2, compress="lzw", predictor=2, interleave="band")
gdal("i4_packbits_be.tif", "i4", compress="packbits", endianness="big")
gdal("u4_zstd2_bands.tif", "u4", 2, compress="zstd", predictor=2, interleave="pixel")
gdal("u4_deflate2_big.tif", "u4", compress="deflate", predictor=2, bigtiff="yes", endianness="big")
gdal("u4_none_tiles.tif", "u4", tiled=True, blockxsize=32, blockysize=16)
for name, options in {
    "f2_deflate3.tif": {"compression": "zlib", "predictor": 3, "rowsperstrip": 8},
    "f2_lzw3_tiles_be.tif": {"compression": "lzw", "predictor": 3, "tile": (16, 16), "byteorder": ">"},
    "f2_zstd3_big.tif": {"compression": "zstd", "predictor": 3, "bigtiff": True, "rowsperstrip": 8},
}.items():
    tifffile.imwrite(FOLDER / name, picture("f2")[0], photometric="minisblack", metadata=None, **options)

# Overviews, and nodata in a third of the pixels.
for name, dtype, nodata in [("f8_nodata_ovr.tif", "f8", -9999.1), ("i4_nodata_ovr.tif", "i4", -2147483648), ("u4_nodata_ovr.tif", "u4", 4294967295)]:
    data = picture(dtype)
    data[0][(X + Y) % 3 == 0] = nodata
    options = {"dtype": data.dtype, "nodata": nodata, "compress": "deflate", "tiled": True, "blockxsize": 16, "blockysize": 16}
    with rasterio.open(FOLDER / name, "w", driver="GTiff", height=29, width=37, count=1, **options) as file:
        file.write(data)
    with rasterio.open(FOLDER / name, "r+") as file:
        file.build_overviews([2, 4], rasterio.enums.Resampling.average)

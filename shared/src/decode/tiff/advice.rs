//! Commands that convert a TIFF that can't be processed to one that can, for the sentences of refusals.

/// Each slice becomes a page.
pub(super) const PAGES: &str = "Write each of them as a page of its own, for example by `python -c \"import tifffile as t; \
    t.imwrite('out.tif', t.imread('in.tif'), photometric='minisblack')\"`, and process that file.";

/// Another compression, by GDAL.
pub(super) const DEFLATE: &str =
    "Convert it, for example by `gdal_translate -co COMPRESS=DEFLATE in.tif out.tif`, and process that file.";

/// Another compression, by libtiff.
pub(super) const TIFFCP: &str = "Convert it, for example by `tiffcp -c zip in.tif out.tif`, and process that file.";

/// Red, green and blue, by libvips.
pub(super) const SRGB: &str =
    "Convert it to RGB, for example by `vips icc_transform in.tif out.tif srgb`, and process that file.";

/// Red, green and blue of colours that need no profile, by libvips.
pub(super) const COLOURSPACE: &str =
    "Convert it to RGB, for example by `vips colourspace in.tif out.tif srgb`, and process that file.";

/// Formats that GDAL doesn't read, by tifffile with imagecodecs.
pub(super) const IMAGECODECS: &str = "Convert it, for example by `python -c \"import tifffile as t; t.imwrite('out.tif', \
    t.imread('in.tif'), compression='zlib')\"` (with the package imagecodecs), and process that file.";

/// Without its alpha or mask, by GDAL.
pub(super) const NO_MASK: &str =
    "Leave the mask out, for example by `gdal_translate -mask none in.tif out.tif`, and process that file.";

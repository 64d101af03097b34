//! Refusals of what isn't supported, with commands that convert a TIFF to one that is.

use super::super::error::{Result, refuse};

/// Each slice becomes a page.
pub(super) const PAGES: &str = "Write each of them as a page of its own, for example by `python -c \"import tifffile as t; \
    t.imwrite('out.tif', t.imread('in.tif'), photometric='minisblack')\"`, and process that file.";

/// Another compression, by GDAL.
const DEFLATE: &str =
    "Convert it, for example by `gdal_translate -co COMPRESS=DEFLATE in.tif out.tif`, and process that file.";

/// Another compression, by libtiff.
pub(super) const TIFFCP: &str = "Convert it, for example by `tiffcp -c zip in.tif out.tif`, and process that file.";

/// Compressions and subsamplings that libtiff only converts to RGBA.
const TIFF2RGBA: &str = "Convert it, for example by `tiff2rgba -c zip in.tif out.tif`, and process that file.";

/// Red, green and blue, by libvips.
const SRGB: &str = "Convert it to RGB, for example by `vips icc_transform in.tif out.tif srgb`, and process that file.";

/// Red, green and blue of colours that need no profile, by libvips.
const COLOURSPACE: &str =
    "Convert it to RGB, for example by `vips colourspace in.tif out.tif srgb`, and process that file.";

/// Formats that GDAL doesn't read, by tifffile with imagecodecs.
pub(super) const IMAGECODECS: &str = "Convert it, for example by `python -c \"import tifffile as t; t.imwrite('out.tif', \
    t.imread('in.tif'), compression='zlib')\"` (with the package imagecodecs), and process that file.";

/// Without its alpha or mask, by GDAL.
pub(super) const NO_MASK: &str =
    "Leave the mask out, for example by `gdal_translate -mask none in.tif out.tif`, and process that file.";

/// Samples of another type, by GDAL.
pub(super) const SAMPLES: &str =
    "Convert it, for example by `gdal_translate -ot Float64 in.tif out.tif`, and process that file.";

/// Refuses samples of an unsupported size; `format` is their SampleFormat.
pub(super) fn unsupported_bits<T>(bits: u64, format: u64) -> Result<T> {
    let advice = match (bits, format) {
        (_, 3) => format!(" {SAMPLES}"),
        (17..=31, _) => format!(
            " Scale them to 16 bits, for example by `gdal_translate -ot UInt16 -scale 0 {} 0 65535 in.tif out.tif`, and process \
             that file.",
            (1_u64 << bits) - 1
        ),
        _ => String::new(),
    };
    refuse(format!("This TIFF has {bits} bits a sample; 1 to 16, 32, and 64 of floating point, are supported.{advice}"))
}

/// Refuses several alphas, or one of an unsupported kind, among further samples.
pub(super) fn unsupported_alpha<T>(channels: u64, what: &str) -> Result<T> {
    refuse(format!(
        "This TIFF has {channels} samples a pixel, {what} among them, which isn't supported. Leave alpha out, for example by \
         `gdal_translate -b 1 -b 2 -b 3 in.tif out.tif` (-b for each band to keep), and process that file."
    ))
}

/// Refuses samples of an unsupported kind.
pub(super) fn unsupported_samples<T>(photometric: u64) -> Result<T> {
    let (what, advice) = match photometric {
        5 => ("stores the amounts of other inks than cyan, magenta, yellow and black", SRGB),
        6 => ("stores YCbCr in planes, with other samples, or of other than 8 bits", COLOURSPACE),
        8..=10 => ("stores L*a*b*", COLOURSPACE),
        32_803 | 34_892 => {
            return refuse(
                "This TIFF stores a camera's raw samples (a colour filter array). Develop it, for example by `darktable-cli in.dng \
                 out.tif`, and process that file.",
            );
        }
        32_844 | 32_845 => ("stores LogLuv", COLOURSPACE),
        other => return refuse(format!("This TIFF has samples of an unknown kind ({other}), which isn't supported.")),
    };
    refuse(format!("This TIFF {what}, which isn't supported. {advice}"))
}

/// Refuses samples after four inks.
pub(super) fn further_inks<T>(samples: u64) -> Result<T> {
    refuse(format!(
        "This TIFF has {samples} samples a pixel: the inks cyan, magenta, yellow and black, and alpha or further inks, which isn't \
         supported. Keep only the four, for example by `gdal_translate -b 1 -b 2 -b 3 -b 4 -co PHOTOMETRIC=CMYK in.tif out.tif`, and \
         process that file."
    ))
}

/// Refuses an unsupported compression.
pub(super) fn unsupported_compression<T>(number: u64) -> Result<T> {
    let (name, advice) = match number {
        6 => ("JPEG of the old kind", TIFF2RGBA),
        34_712 | 33_003 | 33_005 => ("JPEG 2000", IMAGECODECS),
        34_887 => ("LERC", DEFLATE),
        34_925 => ("LZMA", DEFLATE),
        50_002 | 52_546 => ("JPEG XL", IMAGECODECS),
        other => {
            return refuse(format!("This TIFF is compressed by an unknown method ({other}), which isn't supported."));
        }
    };
    refuse(format!("This TIFF is compressed by {name}, which isn't supported. {advice}"))
}

//! JPEG decoding (ITU-T T.81): sequential and progressive, Huffman or arithmetic coding, gray, YCbCr, RGB, CMYK and YCCK.
//!
//! Ordinary files are decoded by zune-jpeg, all others by the module `general`.

mod components;
pub(super) mod general;
mod segments;

use std::io::{Read, Seek, SeekFrom};

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

pub use components::{Colors, Sampling};
pub use segments::{Component, Ending, Header, Segment, ending, header};

pub(super) use segments::check_scans;

use super::error::{Error, Result, damaged, refuse, truncated};
use super::exif;
use super::limits::Limits;
use crate::job::{Format, ImageInfo};
use crate::pixels::{Depth, Layout};

/// Supported frame markers (T.81, table B.1).
const BASELINE: u8 = 0xc0;
const EXTENDED: u8 = 0xc1;
/// Frame marker of a progressive JPEG.
pub const PROGRESSIVE: u8 = 0xc2;
/// Frame marker of an arithmetic-coded JPEG.
pub const ARITHMETIC: u8 = 0xc9;
/// Frame marker of a progressive, arithmetic-coded JPEG.
pub const ARITHMETIC_PROGRESSIVE: u8 = 0xca;

/// Reads the header of a JPEG file.
pub(super) fn inspect<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<ImageInfo> {
    let header = header(source)?;
    if header.height == 0 {
        return refuse("This JPEG stores its height only at its end (DNL), which isn't supported yet.");
    }
    limits.size(header.width.into(), header.height.into())?;
    let layout = layout(&header)?;
    let orientation = header.exif().map_or(1, exif::orientation);
    let info = ImageInfo {
        format: Format::Jpeg,
        width: header.width.into(),
        height: header.height.into(),
        layout,
        depth: Depth::Eight,
        orientation,
        unit_rows: 8 * u32::from(header.result_sampling()?.down()),
        regions: false,
        whole_decode: true,
        more: crate::job::ImageExtras::default(),
    };
    let end = source.seek(SeekFrom::End(0))?;
    let coefficients = if !is_ordinary(&header) || ending(source, &header)? == Ending::Cut {
        general::Geometry::of(&header).memory(&header.components)
    } else if header.frame == PROGRESSIVE {
        2 * info.raw_bytes()
    } else {
        0
    };
    limits.whole("A JPEG must be decoded", &info, end + info.raw_bytes() + coefficients)?;
    // Each 8 × 8 block takes at least one bit, unless arithmetic coding predicts it.
    let blocks = u64::from(info.width.div_ceil(8)) * u64::from(info.height.div_ceil(8));
    let arithmetic = matches!(header.frame, ARITHMETIC | ARITHMETIC_PROGRESSIVE);
    if !arithmetic && blocks > 8 * end.saturating_sub(header.scan_offset) {
        return Err(truncated(Format::Jpeg));
    }
    Ok(info)
}

fn layout(header: &Header) -> Result<Layout> {
    match header.frame {
        BASELINE | EXTENDED | PROGRESSIVE | ARITHMETIC | ARITHMETIC_PROGRESSIVE => {}
        0xc3 | 0xcb => {
            return refuse(
                "This is a lossless JPEG, which isn't supported. Convert it first, for example by libjpeg-turbo 3: \
                 djpeg -outfile image.ppm image.jpg.",
            );
        }
        0xf7 => {
            return refuse(
                "This is a JPEG-LS image, which isn't supported. Convert it first, for example by FFmpeg: \
                 ffmpeg -i image.jls image.png.",
            );
        }
        _ => return refuse("This is a hierarchical JPEG, which isn't supported."),
    }
    if header.precision != 8 {
        return refuse(format!(
            "This JPEG has {} bits a sample; only 8 are supported. Convert it first to a PNG of 16 bits, for example by \
             libjpeg-turbo 3 and ImageMagick: djpeg -outfile image.ppm image.jpg, and convert image.ppm image.png.",
            header.precision
        ));
    }
    match header.colors() {
        Colors::Gray => Ok(Layout::Gray),
        Colors::YCbCr | Colors::Rgb => Ok(Layout::Rgb),
        Colors::Cmyk | Colors::Ycck => Ok(Layout::Cmyk),
        Colors::Unknown => refuse(format!(
            "This JPEG has {} colour components of an unknown kind; 1, 3 or 4 are supported.",
            header.components.len()
        )),
    }
}

/// Whether zune-jpeg decodes such files correctly, as compared with libjpeg: coded in a usual way, gray or YCbCr.
fn is_ordinary(header: &Header) -> bool {
    is_usually_coded(header) && header.colors() != Colors::Rgb && header.adobe_transform() != Some(0)
}

/// Whether zune-jpeg decodes the samples of such files correctly: one interleaved scan or progressive, 8 bits,
/// Huffman coding, one or three components, and usual subsampling.
pub(super) fn is_usually_coded(header: &Header) -> bool {
    let interleaved = header.frame == PROGRESSIVE || usize::from(header.scan_components) == header.components.len();
    matches!(header.frame, BASELINE | EXTENDED | PROGRESSIVE)
        && interleaved
        && header.components.iter().all(|one| one.horizontal != 3 && one.vertical != 3)
        && header.stray == 0
        && header.sampling().is_some()
}

/// Whether images of such a frame are decoded: 8 bits, neither lossless nor hierarchical.
pub(super) fn is_supported(header: &Header) -> bool {
    matches!(header.frame, BASELINE | EXTENDED | PROGRESSIVE | ARITHMETIC | ARITHMETIC_PROGRESSIVE)
        && header.precision == 8
}

/// Decodes the whole image.
pub(super) fn decode<R: Read + Seek>(mut source: R, info: &ImageInfo) -> Result<Vec<u8>> {
    let header = header(&mut source)?;
    // `inspect` included the file's length in the memory limit.
    let length = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    source.take(length).read_to_end(&mut bytes)?;
    let scan = usize::try_from(header.scan_offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    check_scans(scan)?;
    let cut = ending(&mut std::io::Cursor::new(&bytes), &header)? == Ending::Cut;
    let all = match cut {
        true => general::decode(&bytes, &header, Some(header.colors()), general::End::Cut)?,
        false if is_ordinary(&header) => ordinary(bytes, info)?,
        false => general::decode(&bytes, &header, Some(header.colors()), general::End::Marked)?,
    };
    if all.len() as u64 != info.raw_bytes() {
        return refuse("The JPEG file has changed since its header was read.");
    }
    Ok(all)
}

/// Decodes an ordinary file. SIMD is off, so that all machines, and browsers, produce the same samples.
fn ordinary(bytes: Vec<u8>, info: &ImageInfo) -> Result<Vec<u8>> {
    let color = if info.layout == Layout::Gray { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = DecoderOptions::default()
        .set_use_unsafe(false)
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(color);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().map_err(explain)
}

fn explain(error: zune_jpeg::errors::DecodeErrors) -> Error {
    let words = format!("{error:?}");
    damaged(Format::Jpeg, words.trim_matches('"'))
}

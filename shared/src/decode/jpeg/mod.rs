//! JPEG decoding (ITU-T T.81): baseline and progressive, gray and YCbCr.

mod segments;

use std::io::{Read, Seek, SeekFrom};

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

pub use segments::{Component, Header, Segment, header};

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
        unit_rows: 8 * u32::from(header.sampling()?.1),
        regions: false,
        whole_decode: true,
        more: crate::job::ImageExtras::default(),
    };
    let end = source.seek(SeekFrom::End(0))?;
    let coefficients = if header.frame == PROGRESSIVE { 2 * info.raw_bytes() } else { 0 };
    limits.whole("A JPEG must be decoded", &info, end + info.raw_bytes() + coefficients)?;
    // Each 8 × 8 block takes at least one bit.
    let blocks = u64::from(info.width.div_ceil(8)) * u64::from(info.height.div_ceil(8));
    if blocks > 8 * end.saturating_sub(header.scan_offset) {
        return Err(truncated(Format::Jpeg));
    }
    Ok(info)
}

fn layout(header: &Header) -> Result<Layout> {
    match header.frame {
        BASELINE | EXTENDED | PROGRESSIVE => {}
        0xc3 | 0xc7 | 0xcb | 0xcf => return refuse("This is a lossless JPEG, which isn't supported yet."),
        0xc9 | 0xca => return refuse("This JPEG uses arithmetic coding, which isn't supported yet."),
        0xf7 => return refuse("This is a JPEG-LS image, which isn't supported yet."),
        _ => return refuse("This is a hierarchical JPEG, which isn't supported yet."),
    }
    if header.precision != 8 {
        return refuse(format!("This JPEG has {} bits a sample; only 8 are supported.", header.precision));
    }
    let ids: Vec<u8> = header.components.iter().map(|component| component.id).collect();
    match (header.components.len(), header.adobe_transform()) {
        (1, _) => Ok(Layout::Gray),
        (3, Some(0)) => refuse("This JPEG stores red, green and blue instead of YCbCr, which isn't supported yet."),
        (3, None) if ids == *b"RGB" => {
            refuse("This JPEG stores red, green and blue instead of YCbCr, which isn't supported yet.")
        }
        (3, None | Some(1)) => Ok(Layout::Rgb),
        (4, _) => refuse("This is a CMYK JPEG, which isn't supported yet."),
        (n, _) => refuse(format!("This JPEG has {n} colour components of an unknown kind; 1 or 3 are supported.")),
    }
}

/// Decodes the whole image. SIMD is off, so that all machines, and browsers, produce the same samples.
pub(super) fn decode<R: Read + Seek>(mut source: R, info: &ImageInfo) -> Result<Vec<u8>> {
    let header = header(&mut source)?;
    // `inspect` included the file's length in the memory limit.
    let length = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    source.take(length).read_to_end(&mut bytes)?;
    let scan = usize::try_from(header.scan_offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    if !segments::has_end(scan) {
        return Err(truncated(Format::Jpeg));
    }
    segments::check_scans(scan)?;
    let color = if info.layout == Layout::Gray { ColorSpace::Luma } else { ColorSpace::RGB };
    let options = DecoderOptions::default()
        .set_use_unsafe(false)
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(color);
    let all = JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode().map_err(explain)?;
    if all.len() as u64 != info.raw_bytes() {
        return refuse("The JPEG file has changed since its header was read.");
    }
    Ok(all)
}

fn explain(error: zune_jpeg::errors::DecodeErrors) -> Error {
    let words = format!("{error:?}");
    damaged(Format::Jpeg, words.trim_matches('"'))
}

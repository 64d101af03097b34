//! JPEG strips and tiles (TIFF technical note 2).
//!
//! As for JPEG files, zune-jpeg decodes ordinary ones, and our own decoder what it gets wrong. What the samples mean is up to the
//! TIFF, as in libtiff: YCbCr is converted to RGB if the page is YCbCr, regardless of the JPEG's markers; other samples are used as stored.

use std::io::Cursor;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::super::error::{Error, Result, damaged, refuse, truncated};
use super::super::jpeg::general::{self, End, Geometry};
use super::super::jpeg::{self, Colors, Ending, Header};
use super::advice;
use crate::job::Format;

/// Maximum bytes of coefficients that our own decoder holds for a strip or tile.
const MOST_COEFFICIENTS: u64 = 1 << 30;

/// Properties shared by all JPEG strips or tiles of a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Jpeg {
    /// Shared tables, as a JPEG without an image; may be empty.
    pub(super) tables: Vec<u8>,
    /// Whether their three channels are YCbCr, to be converted to RGB.
    pub(super) ycbcr: bool,
}

/// Size of a strip or tile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Width in pixels.
    pub(super) width: usize,
    /// Height in pixels; the last strip may have less.
    pub(super) height: usize,
    /// Samples per pixel.
    pub(super) channels: usize,
}

/// Decodes a strip or tile, whose tables may be stored separately.
pub(super) fn unpack(packed: &[u8], shared: &Jpeg, piece: Size, raw: &mut [u8]) -> Result<()> {
    let tables = shared.tables.strip_suffix(&[0xff, 0xd9]).unwrap_or(&shared.tables);
    let whole = match packed.get(2..) {
        Some(rest) if !tables.is_empty() => [tables, rest].concat(),
        _ => packed.to_vec(),
    };
    let rows = raw.len() / (piece.width * piece.channels);
    let header = jpeg::header(&mut Cursor::new(&whole)).map_err(inside)?;
    // Checked before anything of the size in the header is allocated.
    let (width, height) = (usize::from(header.width), usize::from(header.height));
    if width != piece.width || height < rows {
        return Err(damaged(Format::Tiff, "a JPEG in it isn't as large as its strip or tile"));
    }
    if header.components.len() != piece.channels || piece.channels > 4 {
        return Err(damaged(Format::Tiff, "a JPEG in it has other channels than its image"));
    }
    if !jpeg::is_supported(&header) {
        return refuse(format!(
            "This TIFF contains lossless JPEGs, or ones of other than 8 bits. {}",
            advice::IMAGECODECS
        ));
    }
    let end = match jpeg::ending(&mut Cursor::new(&whole), &header)? {
        Ending::Cut => End::Unmarked,
        Ending::Marker | Ending::More { .. } => End::Marked,
    };
    // zune-jpeg takes these for red, green and blue.
    let converts = !shared.ycbcr || header.colors() == Colors::YCbCr && header.adobe_transform() != Some(0);
    let all = if end == End::Marked && converts && jpeg::is_usually_coded(&header) {
        ordinary(whole, shared, piece)?
    } else {
        unusual(&whole, &header, shared, piece, end)?
    };
    let Some(needed) = all.get(..raw.len()) else { return Err(truncated(Format::Tiff)) };
    raw.copy_from_slice(needed);
    Ok(())
}

/// Decodes an ordinary one. SIMD is off, so that all machines produce the same samples.
fn ordinary(whole: Vec<u8>, shared: &Jpeg, piece: Size) -> Result<Vec<u8>> {
    let options = DecoderOptions::default()
        .set_use_unsafe(false)
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let wrong = |error: zune_jpeg::errors::DecodeErrors| {
        damaged(Format::Tiff, format!("its JPEG data are wrong ({error:?})").replace('"', ""))
    };
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(whole), options);
    decoder.decode_headers().map_err(wrong)?;
    // Samples are output as stored, except that YCbCr is converted.
    let color = match (piece.channels, shared.ycbcr, decoder.input_colorspace()) {
        (1, _, Some(ColorSpace::Luma)) => ColorSpace::Luma,
        (3, true, Some(ColorSpace::YCbCr)) => ColorSpace::RGB,
        (3, false, Some(stored @ (ColorSpace::YCbCr | ColorSpace::RGB))) => stored,
        _ => return Err(damaged(Format::Tiff, "a JPEG in it has other channels than its image")),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(color));
    decoder.decode().map_err(wrong)
}

/// Decodes any other. Nothing of it may be missing but its end: what is missing would have to be reported.
fn unusual(whole: &[u8], header: &Header, shared: &Jpeg, piece: Size, end: End) -> Result<Vec<u8>> {
    // As in libtiff, the last strip may be as high as the others.
    if usize::from(header.height) > piece.height {
        return Err(damaged(Format::Tiff, "a JPEG in it isn't as large as its strip or tile"));
    }
    if Geometry::of(header).memory(&header.components) > MOST_COEFFICIENTS {
        return refuse(format!(
            "This TIFF contains a JPEG of {} × {} pixels in an unusual coding, which would take more than {} MiB to decode. {}",
            header.width,
            header.height,
            MOST_COEFFICIENTS >> 20,
            advice::TIFFCP
        ));
    }
    let scan = usize::try_from(header.scan_offset).ok().and_then(|at| whole.get(at..)).unwrap_or_default();
    jpeg::check_scans(scan).map_err(inside)?;
    let colors = shared.ycbcr.then_some(Colors::YCbCr);
    general::decode(whole, header, colors, end).map_err(inside)
}

/// Makes the refusal of a JPEG that of the TIFF around it.
fn inside(error: Error) -> Error {
    match error {
        Error::Refused(sentence) => {
            let what = sentence.split(". Copy or ").next().unwrap_or_default();
            damaged(
                Format::Tiff,
                format!("a JPEG in it can't be decoded: {}", what.replacen("The JPEG", "the JPEG", 1)),
            )
        }
        source => source,
    }
}

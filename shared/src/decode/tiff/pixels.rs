//! Pixels of a TIFF page: channels, kind and bits of samples, and what they mean.

use std::io::{Read, Seek};

use super::super::error::{Result, damaged, refuse};
use super::compression::Compression;
use super::fields::Fields;
use super::{advice, tag};
use crate::job::Format;
use crate::pixels::{Depth, Layout};

/// Encoding of the stored samples relative to the equalized ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// No conversion.
    Same,
    /// 0 is white (photometric interpretation WhiteIsZero).
    Inverted,
    /// Signed: lower by half the range.
    Signed,
    /// Palette indices.
    Palette,
    /// Colours are premultiplied by alpha (associated alpha).
    Associated,
    /// YCbCr that isn't JPEG's.
    YCbCr,
}

/// Pixels of a page: as stored, and after decoding.
pub(super) struct Pixels {
    pub(super) layout: Layout,
    pub(super) depth: Depth,
    pub(super) channels: usize,
    pub(super) bits: u8,
    pub(super) meaning: Meaning,
    pub(super) colors: usize,
    pub(super) extra: Vec<u16>,
    pub(super) alpha: Option<usize>,
}

/// Reads what the pixels of a page are.
pub(super) fn pixels<R: Read + Seek>(fields: &mut Fields<'_, R>, compression: Compression) -> Result<Pixels> {
    let channels = fields.one(tag::SAMPLES_PER_PIXEL, 1)?;
    if channels == 0 || channels > Layout::MOST_BANDS.into() {
        let most = Layout::MOST_BANDS;
        return refuse(format!("This TIFF has {channels} samples a pixel; 1 to {most} are supported."));
    }
    let bits = bits(fields, channels)?;
    // Gray if it isn't said, as in GDAL.
    let (colors, mut meaning) = match fields.one(tag::PHOTOMETRIC, 1)? {
        0 => (1, Meaning::Inverted),
        // 4: masks are read as gray. A page never has this value.
        1 | 4 => (1, Meaning::Same),
        2 => (3, Meaning::Same),
        3 => (1, Meaning::Palette),
        5 if is_cmyk(fields)? => (4, Meaning::Same),
        6 if compression == Compression::Jpeg => (3, Meaning::Same),
        6 if !compression.is_fax() && compression != Compression::Webp => (3, Meaning::YCbCr),
        other => return advice::unsupported_samples(other),
    };
    let Some(others) = channels.checked_sub(colors) else {
        return Err(damaged(Format::Tiff, format!("it has colours, but {channels} samples a pixel")));
    };
    let extra = fields.all(tag::EXTRA_SAMPLES)?.unwrap_or_default();
    let kinds: Vec<u16> = (0..others).map(|at| extra.get(at as usize).map_or(0, |kind| *kind as u16)).collect();
    let alphas: Vec<usize> = (0..kinds.len()).filter(|at| matches!(kinds[*at], 1 | 2)).collect();
    let layout = match (colors, others, alphas.as_slice()) {
        (1, 0, _) => Layout::Gray,
        (4, 0, _) => Layout::Cmyk,
        (4, ..) => return advice::further_inks(channels),
        (_, 0, _) => Layout::Rgb,
        (1, 1, [_]) => Layout::GrayAlpha,
        (_, 1, [_]) => Layout::Rgba,
        (_, _, []) => Layout::Bands(channels as u16),
        (_, _, [alpha]) if kinds[*alpha] == 2 => Layout::BandsAlpha(channels as u16 - 1),
        (_, _, [_]) => return advice::unsupported_alpha(channels, "associated alpha (colours multiplied by it)"),
        (_, _, several) => return advice::unsupported_alpha(channels, &format!("{} alphas", several.len())),
    };
    let alpha = alphas.first().map(|at| colors as usize + at);
    if layout.has_alpha() && kinds == [1] {
        meaning = match meaning {
            Meaning::Same => Meaning::Associated,
            Meaning::YCbCr => return advice::unsupported_samples(6),
            _ => return refuse("This TIFF has white as 0, or a palette, and associated alpha, which isn't supported."),
        };
    }
    let (layout, depth) = sampled(fields, layout, bits, &mut meaning)?;
    let fits = match compression {
        compression if compression.is_fax() => (bits, channels) == (1, 1),
        Compression::Jpeg => bits == 8,
        Compression::Webp => bits == 8 && matches!(channels, 3 | 4) && colors != 4,
        _ => true,
    };
    if !fits {
        return refuse(format!(
            "This TIFF has {channels} samples of {bits} bits, which its compression doesn't support."
        ));
    }
    let (channels, colors) = (channels as usize, colors as usize);
    Ok(Pixels { layout, depth, channels, bits, meaning, colors, extra: kinds, alpha })
}

/// Whether the inks of a TIFF are cyan, magenta, yellow and black (TIFF 6.0, section 16).
fn is_cmyk<R: Read + Seek>(fields: &mut Fields<'_, R>) -> Result<bool> {
    Ok(fields.one(tag::INK_SET, 1)? == 1 && fields.one(tag::NUMBER_OF_INKS, 4)? == 4)
}

/// Returns the bits per sample, which must be the same for all samples.
fn bits<R: Read + Seek>(fields: &mut Fields<'_, R>, channels: u64) -> Result<u8> {
    let bits = fields.all(tag::BITS_PER_SAMPLE)?.unwrap_or(vec![1]);
    let even = bits.iter().all(|one| *one == bits[0]) && (bits.len() == 1 || bits.len() as u64 >= channels);
    match (even, bits[0]) {
        (true, 1..=16 | 32 | 64) => Ok(bits[0] as u8),
        (true, bits) => advice::unsupported_bits(bits, fields.one(tag::SAMPLE_FORMAT, 1)?),
        (false, _) => refuse("This TIFF's samples have different sizes, which isn't supported."),
    }
}

/// Kinds of samples, by SampleFormat from 1 (TIFF 6.0, section 19).
const KINDS: [&str; 4] = ["unsigned", "signed", "floating-point", "untyped"];

/// Returns layout and depth after decoding: fewer than 8 bits become 8 (gray) or colours (palette), and 9 to 15 become 16.
fn sampled<R: Read + Seek>(
    fields: &mut Fields<'_, R>,
    layout: Layout,
    bits: u8,
    meaning: &mut Meaning,
) -> Result<(Layout, Depth)> {
    let formats = fields.all(tag::SAMPLE_FORMAT)?.unwrap_or_default();
    let format = formats.first().copied().unwrap_or(1);
    if formats.iter().any(|other| *other != format) {
        return refuse("This TIFF's samples are of different kinds, which isn't supported.");
    }
    match (format, *meaning, bits) {
        (1 | 4, Meaning::YCbCr, 8) if layout == Layout::Rgb => Ok((layout, Depth::Eight)),
        (_, Meaning::YCbCr, _) => advice::unsupported_samples(6),
        (1 | 4, Meaning::Palette, 1..=8) if layout == Layout::Gray => {
            Ok((Layout::Rgb, super::palette::read(fields, bits)?.depth()))
        }
        (_, Meaning::Palette, _) => refuse(format!(
            "This TIFF has a palette and {bits} bits a sample or further samples, which isn't supported."
        )),
        (1 | 4, _, 1..=7) if layout != Layout::Gray => {
            refuse(format!("This TIFF has {bits} bits a sample and several samples a pixel, which isn't supported."))
        }
        (1 | 4, _, 1..=8) => Ok((layout, Depth::Eight)),
        (1 | 4, _, 9..=16) if bits == 16 || layout != Layout::Cmyk => Ok((layout, Depth::Sixteen)),
        (2, Meaning::Same, 8 | 16) if layout != Layout::Cmyk => {
            *meaning = Meaning::Signed;
            Ok((layout, if bits == 8 { Depth::Eight } else { Depth::Sixteen }))
        }
        (1..=4, _, _) if layout == Layout::Cmyk => refuse(format!(
            "This TIFF has inks (CMYK) as {} samples of {bits} bits, which isn't supported; unsigned whole numbers of 8 and 16 bits are.",
            KINDS[format as usize - 1]
        )),
        (1 | 4, _, 32) => Ok((layout, Depth::Uint32)),
        (2, Meaning::Same, 32) => Ok((layout, Depth::Int32)),
        (3, Meaning::Same | Meaning::Associated, 16) => Ok((layout, Depth::Half)),
        (3, Meaning::Same | Meaning::Associated, 32) => Ok((layout, Depth::Float)),
        (3, Meaning::Same | Meaning::Associated, 64) => Ok((layout, Depth::Double)),
        (2 | 3, Meaning::Inverted | Meaning::Associated, 32) | (3, Meaning::Inverted, 16 | 64) => {
            let kind = if format == 2 { "signed" } else { "floating-point" };
            let what = if *meaning == Meaning::Inverted { "white as 0" } else { "associated alpha" };
            refuse(format!("This TIFF has {kind} samples with {what}, which isn't supported."))
        }
        (1..=4, _, _) => {
            let kind = KINDS[format as usize - 1];
            refuse(format!(
                "This TIFF has {kind} samples of {bits} bits, which isn't supported; whole numbers of 8, 16 and 32 bits and \
                 floating point of 16, 32 and 64 are. {}",
                advice::SAMPLES
            ))
        }
        _ => refuse("This TIFF has complex numbers as samples, which isn't supported."),
    }
}

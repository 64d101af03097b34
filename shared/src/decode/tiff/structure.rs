//! Storage structure of a TIFF page.

use std::io::{Read, Seek};

use super::super::error::{Result, damaged, refuse};
use super::super::limits::Limits;
use super::directory::{Directory, Tiff};
use super::fields::Fields;
use super::page::Page;
use super::ycbcr::Subsampling;
use super::{advice, tag};
use crate::job::{Format, ImageExtras, ImageInfo};
use crate::packed::Packed;
use crate::pixels::{Depth, Layout};

/// Compression of strips or tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Uncompressed.
    None,
    /// Lempel-Ziv & Welch, TIFF 6.0 section 13.
    Lzw,
    /// Deflate in zlib format.
    Deflate,
    /// Deflate in zlib format, under its original number.
    OldDeflate,
    /// Byte runs, TIFF 6.0 section 9.
    PackBits,
    /// Zstandard (RFC 8878), as in libtiff.
    Zstd,
    /// CCITT run lengths (TIFF 6.0 section 10): bilevel. Read-only.
    Rle,
    /// CCITT group 3 (TIFF 6.0 section 11; ITU-T T.4): bilevel. Read-only.
    Fax3 {
        /// Whether rows may be coded by their differences from the one above.
        two_dimensional: bool,
    },
    /// CCITT group 4 (TIFF 6.0 section 11; ITU-T T.6): bilevel. Read-only.
    Fax4,
    /// JPEG (TIFF technical note 2). Read-only.
    Jpeg,
    /// WebP, as in libtiff: RGB or RGBA of 8 bits. Read-only.
    Webp,
}

impl Compression {
    /// Returns the value of the field Compression.
    pub const fn number(self) -> u16 {
        match self {
            Compression::None => 1,
            Compression::Rle => 2,
            Compression::Fax3 { .. } => 3,
            Compression::Fax4 => 4,
            Compression::Lzw => 5,
            Compression::Jpeg => 7,
            Compression::Deflate => 8,
            Compression::OldDeflate => 32_946,
            Compression::PackBits => 32_773,
            Compression::Zstd => 50_000,
            Compression::Webp => 50_001,
        }
    }

    /// Whether it is a fax's, for black and white.
    pub const fn is_fax(self) -> bool {
        matches!(self, Compression::Rle | Compression::Fax3 { .. } | Compression::Fax4)
    }
}

/// Predictor (TIFF 6.0, section 14; technical note 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predictor {
    /// Samples are stored directly.
    None,
    /// Horizontal differencing: differences to the left neighbour.
    Horizontal,
    /// Floating-point predictor: byte differences, arranged in byte planes.
    Float,
}

/// Strips or tiles in which the pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// Strips of this many whole rows, except the last.
    Strips(u32),
    /// Tiles; those at the right and bottom edges are padded.
    Tiles {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

impl Chunks {
    /// Returns the rows of a strip or tile.
    pub const fn rows(self) -> u32 {
        match self {
            Chunks::Strips(rows) => rows,
            Chunks::Tiles { height, .. } => height,
        }
    }

    /// Returns the width in pixels of a strip or tile, for an image of this width.
    pub const fn width(self, width: u32) -> u32 {
        match self {
            Chunks::Strips(_) => width,
            Chunks::Tiles { width, .. } => width,
        }
    }

    /// Returns the number of strips or tiles side by side.
    pub const fn across(self, width: u32) -> u32 {
        width.div_ceil(self.width(width))
    }
}

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

/// Storage structure of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// Header of the file.
    pub tiff: Tiff,
    /// Directory of the page.
    pub directory: Directory,
    /// Offset of the directory of the page's mask, which is presented as an alpha channel.
    pub mask: Option<u64>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Layout after decoding, with alpha if there is a mask.
    pub layout: Layout,
    /// Depth after decoding.
    pub depth: Depth,
    /// Samples per pixel, as stored.
    pub channels: usize,
    /// Bits per sample, as stored: 1 to 16, 32 or 64.
    pub bits: u8,
    /// Encoding of the stored samples.
    pub meaning: Meaning,
    /// Compression of the strips or tiles.
    pub compression: Compression,
    /// Predictor.
    pub predictor: Predictor,
    /// Whether each channel is stored in strips or tiles of its own (planar configuration 2).
    pub planar: bool,
    /// Whether the lowest bit of a byte comes first (fill order 2).
    pub reversed: bool,
    /// Strips or tiles.
    pub chunks: Chunks,
    /// Orientation, 1 to 8.
    pub orientation: u8,
    /// Samples that carry colour by the photometric interpretation: 1, 3 or 4; with [`Layout::Bands`], the others follow.
    pub colors: usize,
    /// Kinds of the samples after the colours (ExtraSamples).
    pub extra: Vec<u16>,
    /// Subsampling of the chroma of YCbCr that isn't JPEG's.
    pub subsampling: Subsampling,
    /// Index of alpha among a pixel's stored samples, unless it comes from the mask. In memory it is the last sample.
    pub alpha: Option<usize>,
    /// Index of the slice behind the directory; see [`Page::slice`](super::Page::slice).
    pub slice: u32,
}

impl Structure {
    /// Whether rows are stored contiguously whatever the strips, so that any row can be written on its own.
    pub fn any_row(&self) -> bool {
        self.lies_plain() && !self.planar
    }

    /// Whether rows can be read one by one, without decoding a strip or tile.
    pub(super) fn lies_plain(&self) -> bool {
        self.compression == Compression::None
            && matches!(self.chunks, Chunks::Strips(_))
            && self.bits >= 8
            && !self.reversed
            && self.units().is_none()
    }

    /// Returns the bits of a sample if samples are packed.
    pub const fn packed(&self) -> Option<Packed> {
        Packed::new(self.bits)
    }

    /// Returns the subsampling if pixels are stored in units of several.
    pub(super) fn units(&self) -> Option<Subsampling> {
        Some(self.subsampling).filter(|subsampling| *subsampling != Subsampling::NONE)
    }

    /// Returns the bytes of the first rows of a strip or tile, of one plane.
    pub(super) fn bytes_of(&self, rows: u32) -> usize {
        match self.units() {
            Some(units) => {
                rows.div_ceil(units.down.into()) as usize * units.line(self.chunks.width(self.width) as usize)
            }
            None => rows as usize * self.piece_line(),
        }
    }

    /// Returns the number of strips or tiles: per plane if the image is planar.
    pub fn pieces(&self) -> u64 {
        u64::from(self.chunks.across(self.width)) * u64::from(self.height.div_ceil(self.chunks.rows()))
    }

    /// Returns the number of planes in which the samples are stored.
    pub fn planes(&self) -> usize {
        if self.planar { self.channels } else { 1 }
    }

    /// Returns the bytes per row of a strip or tile, of one plane.
    pub fn piece_line(&self) -> usize {
        let samples = self.chunks.width(self.width) as usize * self.channels / self.planes();
        (samples * usize::from(self.bits)).div_ceil(8)
    }

    /// Returns the fields with the offsets and lengths of the strips or tiles.
    pub fn tables(&self) -> (u16, u16) {
        match self.chunks {
            Chunks::Tiles { .. } if self.directory.find(tag::TILE_OFFSETS).is_some() => {
                (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
            }
            // Old programs list tiles as if they were strips.
            Chunks::Tiles { .. } | Chunks::Strips(_) => (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS),
        }
    }

    /// Returns the bytes of a strip or tile if it isn't compressed.
    pub(super) fn needed(&self, index: usize) -> u64 {
        let rows = match self.chunks {
            Chunks::Tiles { height, .. } => height,
            Chunks::Strips(rows) => {
                let above = (index as u64 % self.pieces().max(1)) as u32 * rows;
                rows.min(self.height - above)
            }
        };
        self.bytes_of(rows) as u64
    }

    /// Returns the bytes of all pixels in strips that aren't compressed.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.planes() as u64 * self.piece_line() as u64 * u64::from(self.height)
    }

    pub(super) fn info(&self) -> ImageInfo {
        let unit_rows = if self.any_row() { 1 } else { self.chunks.rows().min(self.height) };
        ImageInfo {
            format: Format::Tiff,
            width: self.width,
            height: self.height,
            layout: self.layout,
            depth: self.depth,
            orientation: self.orientation,
            unit_rows,
            regions: true,
            whole_decode: !self.any_row() && unit_rows >= self.height,
            more: ImageExtras { packed: self.packed(), ..ImageExtras::default() },
        }
    }
}

/// Reads the storage structure of a page, and checks its size against the limits if they are given.
///
/// # Errors
/// Refused with a sentence if it isn't supported.
pub fn structure<R: Read + Seek>(source: &mut R, tiff: Tiff, page: Page, limits: Option<&Limits>) -> Result<Structure> {
    let directory = tiff.directory(source, page.at)?;
    let mut fields = Fields::new(tiff, &directory, source);
    let width = fields.must(tag::IMAGE_WIDTH, "its width")?;
    let height = fields.must(tag::IMAGE_LENGTH, "its height")?;
    if let Some(limits) = limits {
        limits.size(width, height)?;
    }
    let slices = fields.one(tag::IMAGE_DEPTH, 1)?;
    if slices > 1 {
        return refuse(format!(
            "This TIFF has {slices} slices behind one page (the field ImageDepth), which isn't supported. {}",
            advice::PAGES
        ));
    }
    let compression = compression(&mut fields)?;
    let Pixels { layout, depth, channels, bits, meaning, colors, extra, alpha } = pixels(&mut fields, compression)?;
    let predictor = predictor(&mut fields, compression, bits, depth)?;
    let planar = channels > 1 && fields.one(tag::PLANAR_CONFIGURATION, 1)? == 2;
    let converts = compression == Compression::Jpeg && fields.one(tag::PHOTOMETRIC, 1)? == 6;
    if planar && (converts || compression == Compression::Webp) {
        return refuse("This TIFF's WebP data, or JPEG data of YCbCr, are in separate planes, which isn't supported.");
    }
    // JPEG data are never reversed, as in libtiff.
    let reversed = fields.one(tag::FILL_ORDER, 1)? == 2 && compression != Compression::Jpeg;
    let planes = if planar { channels as u64 } else { 1 };
    let chunks = chunks(&mut fields, width, height, planes)?;
    let subsampling = match meaning {
        Meaning::YCbCr => Subsampling::read(&mut fields)?,
        _ => Subsampling::NONE,
    };
    if subsampling != Subsampling::NONE && (planar || predictor != Predictor::None) {
        return advice::unsupported_samples(6);
    }
    let orientation = match fields.one(tag::ORIENTATION, 1)? {
        value @ 1..=8 => value as u8,
        _ => 1,
    };
    let structure = Structure {
        tiff,
        directory,
        mask: page.mask,
        width,
        height,
        layout: with_mask(layout, page.mask)?,
        depth,
        channels,
        bits,
        meaning,
        compression,
        predictor,
        planar,
        reversed,
        chunks,
        orientation,
        colors,
        extra,
        subsampling,
        alpha,
        slice: page.slice,
    };
    fits_fax(&structure)?;
    Ok(structure)
}

/// Returns the layout with the mask as alpha.
fn with_mask(layout: Layout, mask: Option<u64>) -> Result<Layout> {
    match (layout, mask) {
        (layout, None) => Ok(layout),
        (Layout::Gray, _) => Ok(Layout::GrayAlpha),
        (Layout::Rgb, _) => Ok(Layout::Rgba),
        (Layout::GrayAlpha | Layout::Rgba | Layout::BandsAlpha(_), _) => {
            refuse(format!("This TIFF has both alpha and a mask page, which isn't supported. {}", advice::NO_MASK))
        }
        (Layout::Cmyk, _) => {
            refuse(format!("This TIFF has inks (CMYK) and a mask page, which isn't supported. {}", advice::NO_MASK))
        }
        (Layout::Bands(bands), _) => {
            refuse(format!("This TIFF has {bands} bands and a mask page, which isn't supported. {}", advice::NO_MASK))
        }
    }
}

fn fits_fax(structure: &Structure) -> Result<()> {
    let width = structure.chunks.width(structure.width);
    if structure.compression.is_fax() && width > u16::MAX.into() {
        return refuse(format!("This TIFF's fax data are {width} pixels wide; at most 65,535 can be read."));
    }
    Ok(())
}

struct Pixels {
    layout: Layout,
    depth: Depth,
    channels: usize,
    bits: u8,
    meaning: Meaning,
    colors: usize,
    extra: Vec<u16>,
    alpha: Option<usize>,
}

fn pixels<R: Read + Seek>(fields: &mut Fields<'_, R>, compression: Compression) -> Result<Pixels> {
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
        (1..=3, _, _) if layout == Layout::Cmyk => refuse(format!(
            "This TIFF has inks (CMYK) of {bits} bits, which isn't supported; inks of 8 and 16 bits, in whole numbers without a sign, are."
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
            let kind = ["unsigned", "signed", "floating-point", "untyped"][format as usize - 1];
            refuse(format!(
                "This TIFF has {kind} samples of {bits} bits, which isn't supported; whole numbers of 8, 16 and 32 bits and \
                 floating point of 16, 32 and 64 are. {}",
                advice::SAMPLES
            ))
        }
        _ => refuse("This TIFF has complex numbers as samples, which isn't supported."),
    }
}

fn compression<R: Read + Seek>(fields: &mut Fields<'_, R>) -> Result<Compression> {
    match fields.one(tag::COMPRESSION, 1)? {
        1 => Ok(Compression::None),
        2 => Ok(Compression::Rle),
        // Bit 0 of the options.
        3 => Ok(Compression::Fax3 { two_dimensional: fields.one(tag::T4_OPTIONS, 0)? & 1 == 1 }),
        4 => Ok(Compression::Fax4),
        5 => Ok(Compression::Lzw),
        7 => Ok(Compression::Jpeg),
        8 => Ok(Compression::Deflate),
        32_946 => Ok(Compression::OldDeflate),
        32_773 => Ok(Compression::PackBits),
        50_000 => Ok(Compression::Zstd),
        50_001 => Ok(Compression::Webp),
        other => advice::unsupported_compression(other),
    }
}

fn predictor<R: Read + Seek>(
    fields: &mut Fields<'_, R>,
    compression: Compression,
    bits: u8,
    depth: Depth,
) -> Result<Predictor> {
    use Compression::{Deflate, Lzw, OldDeflate, Zstd};
    match (fields.one(tag::PREDICTOR, 1)?, compression) {
        // The others have no predictor; libtiff ignores the field with them.
        (_, Compression::None | Compression::PackBits | Compression::Jpeg | Compression::Webp) | (1, _) => {
            Ok(Predictor::None)
        }
        (_, compression) if compression.is_fax() => Ok(Predictor::None),
        // Not of packed samples, as in libtiff.
        (2, Lzw | Deflate | OldDeflate | Zstd) if bits.is_multiple_of(8) => Ok(Predictor::Horizontal),
        (3, Lzw | Deflate | OldDeflate | Zstd) if depth.is_float() => Ok(Predictor::Float),
        (other, _) => refuse(format!(
            "This TIFF uses the predictor {other} with its compression or samples, which isn't supported."
        )),
    }
}

fn chunks<R: Read + Seek>(fields: &mut Fields<'_, R>, width: u32, height: u32, planes: u64) -> Result<Chunks> {
    let tiled = fields.find(tag::TILE_OFFSETS).is_some() || fields.find(tag::TILE_WIDTH).is_some();
    let (chunks, offsets) = if tiled {
        let width = fields.must(tag::TILE_WIDTH, "its tiles' width")?;
        let height = fields.must(tag::TILE_LENGTH, "its tiles' height")?;
        if !(1..=1 << 16).contains(&width) || !(1..=1 << 16).contains(&height) {
            return Err(damaged(Format::Tiff, format!("its tiles are {width} × {height}")));
        }
        let listed = fields.find(tag::TILE_OFFSETS).or_else(|| fields.find(tag::STRIP_OFFSETS));
        (Chunks::Tiles { width, height }, listed)
    } else {
        // 0 means that all rows are in one strip, as in other readers.
        let rows = match fields.one(tag::ROWS_PER_STRIP, 0)? {
            0 => height,
            rows => rows.min(height.into()) as u32,
        };
        (Chunks::Strips(rows.max(1)), fields.find(tag::STRIP_OFFSETS))
    };
    let expected = planes * u64::from(chunks.across(width)) * u64::from(height.div_ceil(chunks.rows()));
    let count = offsets.map_or(0, |entry| entry.count);
    // A missing or short table of lengths can be done without; see `pieces`.
    if count < expected {
        return Err(damaged(Format::Tiff, format!("it needs {expected} strips or tiles, but lists {count}")));
    }
    Ok(chunks)
}

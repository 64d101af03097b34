//! How a TIFF file's one page is stored.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::super::{Limits, Result, damaged, refuse};
use super::directory::{Directory, Tiff};
use super::tag;
use crate::job::{Format, ImageInfo};
use crate::pixels::{Depth, Layout};

/// How strips or tiles are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Lempel-Ziv & Welch, TIFF 6.0 section 13.
    Lzw,
    /// zlib's format.
    Deflate,
    /// zlib's format, under the number it had first.
    OldDeflate,
    /// Byte runs, TIFF 6.0 section 9.
    PackBits,
}

impl Compression {
    /// The number in the field Compression.
    pub const fn number(self) -> u16 {
        match self {
            Compression::None => 1,
            Compression::Lzw => 5,
            Compression::Deflate => 8,
            Compression::OldDeflate => 32_946,
            Compression::PackBits => 32_773,
        }
    }
}

/// The pieces in which the pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// Whole rows, this many but for the last.
    Strips(u32),
    /// Rectangles, the ones at the right and bottom edges padded.
    Tiles {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}

impl Chunks {
    /// Rows of a piece.
    pub const fn rows(self) -> u32 {
        match self {
            Chunks::Strips(rows) => rows,
            Chunks::Tiles { height, .. } => height,
        }
    }

    /// How many pieces lie side by side.
    pub const fn across(self, width: u32) -> u32 {
        match self {
            Chunks::Strips(_) => 1,
            Chunks::Tiles { width: tile, .. } => width.div_ceil(tile),
        }
    }
}

/// How the page is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// The file's header.
    pub tiff: Tiff,
    /// The page's fields.
    pub directory: Directory,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What the samples are.
    pub layout: Layout,
    /// Bits of a sample.
    pub depth: Depth,
    /// How the pieces are compressed.
    pub compression: Compression,
    /// Whether samples are stored as differences to their left neighbour (TIFF 6.0, section 14).
    pub predictor: bool,
    /// The pieces.
    pub chunks: Chunks,
    /// The orientation, 1 to 8.
    pub orientation: u8,
}

impl Structure {
    /// Whether rows can be read and written one by one, whatever the strips: they lie one after the other.
    pub fn any_row(&self) -> bool {
        self.compression == Compression::None && matches!(self.chunks, Chunks::Strips(_))
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
        }
    }
}

/// Reads a page's fields as numbers.
struct Fields<'a, R> {
    tiff: Tiff,
    directory: &'a Directory,
    source: &'a mut R,
}

impl<R: Read + Seek> Fields<'_, R> {
    fn all(&mut self, tag: u16) -> Result<Option<Vec<u64>>> {
        let Some(entry) = self.directory.find(tag) else { return Ok(None) };
        if entry.count == 0 {
            return Err(damaged(Format::Tiff, format!("its field {tag} is empty")));
        }
        self.tiff.numbers(self.source, entry).map(Some)
    }

    fn one(&mut self, tag: u16, default: u64) -> Result<u64> {
        Ok(self.all(tag)?.map_or(default, |numbers| numbers[0]))
    }

    fn must(&mut self, tag: u16, what: &str) -> Result<u32> {
        let number = self.all(tag)?.map(|numbers| numbers[0]);
        match number.map(u32::try_from) {
            Some(Ok(number)) => Ok(number),
            _ => Err(damaged(Format::Tiff, format!("it doesn't say {what}"))),
        }
    }
}

/// Reads how the file's one page is stored, held to the limits if they are given.
///
/// # Errors
/// Refused with a sentence if it can't be kept.
pub fn structure<R: Read + Seek>(source: &mut R, limits: Option<&Limits>) -> Result<Structure> {
    let tiff = Tiff::header(source)?;
    let directory = tiff.directory(source, tiff.first)?;
    single_page(source, &tiff, &directory)?;
    let mut fields = Fields { tiff, directory: &directory, source };
    let width = fields.must(tag::IMAGE_WIDTH, "its width")?;
    let height = fields.must(tag::IMAGE_LENGTH, "its height")?;
    if let Some(limits) = limits {
        limits.size(width, height)?;
    }
    for (tag, what) in [(tag::SUB_IFDS, "images inside images"), (tag::PHOTOSHOP_LAYERS, "Photoshop's layers")] {
        if fields.directory.find(tag).is_some() {
            return refuse(format!("This TIFF has {what}, which can't be kept yet."));
        }
    }
    let (layout, depth) = pixels(&mut fields)?;
    let compression = compression(&mut fields)?;
    let predictor = match (fields.one(tag::PREDICTOR, 1)?, compression) {
        (1, _) => false,
        (2, Compression::Lzw | Compression::Deflate | Compression::OldDeflate) => true,
        (other, _) => {
            return refuse(format!("This TIFF uses the predictor {other} with its compression, which can't be kept."));
        }
    };
    if fields.one(tag::PLANAR_CONFIGURATION, 1)? != 1 && layout.channels() > 1 {
        return refuse("This TIFF stores its colours in separate planes, which can't be kept yet.");
    }
    if fields.one(tag::FILL_ORDER, 1)? != 1 {
        return refuse("This TIFF stores the bits of a byte in reverse, which can't be kept yet.");
    }
    let chunks = chunks(&mut fields, width, height)?;
    let orientation = match fields.one(tag::ORIENTATION, 1)? {
        value @ 1..=8 => value as u8,
        _ => 1,
    };
    Ok(Structure { tiff, directory, width, height, layout, depth, compression, predictor, chunks, orientation })
}

/// Refuses more than one page, and says how many there are.
fn single_page<R: Read + Seek>(source: &mut R, tiff: &Tiff, directory: &Directory) -> Result<()> {
    const MOST: usize = 10_000;
    let mut seen = HashSet::from([tiff.first]);
    let mut next = directory.next;
    while next != 0 && seen.len() < MOST {
        if !seen.insert(next) {
            return Err(damaged(Format::Tiff, "its pages form a circle"));
        }
        next = tiff.directory(source, next)?.next;
    }
    match seen.len() {
        1 => Ok(()),
        MOST => refuse(format!("This TIFF has {MOST} pages or more; only a single page can be kept yet.")),
        pages => refuse(format!("This TIFF has {pages} pages; only a single page can be kept yet.")),
    }
}

fn pixels<R: Read + Seek>(fields: &mut Fields<'_, R>) -> Result<(Layout, Depth)> {
    let samples = fields.one(tag::SAMPLES_PER_PIXEL, 1)?;
    let colors = match fields.must(tag::PHOTOMETRIC, "what its samples mean")? {
        0 => return refuse("This TIFF stores white as 0 (WhiteIsZero), which can't be kept yet."),
        1 => 1,
        2 => 3,
        3 => return refuse("This TIFF uses a palette, which can't be kept yet."),
        4 => return refuse("This TIFF is a transparency mask, which can't be kept yet."),
        5 => return refuse("This is a CMYK TIFF, which can't be kept yet."),
        6 => return refuse("This TIFF stores YCbCr, which can't be kept yet."),
        8..=10 => return refuse("This TIFF stores L*a*b*, which can't be kept yet."),
        other => return refuse(format!("This TIFF has samples of an unknown kind ({other}), which can't be kept.")),
    };
    let extra = fields.all(tag::EXTRA_SAMPLES)?.unwrap_or_default();
    let alpha = match (samples.checked_sub(colors), extra.as_slice()) {
        (Some(0), _) => false,
        (Some(1), [2]) => true,
        (Some(1), [1]) => {
            return refuse(
                "This TIFF's colours are multiplied by its alpha (associated alpha), \
                           which can't be kept yet.",
            );
        }
        _ => {
            return refuse(format!(
                "This TIFF has {samples} samples a pixel of which {colors} carry colour and the others aren't alpha; \
                 that can't be kept yet."
            ));
        }
    };
    let layout = match (colors, alpha) {
        (1, false) => Layout::Gray,
        (1, true) => Layout::GrayAlpha,
        (_, false) => Layout::Rgb,
        (_, true) => Layout::Rgba,
    };
    if fields.all(tag::SAMPLE_FORMAT)?.is_some_and(|formats| formats.iter().any(|format| *format != 1)) {
        return refuse("This TIFF has signed or floating-point samples, which can't be kept yet.");
    }
    let bits = fields.all(tag::BITS_PER_SAMPLE)?.unwrap_or(vec![1]);
    let even = bits.iter().all(|one| *one == bits[0]) && (bits.len() == 1 || bits.len() as u64 == samples);
    match (even, bits[0]) {
        (true, 8) => Ok((layout, Depth::Eight)),
        (true, 16) => Ok((layout, Depth::Sixteen)),
        (true, bits) => refuse(format!("This TIFF has {bits} bits a sample; only 8 and 16 can be kept yet.")),
        (false, _) => refuse("This TIFF's samples have different sizes, which can't be kept yet."),
    }
}

fn compression<R: Read + Seek>(fields: &mut Fields<'_, R>) -> Result<Compression> {
    let name = match fields.one(tag::COMPRESSION, 1)? {
        1 => return Ok(Compression::None),
        5 => return Ok(Compression::Lzw),
        8 => return Ok(Compression::Deflate),
        32_946 => return Ok(Compression::OldDeflate),
        32_773 => return Ok(Compression::PackBits),
        2..=4 => "fax (CCITT)".to_owned(),
        6 | 7 => "JPEG".to_owned(),
        34_712 | 33_003 | 33_005 => "JPEG 2000".to_owned(),
        34_887 => "LERC".to_owned(),
        34_925 => "LZMA".to_owned(),
        50_000 => "Zstandard".to_owned(),
        50_001 => "WebP".to_owned(),
        50_002 => "JPEG XL".to_owned(),
        other => format!("an unknown method ({other})"),
    };
    refuse(format!("This TIFF is compressed by {name}, which can't be kept yet."))
}

fn chunks<R: Read + Seek>(fields: &mut Fields<'_, R>, width: u32, height: u32) -> Result<Chunks> {
    let tiled = fields.directory.find(tag::TILE_OFFSETS).is_some();
    let (chunks, offsets, counts) = if tiled {
        let width = fields.must(tag::TILE_WIDTH, "its tiles' width")?;
        let height = fields.must(tag::TILE_LENGTH, "its tiles' height")?;
        if !(1..=1 << 16).contains(&width) || !(1..=1 << 16).contains(&height) {
            return Err(damaged(Format::Tiff, format!("its tiles are {width} × {height}")));
        }
        (Chunks::Tiles { width, height }, tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
    } else {
        let rows = fields.one(tag::ROWS_PER_STRIP, height.into())?.min(height.into()) as u32;
        if rows == 0 {
            return Err(damaged(Format::Tiff, "its strips have no rows"));
        }
        (Chunks::Strips(rows), tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
    };
    let expected = u64::from(chunks.across(width)) * u64::from(height.div_ceil(chunks.rows()));
    for tag in [offsets, counts] {
        let count = fields.directory.find(tag).map_or(0, |entry| entry.count);
        if count != expected {
            return Err(damaged(
                Format::Tiff,
                format!("it has {expected} strips or tiles and tells where {count} are"),
            ));
        }
    }
    Ok(chunks)
}

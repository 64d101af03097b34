//! TIFF 6.0 and BigTIFF decoding: strips and tiles, chunky and planar, of gray, RGB, palettes and bands, page by page.

mod advice;
mod compression;
mod directory;
mod document;
mod fax;
mod fields;
mod jpeg;
mod nodata;
mod page;
mod palette;
mod pieces;
mod pixels;
mod present;
mod reader;
mod slices;
mod structure;
pub mod tag;
mod unpack;
mod ycbcr;

use std::io::{Read, Seek};
use std::ops::Range;

pub use compression::{Compression, Predictor};
pub use directory::{Directory, Entry, Order, Tiff, size_of};
pub use document::{Document, Smaller, document, overview_of, page_of};
pub use page::Page;
pub use pieces::pieces;
pub use pixels::Meaning;
pub use present::store;
pub(super) use reader::Reader;
pub use reader::mask;
pub use structure::{Chunks, Structure, structure};
pub use ycbcr::Subsampling;

use self::fields::Fields;
use super::error::{Result, refuse, truncated};
use super::limits::Limits;
use crate::job::{Format, ImageExtras, ImageInfo, Overview, Place};

/// Maximum expansion of LZW, deflate, PackBits or JPEG: bytes from one byte.
const MOST_EXPANSION: u64 = 4_096;

/// Reads the header of a TIFF file: its first page, and the number of further pages.
pub(super) fn inspect<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<ImageInfo> {
    let document = document(source)?;
    let first = inspect_page(source, limits, &document, 0)?;
    let further_pages = document.pages.len() as u32 - 1;
    // The header is stored and may later be used with a copy of the file, so the page's location isn't kept in it.
    let first = ImageInfo { more: ImageExtras { place: None, ..first.more }, ..first };
    if further_pages == 0 {
        return Ok(first);
    }
    let (mut pixels, mut largest_page) = (0_u64, 0);
    for page in 0..document.pages.len() {
        let page = inspect_page(source, limits, &document, page)?;
        // A page is processed by a single task.
        limits.whole("Each page of this TIFF must be decoded", &page, page.raw_bytes())?;
        pixels = pixels.saturating_add(page.pixels());
        largest_page = largest_page.max(page.raw_bytes());
    }
    limits.all_pages(document.pages.len(), pixels)?;
    Ok(ImageInfo { more: ImageExtras { further_pages, largest_page, ..first.more }, ..first })
}

/// Reads the headers of some of a TIFF file's pages, numbered from 0.
pub(super) fn pages<R: Read + Seek>(source: &mut R, limits: &Limits, pages: Range<u32>) -> Result<Vec<ImageInfo>> {
    let document = document(source)?;
    let there = document.pages.len();
    if pages.end as usize > there {
        return refuse(format!("This TIFF has {there} pages; {pages:?} were requested."));
    }
    pages.map(|page| inspect_page(source, limits, &document, page as usize)).collect()
}

fn inspect_page<R: Read + Seek>(
    source: &mut R,
    limits: &Limits,
    document: &Document,
    index: usize,
) -> Result<ImageInfo> {
    let structure = structure(source, document.tiff, document.pages[index], Some(limits))?;
    let mut info = structure.info();
    if !structure.lies_plain() || structure.planar {
        let band = info.row_bytes() * u64::from(info.unit_rows);
        // A tile may be larger than the image.
        let piece = structure.piece_line() as u64 * u64::from(structure.chunks.rows());
        limits.whole("A strip or row of tiles of this TIFF must be decoded", &info, band.max(piece))?;
    }
    plausible(&structure)?;
    if let Some(at) = structure.mask {
        plausible(&mask(source, &structure, at)?)?;
    }
    let value = nodata::stored(&mut Fields::new(structure.tiff, &structure.directory, source))?;
    (info.more.overviews, info.unit_rows) = overviews(source, document, index, &info)?;
    info.more.page = index as u32;
    let Page { at, mask, slice } = document.pages[index];
    info.more.place = Some(Place { page: at, mask, slice });
    info.more.nodata = value.and_then(|value| nodata::presented(&structure, value));
    Ok(info)
}

/// Returns the overviews of a page that can be regenerated, and the number of rows that a part must then be a multiple of: each
/// part produces its own rows of every overview, so its rows must be a multiple of every factor. Skipped are overviews that
/// would need too many rows at once, that aren't reduced by an integer factor, or that are of a mask.
fn overviews<R: Read + Seek>(
    source: &mut R,
    document: &Document,
    page: usize,
    info: &ImageInfo,
) -> Result<(Vec<Overview>, u32)> {
    const MOST_BAND: u64 = 64 << 20;
    /// Each overview takes a pass over the page's rows. Repeated halving makes at most 20 for any page.
    const MOST: usize = 32;
    let (mut found, mut unit) = (Vec::new(), info.unit_rows);
    // They are sorted by page, so that each page only looks at its own.
    let own = document.smaller.partition_point(|smaller| smaller.page < page);
    for smaller in document.smaller[own..].iter().take_while(|smaller| smaller.page == page) {
        let Some(overview) = overview_of(source, document.tiff, smaller, info)?.filter(|_| !smaller.of_mask) else {
            continue;
        };
        let rows = least_common_multiple(unit.into(), overview.factor.into());
        let band = rows.min(info.height.into()) * info.row_bytes();
        if found.len() < MOST
            && let Ok(rows) = u32::try_from(rows)
            && band <= MOST_BAND.max(u64::from(unit) * info.row_bytes())
        {
            unit = rows;
            found.push(overview);
        }
    }
    Ok((found, unit))
}

fn least_common_multiple(a: u64, b: u64) -> u64 {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor * b
}

/// Checks that a file of this length can hold this many pixels. Strips or tiles may be omitted, but each has an entry in the
/// offset tables.
fn plausible(structure: &Structure) -> Result<()> {
    let length = structure.tiff.length;
    let row = (u64::from(structure.width) * structure.channels as u64 * u64::from(structure.bits)).div_ceil(8);
    let bytes = match structure.units() {
        Some(units) => {
            units.line(structure.width as usize) as u64 * u64::from(structure.height.div_ceil(units.down.into()))
        }
        None => row * u64::from(structure.height),
    };
    let fits = match structure.compression {
        Compression::None => bytes <= length || sparse(structure),
        // A white row takes one bit in group 4, more in the others. In Zstandard, a 128 KiB block of one repeated byte takes four bytes.
        compression if compression.is_fax() => u64::from(structure.height) <= length.saturating_mul(8),
        // A WebP of one colour is as short, whatever its size.
        Compression::Zstd | Compression::Webp => bytes <= length.saturating_mul(128 << 10) || sparse(structure),
        _ => bytes <= length.saturating_mul(MOST_EXPANSION) || sparse(structure),
    };
    if fits { Ok(()) } else { Err(truncated(Format::Tiff)) }
}

/// Whether omitted empty tiles can explain a short file. The tables, which are in the file, then bound the number of tiles.
fn sparse(structure: &Structure) -> bool {
    const PIECE: u64 = 1 << 20;
    let piece = structure.piece_line() as u64 * u64::from(structure.chunks.rows());
    matches!(structure.chunks, Chunks::Tiles { .. }) && piece <= PIECE
}

//! TIFF 6.0 and BigTIFF: strips and tiles of 8- and 16-bit gray and RGB, with and without alpha.

mod directory;
mod reader;
mod structure;
pub mod tag;
mod unpack;

use std::io::{Read, Seek};

pub use directory::{Directory, Entry, Order, Tiff, size_of};
pub(super) use reader::Reader;
pub use structure::{Chunks, Compression, Structure, structure};

use super::{Limits, Result, truncated};
use crate::job::{Format, ImageInfo};

/// The most bytes that LZW, deflate or PackBits make of one.
const MOST_EXPANSION: u64 = 4_096;

/// What a TIFF file's header says.
pub(super) fn inspect<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<ImageInfo> {
    let structure = structure(source, Some(limits))?;
    let info = structure.info();
    if !structure.any_row() {
        let band = info.row_bytes() * u64::from(info.unit_rows);
        // A tile may be larger than the image.
        let piece = match structure.chunks {
            Chunks::Strips(_) => band,
            Chunks::Tiles { width, height } => {
                u64::from(width) * u64::from(height) * (info.layout.channels() * info.depth.bytes()) as u64
            }
        };
        limits.whole("A strip or row of tiles of this TIFF", &info, band.max(piece))?;
    }
    let expansion = if structure.compression == Compression::None { 1 } else { MOST_EXPANSION };
    if info.raw_bytes() > structure.tiff.length.saturating_mul(expansion) {
        return Err(truncated(Format::Tiff));
    }
    Ok(info)
}

//! Offsets and lengths of strips and tiles.

use std::io::{Read, Seek};

use super::super::error::{Result, truncated};
use super::structure::{Compression, Structure};
use crate::job::Format;

/// Reads offset and length of each strip or tile of a page, plane by plane. Lengths that are missing, or that can't be right, are
/// computed where possible, as libtiff does.
///
/// # Errors
/// Refused if any of them doesn't lie within the file.
pub fn pieces<R: Read + Seek>(source: &mut R, structure: &Structure) -> Result<Vec<(u64, u64)>> {
    let expected = structure.planes() * structure.pieces() as usize;
    let mut table = |tag| match structure.directory.find(tag).filter(|entry| entry.count >= expected as u64) {
        Some(entry) => structure.tiff.numbers(source, entry).map(Some),
        None => Ok(None),
    };
    let (offsets, lengths) = structure.tables();
    let Some(mut offsets) = table(offsets)? else { return Err(truncated(Format::Tiff)) };
    let lengths = table(lengths)?;
    // Some programs list more than there are.
    offsets.truncate(expected);
    let behind = structure.stored_bytes().saturating_mul(structure.slice.into());
    let slice = |offset: u64| if offset == 0 { 0 } else { offset.saturating_add(behind) };
    let pieces: Vec<(u64, u64)> = match lengths {
        Some(lengths) => offsets.iter().zip(lengths).map(|(at, length)| (slice(*at), length)).collect(),
        None => offsets.iter().map(|at| (slice(*at), up_to_next(&offsets, *at, structure.tiff.length))).collect(),
    };
    let lone = pieces.len() == 1;
    let pieces = pieces.into_iter().enumerate().map(|(index, (at, length))| {
        let needed = structure.needed(index);
        let length = match structure.compression {
            // What is beyond the pixels isn't read. A single strip is as long as its pixels, regardless of its declared length.
            Compression::None if at > 0 && (lone || length > needed) => needed,
            // These need a marker or all of their bytes to tell that they are incomplete.
            Compression::None | Compression::Jpeg | Compression::Webp => length,
            compression if compression.is_fax() => length,
            _ => length.min(structure.tiff.length.saturating_sub(at)),
        };
        (at, length)
    });
    let pieces: Vec<(u64, u64)> = pieces.collect();
    let outside = |(at, length): &(u64, u64)| at.checked_add(*length).is_none_or(|end| end > structure.tiff.length);
    if pieces.iter().any(outside) {
        return Err(truncated(Format::Tiff));
    }
    Ok(pieces)
}

/// Returns the number of bytes from a strip or tile to the next one in the file, or to the end of the file: at least its length.
fn up_to_next(offsets: &[u64], at: u64, end: u64) -> u64 {
    if at == 0 {
        return 0;
    }
    let next = offsets.iter().copied().filter(|other| *other > at).min().unwrap_or(end);
    next.saturating_sub(at)
}

//! Image codecs: reading headers and rows, encoding parts, and joining parts to a file.
//!
//! Everything here is synchronous and runs on pixel threads. A [`Source`] may be a file, bytes in memory, or an object
//! in the store that is read by ranges.
//!
//! The order is `inspect` → `open` → rows → (equalize) → `part` on any worker → `join` on one worker. The bytes of the
//! file depend only on the original and the recipe, never on which worker encoded which part when.

mod bundle;
mod colors;
mod convert;
mod deflate;
mod head;
mod join;
mod jpeg;
mod parts;
mod photoshop;
mod png;
mod pyramid;
mod read;
mod refusal;
mod shown;
mod tiff;
mod view;
mod webp;
mod xmp;

use std::ops::Range;

use shared::job::{ImageInfo, Keeping};

pub use bundle::{Bundle, Hash, PartHash, bundle, open_bundle};
pub use convert::{Conversion, check_target, check_target_of_page, head_as, info_to_cut, result_info};
pub use head::{Head, check_pages, head, part};
pub use join::{Joiner, by_pages, join, join_memory, join_pages};
pub use parts::{Envelope, Part, PartIndex, Parts};
pub use pyramid::{ENTRY as PYRAMID_ENTRY, LevelRows, TAIL as PYRAMID_TAIL};
pub use read::{RowReader, Source, decoder_memory, inspect, inspect_pages, open, profile};
pub use shared::decode::{Error, Limits, Result, detect, foreign};

use refusal::{contain, refuse};

/// A view for browsers: 8 bits per sample, upright, sRGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The encoded file.
    pub bytes: Vec<u8>,
    /// `image/png` if there is alpha or a side is too long for a JPEG, otherwise `image/jpeg`.
    pub media_type: &'static str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Removes from EXIF data, which start with the byte order mark, what became false and what can't be read.
fn refresh_exif(exif: &mut [u8], keeping: &mut Keeping) {
    if shared::decode::exif::forget_thumbnail(exif) {
        keeping.change("The EXIF thumbnail showed the old pixels.");
    }
    match shared::decode::exif::forget_outside(exif) {
        0 => {}
        1 => keeping.change("A field of EXIF pointed outside of its data and was left out."),
        n => keeping.change(format!("{n} fields of EXIF pointed outside of its data and were left out.")),
    }
}

/// Makes a view for browsers: at most `max_side` pixels on its longer side, never enlarged, upright, and converted to
/// sRGB by the image's profile. Reads the rows once, in ascending order (those without levels twice), and holds few of them.
///
/// # Errors
/// As [`RowReader::read`].
pub fn view(reader: &mut dyn RowReader, info: &ImageInfo, profile: Option<&[u8]>, max_side: u32) -> Result<View> {
    contain(|| view::view(reader, info, profile, max_side))
}

/// Makes a pyramid of tiles for deep zoom, in one file; `emit` takes its pieces in order. Tiles are converted to sRGB
/// by the image's profile; the histogram counts the stored samples where it has bins for them. Reads the rows once, in
/// ascending order (those without levels twice), and holds one row of tiles per level.
///
/// # Errors
/// As [`RowReader::read`]; [`Error::Refused`] also for an image that is too wide; [`Error::Source`] if `emit` fails.
pub fn pyramid(
    reader: &mut dyn RowReader,
    info: &ImageInfo,
    profile: Option<&[u8]>,
    emit: &mut dyn FnMut(Vec<u8>) -> std::io::Result<()>,
) -> Result<()> {
    contain(|| pyramid::pyramid(reader, info, profile, emit))
}

/// Returns the memory, in bytes, that [`pyramid()`] holds besides its reader.
pub fn pyramid_memory(info: &ImageInfo) -> u64 {
    pyramid::memory(info)
}

/// Returns the ranges of index and table in a pyramid file of `bytes` bytes, given its last [`PYRAMID_TAIL`] bytes.
pub fn pyramid_parts(bytes: u64, tail: &[u8]) -> Option<(Range<u64>, Range<u64>)> {
    pyramid::parts(bytes, tail)
}

/// Returns the range of a tile in a pyramid file, given its table entry of [`PYRAMID_ENTRY`] bytes.
pub fn pyramid_tile(entry: &[u8]) -> Option<Range<u64>> {
    pyramid::tile(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_joiners_go_to_pixel_threads() {
        fn sendable<T: Send + Sync>() {}
        sendable::<Head>();
        sendable::<Joiner>();
        sendable::<Part>();
    }
}

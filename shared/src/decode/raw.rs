//! Raw rows: their bytes in a decoded image, and their conversion to samples.

use std::ops::Range;

use crate::image_info::ImageInfo;
use crate::pixels::{Depth, Samples};

/// Returns the byte range of rows in the decoded image, whose size was limited by [`inspect`](super::inspect) to fit in
/// memory.
pub(super) fn bytes_of(info: &ImageInfo, rows: &Range<u32>) -> Range<usize> {
    let row = info.row_bytes() as usize;
    rows.start as usize * row..rows.end as usize * row
}

/// Converts big-endian bytes to samples.
pub(super) fn from_be(depth: Depth, bytes: Vec<u8>) -> Samples {
    match depth {
        Depth::Eight => Samples::U8(bytes),
        depth => Samples::from_be_bytes(depth, &bytes),
    }
}

//! Frame: the shape of an image in memory.

use crate::image_info::ImageInfo;
use crate::packed::Packed;
use crate::pixels::{Depth, Layout};

/// Shape of an image in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Pixels per row.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
    /// Channels of a pixel.
    pub layout: Layout,
    /// Bits per sample.
    pub depth: Depth,
    /// Bits of the file's samples, if they are packed; in memory they are widened to 16.
    pub packed: Option<Packed>,
}

impl Frame {
    /// Returns the frame of a stored image.
    pub const fn of(info: &ImageInfo) -> Self {
        let ImageInfo { width, height, layout, depth, .. } = *info;
        Self { width, height, layout, depth, packed: info.more.packed }
    }
}

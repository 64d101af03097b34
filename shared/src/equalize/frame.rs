//! Frame: the shape of an image in memory.

use crate::image_info::ImageInfo;
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
}

impl Frame {
    /// Returns the frame of a stored image.
    pub const fn of(info: &ImageInfo) -> Self {
        Self { width: info.width, height: info.height, layout: info.layout, depth: info.depth }
    }
}

//! Target: the format and depth of a result, where they aren't the original's.

use crate::image_info::{Format, ImageInfo};
use crate::pixels::Depth;

/// Format and depth of a result, where they aren't the original's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Target {
    /// The format; `None` for the original's.
    pub format: Option<Format>,
    /// The depth; `None` for the original's, as far as the format has it.
    pub depth: Option<Depth>,
}

impl Target {
    /// The original's format and depth.
    pub const SAME: Self = Self { format: None, depth: None };

    /// Whether a result of this original differs from what it would be otherwise.
    pub fn changes(self, info: &ImageInfo) -> bool {
        self.format_of(info.format) != info.format || self.depth.is_some_and(|depth| depth != info.depth)
    }

    /// Returns the format of the result of an original in this format.
    pub fn format_of(self, original: Format) -> Format {
        self.format.unwrap_or(original)
    }
}

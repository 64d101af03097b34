//! Resource limits for image files.

use super::error::{Result, name, refuse};
use crate::job::{Format, ImageInfo};

/// Resource limits of a file, checked from its header before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum pixels of an image.
    pub max_pixels: u64,
    /// Maximum width and height in pixels.
    pub max_side: u32,
    /// Maximum bytes that decoding may hold at once if it needs the whole image.
    pub max_whole_decode: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 4_000_000_000, max_side: 1_000_000, max_whole_decode: 1 << 30 }
    }
}

impl Limits {
    /// Maximum bytes of a file's metadata kept in memory.
    pub const MAX_METADATA: u64 = 64 << 20;

    /// Maximum number of chunks, segments or fields in a file (in a TIFF: in a page).
    pub const MAX_BLOCKS: usize = 10_000;

    /// Checks an image's size.
    pub(crate) fn size(&self, width: u32, height: u32) -> Result<()> {
        if width == 0 || height == 0 {
            return refuse(format!("The image has no pixels: its header says {width} × {height}."));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.max_pixels {
            return refuse(format!(
                "The image is too large: its header says {} × {} pixels, {} in all; the limit is {}.",
                grouped(width.into()),
                grouped(height.into()),
                grouped(pixels),
                grouped(self.max_pixels)
            ));
        }
        if width.max(height) > self.max_side {
            return refuse(format!(
                "The image is too large: its header says {} × {} pixels; the limit of a side is {}.",
                grouped(width.into()),
                grouped(height.into()),
                grouped(self.max_side.into())
            ));
        }
        Ok(())
    }

    /// Checks the total number of pixels of a file's pages.
    pub(crate) fn all_pages(&self, pages: usize, pixels: u64) -> Result<()> {
        if pixels > self.max_pixels {
            return refuse(format!(
                "The image is too large: its {pages} pages have {} pixels in all; the limit is {}.",
                grouped(pixels),
                grouped(self.max_pixels)
            ));
        }
        Ok(())
    }

    /// Checks the memory of a step that can't be split. `what` names the step for the user: "A JPEG must be decoded".
    ///
    /// # Errors
    /// Refused above the limit.
    pub fn whole(&self, what: &str, info: &ImageInfo, bytes: u64) -> Result<()> {
        if bytes > self.max_whole_decode {
            return refuse(format!(
                "{what} at once, which takes {} MiB for {} × {} pixels; the limit is {} MiB.",
                grouped(bytes.div_ceil(1 << 20)),
                grouped(info.width.into()),
                grouped(info.height.into()),
                grouped(self.max_whole_decode >> 20)
            ));
        }
        Ok(())
    }
}

/// Counts a file's blocks (chunks, segments, fields) while they are read, and refuses more than any legitimate file has.
///
/// Blocks may be empty, and in a TIFF they may overlap, so neither the file's length nor their bytes alone bound their number.
#[derive(Debug, Clone)]
pub struct Blocks {
    format: Format,
    kind: &'static str,
    count: usize,
    bytes: u64,
}

impl Blocks {
    /// Creates an empty count. `kind` names the blocks for the user, in the plural.
    pub const fn new(format: Format, kind: &'static str) -> Self {
        Self { format, kind, count: 0, bytes: 0 }
    }

    /// Adds a block that holds `bytes` bytes in memory.
    ///
    /// # Errors
    /// Refused above [`Limits::MAX_BLOCKS`] blocks or [`Limits::MAX_METADATA`] bytes.
    pub fn add(&mut self, bytes: u64) -> Result<()> {
        self.count += 1;
        if self.count > Limits::MAX_BLOCKS {
            return too_many(self.format, self.kind, Limits::MAX_BLOCKS);
        }
        self.hold(bytes)
    }

    /// Returns the bytes of all blocks.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds bytes to the last block.
    ///
    /// # Errors
    /// Refused above [`Limits::MAX_METADATA`] bytes.
    pub fn hold(&mut self, bytes: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > Limits::MAX_METADATA {
            return refuse(format!(
                "This {} has more than {} MiB of metadata, which is too much. Remove some of it and send \
                 it again.",
                name(self.format),
                Limits::MAX_METADATA >> 20
            ));
        }
        Ok(())
    }
}

/// Refuses a file that has more blocks of a kind than can be kept.
pub(crate) fn too_many<T>(format: Format, kind: &str, most: usize) -> Result<T> {
    refuse(format!(
        "This {} has more than {} {kind}, which is too many. Save it again with an image editor, without \
         unneeded metadata, and send the new file.",
        name(format),
        grouped(most as u64)
    ))
}

/// Formats a number with thousands separators.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_hundred_thousand_squared_is_refused_with_both_numbers() {
        let sentence = Limits::default().size(100_000, 100_000).unwrap_err().to_string();
        assert!(sentence.contains("100,000 × 100,000") && sentence.contains("10,000,000,000"), "{sentence}");
    }

    #[test]
    fn blocks_are_counted_even_if_they_are_empty() {
        let mut blocks = Blocks::new(Format::Png, "chunks");
        (0..Limits::MAX_BLOCKS).for_each(|_| blocks.add(0).unwrap());
        let sentence = blocks.add(0).unwrap_err().to_string();
        assert!(sentence.contains("PNG") && sentence.contains("10,000 chunks"), "{sentence}");
    }

    #[test]
    fn bytes_of_blocks_are_summed() {
        let mut blocks = Blocks::new(Format::Tiff, "fields");
        blocks.add(Limits::MAX_METADATA).unwrap();
        assert!(blocks.add(1).unwrap_err().to_string().contains("64 MiB"));
        assert!(blocks.add(u64::MAX).is_err(), "no overflow");
    }
}

//! Samples in memory: the output of decoding, and the input of equalization and encoding.

mod depth;
mod samples;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use half::f16;

pub use self::depth::Depth;
pub use self::samples::{SampleType, Samples, to_bytes};

/// Meaning of a pixel's samples. Alpha, if present, is the last sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One sample: gray.
    Gray,
    /// Gray and alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
    /// Cyan, magenta, yellow and black: amounts of ink, 0 for none.
    Cmyk,
    /// This many bands without colour meaning, such as a satellite's; each is equalized on its own.
    Bands(u16),
    /// This many bands as in [`Layout::Bands`], and alpha after them.
    BandsAlpha(u16),
}

impl Layout {
    /// Maximum number of bands. The histograms and LUTs of more would exceed the memory of a task.
    pub const MOST_BANDS: u16 = 500;

    /// Samples per pixel, alpha included.
    pub const fn channels(self) -> usize {
        match self {
            Layout::Gray => 1,
            Layout::GrayAlpha => 2,
            Layout::Rgb => 3,
            Layout::Rgba | Layout::Cmyk => 4,
            Layout::Bands(bands) => bands as usize,
            Layout::BandsAlpha(bands) => bands as usize + 1,
        }
    }

    /// Samples per pixel that carry colour: 1, 3, 4 inks, or all bands.
    pub const fn colors(self) -> usize {
        match self {
            Layout::Gray | Layout::GrayAlpha => 1,
            Layout::Rgb | Layout::Rgba => 3,
            Layout::Cmyk => 4,
            Layout::Bands(bands) | Layout::BandsAlpha(bands) => bands as usize,
        }
    }

    /// Whether the last sample is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Layout::GrayAlpha | Layout::Rgba | Layout::BandsAlpha(_))
    }

    /// Number of bands if the samples aren't a picture's: bands without colour meaning.
    pub const fn bands(self) -> Option<u16> {
        match self {
            Layout::Bands(bands) | Layout::BandsAlpha(bands) => Some(bands),
            _ => None,
        }
    }

    /// The same layout without alpha.
    #[must_use]
    pub const fn without_alpha(self) -> Self {
        match self {
            Layout::GrayAlpha => Layout::Gray,
            Layout::Rgba => Layout::Rgb,
            Layout::BandsAlpha(bands) => Layout::Bands(bands),
            Layout::Gray | Layout::Rgb | Layout::Cmyk | Layout::Bands(_) => self,
        }
    }
}

/// Whole rows of an image: `rows × width × layout.channels()` samples, interleaved, no padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Width in pixels.
    pub width: u32,
    /// Meaning of a pixel's samples.
    pub layout: Layout,
    /// The samples, row by row.
    pub samples: Samples,
}

impl Rows {
    /// Returns the number of rows.
    pub fn height(&self) -> usize {
        self.samples.len() / (self.width as usize * self.layout.channels())
    }

    /// Returns the samples as bytes, little-endian on every machine.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        self.samples.to_le_bytes()
    }

    /// Like [`Rows::to_le_bytes`], without a copy if the samples are bytes already.
    pub fn into_le_bytes(self) -> Vec<u8> {
        match self.samples {
            Samples::U8(samples) => samples,
            _ => self.to_le_bytes(),
        }
    }

    /// The inverse of [`Rows::to_le_bytes`].
    ///
    /// # Errors
    /// If `bytes` aren't whole rows.
    pub fn from_le_bytes(width: u32, layout: Layout, depth: Depth, bytes: &[u8]) -> Result<Self, String> {
        Self::from_le_cow(width, layout, depth, bytes.into())
    }

    /// Like [`Rows::from_le_bytes`], without a copy if the samples are bytes already.
    ///
    /// # Errors
    /// If `bytes` aren't whole rows.
    pub fn from_le_cow(width: u32, layout: Layout, depth: Depth, bytes: Cow<'_, [u8]>) -> Result<Self, String> {
        let row = width as usize * layout.channels() * depth.bytes();
        if row == 0 || !bytes.len().is_multiple_of(row) {
            return Err(format!("expected whole rows of {row} bytes, got {} bytes", bytes.len()));
        }
        let samples = match depth {
            Depth::Eight => Samples::U8(bytes.into_owned()),
            depth => Samples::from_le_bytes(depth, &bytes),
        };
        Ok(Self { width, layout, samples })
    }
}

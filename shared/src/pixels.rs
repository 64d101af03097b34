//! Samples in memory: the output of decoding, and the input of equalization and encoding.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

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

/// Bits per sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum Depth {
    /// 0..=255.
    Eight,
    /// 0..=65,535, in native byte order once decoded.
    Sixteen,
    /// IEEE 754 binary32 of any range; NaN and infinities don't count as values.
    Float,
}

impl Depth {
    /// 8, 16 or 32.
    pub const fn bits(self) -> u8 {
        match self {
            Depth::Eight => 8,
            Depth::Sixteen => 16,
            Depth::Float => 32,
        }
    }

    /// 1, 2 or 4.
    pub const fn bytes(self) -> usize {
        self.bits() as usize / 8
    }

    /// Number of histogram bins: one per sample value for integers (256 or 65,536); 65,536 over the samples' range for floating
    /// point.
    pub const fn levels(self) -> usize {
        match self {
            Depth::Eight => 1 << 8,
            Depth::Sixteen | Depth::Float => 1 << 16,
        }
    }
}

impl From<Depth> for u8 {
    fn from(depth: Depth) -> u8 {
        depth.bits()
    }
}

impl TryFrom<u8> for Depth {
    type Error = String;
    fn try_from(bits: u8) -> Result<Self, String> {
        match bits {
            8 => Ok(Depth::Eight),
            16 => Ok(Depth::Sixteen),
            32 => Ok(Depth::Float),
            other => Err(format!("expected 8, 16 or 32 bits a sample, got {other}")),
        }
    }
}

/// Samples of one depth.
///
/// Equality is bitwise: a NaN equals itself, and 0 doesn't equal −0.
#[derive(Debug, Clone)]
pub enum Samples {
    /// 8 bits each.
    U8(Vec<u8>),
    /// 16 bits each, in native byte order.
    U16(Vec<u16>),
    /// 32-bit floating point.
    F32(Vec<f32>),
}

impl PartialEq for Samples {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Samples::U8(ours), Samples::U8(theirs)) => ours == theirs,
            (Samples::U16(ours), Samples::U16(theirs)) => ours == theirs,
            (Samples::F32(ours), Samples::F32(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.to_bits() == b.to_bits())
            }
            _ => false,
        }
    }
}

impl Eq for Samples {}

impl Samples {
    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        match self {
            Samples::U8(samples) => samples.len(),
            Samples::U16(samples) => samples.len(),
            Samples::F32(samples) => samples.len(),
        }
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the depth of the samples.
    pub fn depth(&self) -> Depth {
        match self {
            Samples::U8(_) => Depth::Eight,
            Samples::U16(_) => Depth::Sixteen,
            Samples::F32(_) => Depth::Float,
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

/// Concatenates the bytes of all samples.
pub fn to_bytes<T: Copy, const N: usize>(samples: &[T], bytes_of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    // Not with an iterator over single bytes: compilers don't turn that into a block copy.
    let mut bytes = vec![0; samples.len() * N];
    for (bytes, sample) in bytes.as_chunks_mut::<N>().0.iter_mut().zip(samples) {
        *bytes = bytes_of(*sample);
    }
    bytes
}

impl Rows {
    /// Returns the number of rows.
    pub fn height(&self) -> usize {
        self.samples.len() / (self.width as usize * self.layout.channels())
    }

    /// Returns the samples as bytes, little-endian on every machine.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        match &self.samples {
            Samples::U8(samples) => samples.clone(),
            Samples::U16(samples) => to_bytes(samples, u16::to_le_bytes),
            Samples::F32(samples) => to_bytes(samples, f32::to_le_bytes),
        }
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
            Depth::Sixteen => {
                Samples::U16(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
            }
            Depth::Float => {
                Samples::F32(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
            }
        };
        Ok(Self { width, layout, samples })
    }
}

//! Compression and predictor of a TIFF's strips and tiles.

use std::io::{Read, Seek};

use super::super::error::{Result, refuse};
use super::fields::Fields;
use super::{advice, tag};
use crate::pixels::Depth;

/// Compression of strips or tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Uncompressed.
    None,
    /// Lempel-Ziv & Welch, TIFF 6.0 section 13.
    Lzw,
    /// Deflate in zlib format.
    Deflate,
    /// Deflate in zlib format, under its original number.
    OldDeflate,
    /// Byte runs, TIFF 6.0 section 9.
    PackBits,
    /// Zstandard (RFC 8878), as in libtiff.
    Zstd,
    /// CCITT run lengths (TIFF 6.0 section 10): bilevel. Read-only.
    Rle,
    /// CCITT group 3 (TIFF 6.0 section 11; ITU-T T.4): bilevel. Read-only.
    Fax3 {
        /// Whether rows may be coded by their differences from the one above.
        two_dimensional: bool,
    },
    /// CCITT group 4 (TIFF 6.0 section 11; ITU-T T.6): bilevel. Read-only.
    Fax4,
    /// JPEG (TIFF technical note 2). Read-only.
    Jpeg,
    /// WebP, as in libtiff: RGB or RGBA of 8 bits. Read-only.
    Webp,
}

impl Compression {
    /// Returns the value of the field Compression.
    pub const fn number(self) -> u16 {
        match self {
            Compression::None => 1,
            Compression::Rle => 2,
            Compression::Fax3 { .. } => 3,
            Compression::Fax4 => 4,
            Compression::Lzw => 5,
            Compression::Jpeg => 7,
            Compression::Deflate => 8,
            Compression::OldDeflate => 32_946,
            Compression::PackBits => 32_773,
            Compression::Zstd => 50_000,
            Compression::Webp => 50_001,
        }
    }

    /// Whether it is a fax's, for black and white.
    pub const fn is_fax(self) -> bool {
        matches!(self, Compression::Rle | Compression::Fax3 { .. } | Compression::Fax4)
    }
}

/// Predictor (TIFF 6.0, section 14; technical note 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predictor {
    /// Samples are stored directly.
    None,
    /// Horizontal differencing: differences to the left neighbour.
    Horizontal,
    /// Floating-point predictor: byte differences, arranged in byte planes.
    Float,
}

/// Reads the compression of a page.
pub(super) fn compression<R: Read + Seek>(fields: &mut Fields<'_, R>) -> Result<Compression> {
    match fields.one(tag::COMPRESSION, 1)? {
        1 => Ok(Compression::None),
        2 => Ok(Compression::Rle),
        // Bit 0 of the options.
        3 => Ok(Compression::Fax3 { two_dimensional: fields.one(tag::T4_OPTIONS, 0)? & 1 == 1 }),
        4 => Ok(Compression::Fax4),
        5 => Ok(Compression::Lzw),
        7 => Ok(Compression::Jpeg),
        8 => Ok(Compression::Deflate),
        32_946 => Ok(Compression::OldDeflate),
        32_773 => Ok(Compression::PackBits),
        50_000 => Ok(Compression::Zstd),
        50_001 => Ok(Compression::Webp),
        other => advice::unsupported_compression(other),
    }
}

/// Reads the predictor of a page whose samples have these bits.
pub(super) fn predictor<R: Read + Seek>(
    fields: &mut Fields<'_, R>,
    compression: Compression,
    bits: u8,
    depth: Depth,
) -> Result<Predictor> {
    use Compression::{Deflate, Lzw, OldDeflate, Zstd};
    match (fields.one(tag::PREDICTOR, 1)?, compression) {
        // The others have no predictor; libtiff ignores the field with them.
        (_, Compression::None | Compression::PackBits | Compression::Jpeg | Compression::Webp) | (1, _) => {
            Ok(Predictor::None)
        }
        (_, compression) if compression.is_fax() => Ok(Predictor::None),
        // Not of packed samples, as in libtiff.
        (2, Lzw | Deflate | OldDeflate | Zstd) if bits.is_multiple_of(8) => Ok(Predictor::Horizontal),
        (3, Lzw | Deflate | OldDeflate | Zstd) if depth.is_float() => Ok(Predictor::Float),
        (other, _) => refuse(format!(
            "This TIFF uses the predictor {other} with its compression or samples, which isn't supported."
        )),
    }
}

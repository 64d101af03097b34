//! Binary format of histograms and tables, in which tasks of a job exchange them through the store.
//!
//! The header has eight bytes: four of magic, the version, the intensity, the depth (in bits, where they tell
//! it), a zero; for bands, two
//! more with their number. Little-endian. Without a checksum, since a reference to such bytes carries their SHA-256.

use super::intensity::Intensity;
use crate::pixels::{Depth, Layout, Samples};

/// Magic of a histogram.
pub(super) const HISTOGRAM: [u8; 4] = *b"EVLh";
/// Magic of a look-up table.
pub(super) const LUT: [u8; 4] = *b"EVLt";

/// Magic of the histograms of tiles.
pub(super) const TILE_HISTOGRAMS: [u8; 4] = *b"EVLc";
/// Magic of the look-up tables of tiles.
pub(super) const TILE_TABLES: [u8; 4] = *b"EVLg";
/// Magic of the look-up tables of tiles over a range.
pub(super) const TILE_EDGES: [u8; 4] = *b"EVLe";

/// Magic of the first pass over samples without levels, of jobs up to version 10: their ranges.
pub(super) const RANGES: [u8; 4] = *b"EVLr";
/// Magic of the first pass over samples without levels.
pub(super) const SPREADS: [u8; 4] = *b"EVLs";
/// Magic of the curves of samples without levels.
pub(super) const CURVES: [u8; 4] = *b"EVLf";

const VERSION: u8 = 1;

/// Why bytes can't be parsed as a histogram or look-up table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The magic is another one.
    #[error("expected a histogram or look-up table, got other bytes")]
    Magic,
    /// The version is unknown.
    #[error("expected version {VERSION}, got {0}")]
    Version(u8),
    /// The bytes end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes are left over after the end.
    #[error("{0} bytes too many")]
    Trailing(usize),
    /// A value is invalid.
    #[error("{0}")]
    Value(&'static str),
}

const DEPTHS: [Depth; 7] =
    [Depth::Eight, Depth::Sixteen, Depth::Half, Depth::Float, Depth::Double, Depth::Int32, Depth::Uint32];

/// Returns the byte for a depth: its bits, or a number that isn't one of bits.
const fn code(depth: Depth) -> u8 {
    match depth {
        Depth::Eight | Depth::Sixteen | Depth::Float | Depth::Double => depth.bits(),
        Depth::Half => b'h',
        Depth::Int32 => b'i',
        Depth::Uint32 => b'u',
    }
}

/// Returns the header: eight bytes, or ten for bands.
pub(super) fn header(magic: [u8; 4], intensity: Intensity, depth: Depth) -> Vec<u8> {
    let counted = match intensity {
        Intensity::Gray => 0,
        Intensity::Luma => 1,
        Intensity::Value => 2,
        Intensity::Channels => 3,
        Intensity::Lightness => 4,
        Intensity::Bands(_) => 5,
        Intensity::LabLightness => 6,
    };
    let mut bytes = magic.to_vec();
    bytes.extend([VERSION, counted, code(depth), 0]);
    if let Intensity::Bands(bands) = intensity {
        bytes.extend(bands.to_le_bytes());
    }
    bytes
}

/// Appends a number as unsigned LEB128 (DWARF 5, § 7.6): seven bits per byte, lowest first.
pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends bins as LEB128 numbers; after a 0 follows the number of further zeros. The bins of a task are small and
/// often empty, so this takes a tenth of the plain form.
pub(super) fn put_bins(bytes: &mut Vec<u8>, mut bins: &[u64]) {
    while let Some((&bin, rest)) = bins.split_first() {
        put_number(bytes, bin);
        bins = rest;
        if bin == 0 {
            let zeros = bins.iter().take_while(|bin| **bin == 0).count();
            put_number(bytes, zeros as u64);
            bins = &bins[zeros..];
        }
    }
}

/// Appends entries of tables, 16-bit ones little-endian.
pub(super) fn put_entries(bytes: &mut Vec<u8>, entries: &Samples) {
    match entries {
        Samples::U8(entries) => bytes.extend_from_slice(entries),
        Samples::U16(entries) => bytes.extend(entries.iter().flat_map(|entry| entry.to_le_bytes())),
        _ => panic!("tables have whole numbers"),
    }
}

/// Reads values from the beginning of bytes.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads the next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads the header and checks its magic and version.
    pub(super) fn header(&mut self, magic: [u8; 4]) -> Result<(Intensity, Depth), Malformed> {
        if self.take(4)? != magic {
            return Err(Malformed::Magic);
        }
        let version = self.byte()?;
        if version != VERSION {
            return Err(Malformed::Version(version));
        }
        let intensity = match self.byte()? {
            0 => Intensity::Gray,
            1 => Intensity::Luma,
            2 => Intensity::Value,
            3 => Intensity::Channels,
            4 => Intensity::Lightness,
            5 => Intensity::Bands(0),
            6 => Intensity::LabLightness,
            _ => return Err(Malformed::Value("what is counted is none of the seven known intensities")),
        };
        let depth = self.byte()?;
        let depth = DEPTHS.into_iter().find(|known| code(*known) == depth);
        let depth = depth.ok_or(Malformed::Value("the depth is unknown"))?;
        if self.byte()? != 0 {
            return Err(Malformed::Value("the header's last byte is not zero"));
        }
        let intensity = match intensity {
            Intensity::Bands(_) => match u16::from_le_bytes([self.byte()?, self.byte()?]) {
                0 => return Err(Malformed::Value("there are no bands")),
                // Before memory is allocated for them.
                bands if bands > Layout::MOST_BANDS => {
                    return Err(Malformed::Value("there are more bands than an image can have"));
                }
                bands => Intensity::Bands(bands),
            },
            other => other,
        };
        Ok((intensity, depth))
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (&byte, rest) = self.0.split_first().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(byte)
    }

    /// Reads a number written by [`put_number`].
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed::Value("a number exceeds 64 bits"))
    }

    /// Reads bins written by [`put_bins`]; `bins` must be all 0.
    pub(super) fn bins(&mut self, bins: &mut [u64]) -> Result<(), Malformed> {
        let mut bins = bins.iter_mut();
        while let Some(bin) = bins.next() {
            *bin = self.number()?;
            if *bin == 0 {
                let zeros = self.number()?;
                if zeros > bins.len() as u64 {
                    return Err(Malformed::Value("a run of empty bins reaches past the last bin"));
                }
                if zeros > 0 {
                    bins.nth(zeros as usize - 1);
                }
            }
        }
        Ok(())
    }

    /// Reads `count` table entries written by [`put_entries`].
    pub(super) fn entries(&mut self, depth: Depth, count: usize) -> Result<Samples, Malformed> {
        let entries = self.take(count * depth.bytes())?;
        Ok(match depth {
            Depth::Eight => Samples::U8(entries.to_vec()),
            Depth::Sixteen => {
                let (pairs, _) = entries.as_chunks::<2>();
                Samples::U16(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
            }
            _ => return Err(Malformed::Value("tables have whole numbers")),
        })
    }

    /// Reads `count` levels of 16 bits in binary32, which may lie between two whole numbers.
    pub(super) fn levels(&mut self, count: usize) -> Result<Vec<f32>, Malformed> {
        let (levels, _) = self.take(count * 4)?.as_chunks::<4>();
        let levels: Vec<f32> = levels.iter().map(|level| f32::from_le_bytes(*level)).collect();
        match levels.iter().all(|level| (0.0..=65_535.0).contains(level)) {
            true => Ok(levels),
            false => Err(Malformed::Value("a level is not one of 16 bits")),
        }
    }

    /// Checks that no bytes are left.
    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Trailing(self.0.len())) }
    }
}

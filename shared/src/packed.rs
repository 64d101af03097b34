//! Packed samples: unsigned whole numbers of 9 to 15 bits, as scanners, microscopes and infrared cameras deliver them in TIFFs.
//!
//! In memory they are widened to 16 bits, so that everything that reads samples treats white as white. Each level of the file has
//! one level there, the nearest: widening and narrowing again changes nothing.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Number of bits of packed samples, 9 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub struct Packed {
    bits: u8,
}

impl Packed {
    /// Numbers of bits that are packed.
    pub const BITS: RangeInclusive<u8> = 9..=15;

    /// Creates it; returns `None` unless samples of this many bits are packed.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= *Self::BITS.start() && bits <= *Self::BITS.end() { Some(Self { bits }) } else { None }
    }

    /// Returns the number of bits.
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Returns the number of levels.
    pub const fn levels(self) -> usize {
        1 << self.bits
    }

    /// Returns the highest level.
    pub const fn highest(self) -> u16 {
        (1 << self.bits) - 1
    }

    /// Returns the level of 16 bits for one of these bits: `level · 65,535 / highest`, rounded. Levels above the highest count as
    /// that.
    pub const fn widen(self, level: u16) -> u16 {
        let highest = self.highest() as u32;
        let level = if level as u32 > highest { highest } else { level as u32 };
        // Below 2³², as the highest level is at most 2¹⁵ − 1.
        ((2 * level * 65_535 + highest) / (2 * highest)) as u16
    }

    /// Returns the nearest level of these bits for one of 16 bits: `level · highest / 65,535`, rounded.
    pub const fn narrow(self, level: u16) -> u16 {
        ((2 * level as u32 * self.highest() as u32 + 65_535) / (2 * 65_535)) as u16
    }

    /// Returns the nearest level of 16 bits that is one of these bits, widened.
    pub const fn nearest(self, level: u16) -> u16 {
        self.widen(self.narrow(level))
    }

    /// Returns the widened level of a number; `None` unless it is a level of these bits.
    pub fn widen_number(self, value: f64) -> Option<f64> {
        let level = value as u16;
        (f64::from(level) == value && level <= self.highest()).then(|| self.widen(level).into())
    }
}

impl From<Packed> for u8 {
    fn from(packed: Packed) -> u8 {
        packed.bits
    }
}

impl TryFrom<u8> for Packed {
    type Error = String;
    fn try_from(bits: u8) -> Result<Self, String> {
        Self::new(bits).ok_or_else(|| format!("expected 9 to 15 bits a sample, got {bits}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn widening_rounds_and_narrowing_undoes_it() {
        for bits in Packed::BITS {
            let packed = Packed::new(bits).unwrap();
            let highest = packed.highest();
            assert_eq!((packed.widen(0), packed.widen(highest), packed.widen(u16::MAX)), (0, u16::MAX, u16::MAX));
            for level in 0..=highest {
                let exact = f64::from(level) * 65_535.0 / f64::from(highest);
                assert_eq!(packed.widen(level), exact.round() as u16);
                assert_eq!(packed.narrow(packed.widen(level)), level);
            }
            for level in 0..=u16::MAX {
                let exact = f64::from(level) * f64::from(highest) / 65_535.0;
                assert_eq!(packed.narrow(level), exact.round() as u16);
            }
        }
    }

    #[test]
    fn inverting_and_widening_commute() {
        for packed in Packed::BITS.filter_map(Packed::new) {
            let highest = packed.highest();
            assert!((0..=highest).all(|level| packed.widen(highest - level) == !packed.widen(level)));
        }
    }

    #[test]
    fn other_numbers_are_no_levels() {
        let twelve = Packed::new(12).unwrap();
        assert_eq!(twelve.widen_number(4_095.0), Some(65_535.0));
        assert_eq!([4_096.0, -1.0, 0.5, f64::NAN].map(|value| twelve.widen_number(value)), [None; 4]);
        assert_eq!((Packed::new(8), Packed::new(16)), (None, None));
    }
}

//! Partial strength: interpolation between a table and the identity.

use super::kernel::sample::Sample;
use crate::pixels::Samples;

/// How far levels move towards their equalized value, in thousandths: 0 leaves the image unchanged, 1,000 is full
/// strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Strength(u16);

impl Default for Strength {
    /// Returns full strength.
    fn default() -> Self {
        Self::FULL
    }
}

/// A strength above 1,000 thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a strength is at most 1,000 thousandths, got {0}")]
pub struct StrengthError(u16);

impl Strength {
    /// Full strength.
    pub const FULL: Strength = Strength(1_000);
    /// No strength: nothing changes.
    pub const NONE: Strength = Strength(0);

    /// Creates a strength from thousandths.
    ///
    /// # Errors
    /// Fails if the number is above 1,000.
    pub fn thousandths(thousandths: u16) -> Result<Self, StrengthError> {
        if thousandths <= 1_000 { Ok(Self(thousandths)) } else { Err(StrengthError(thousandths)) }
    }

    /// Returns the strength as a number from 0 to 1.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }

    /// Applies the strength to consecutive tables of `levels` entries: interpolates them with the identity.
    pub(super) fn weaken(self, entries: &Samples, levels: usize) -> Samples {
        match entries {
            Samples::U8(entries) => Samples::U8(weakened::<u8>(entries, levels, self, u32::from)),
            Samples::U16(entries) => Samples::U16(weakened::<u16>(entries, levels, self, u32::from)),
            _ => panic!("tables have whole numbers"),
        }
    }

    /// Interpolates from `level` to `to`, rounded half up: `((1000 − s) · level + s · to + 500) / 1000`.
    fn between(self, level: u32, to: u32) -> u32 {
        let s = u32::from(self.0);
        ((1_000 - s) * level + s * to + 500) / 1_000
    }
}

fn weakened<S: Sample>(
    entries: &[S::Entry],
    levels: usize,
    strength: Strength,
    wide: fn(S::Entry) -> u32,
) -> Vec<S::Entry> {
    let levels = (0..levels as u32).cycle();
    entries.iter().zip(levels).map(|(entry, level)| S::entry(strength.between(level, wide(*entry)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_the_identity_and_all_is_the_table() {
        let table: Vec<u16> = (0..=u16::MAX).rev().collect();
        assert_eq!(weakened::<u16>(&table, 65_536, Strength::FULL, u32::from), table);
        let none = Strength::thousandths(0).unwrap();
        assert!(weakened::<u16>(&table, 65_536, none, u32::from).into_iter().eq(0..=u16::MAX));
    }

    #[test]
    fn a_half_is_in_the_middle_of_each_plane() {
        let half = Strength::thousandths(500).unwrap();
        let white = vec![255; 512];
        let halved = weakened::<u8>(&white, 256, half, u32::from);
        assert_eq!((halved[0], halved[1], halved[255]), (128, 128, 255));
        assert_eq!(halved[..256], halved[256..]);
    }

    #[test]
    fn more_than_everything_is_refused() {
        assert!(Strength::thousandths(1_001).is_err());
    }
}

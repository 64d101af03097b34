//! Range of samples as given by the user.

use std::hash::{Hash, Hasher};

use crate::number::Decimal;
use crate::packed::Packed;

/// Lower and upper bound. Samples outside are treated as the nearer bound, in counting and in equalizing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GivenRange {
    /// Both bounds are finite as binary32, and there the first is below the second.
    ends: [f64; 2],
}

impl GivenRange {
    /// Creates a range.
    ///
    /// # Errors
    /// Returns a sentence for the user if a bound isn't finite as 32-bit floating point, or the first isn't below the
    /// second there.
    pub fn new([low, high]: [f64; 2]) -> Result<Self, String> {
        let [least, greatest] = [low as f32, high as f32];
        // Even the widest such range has a finite length in f64.
        if least.is_finite() && greatest.is_finite() && least < greatest {
            // Normalizes −0 to 0.
            Ok(Self { ends: [low + 0.0, high + 0.0] })
        } else {
            Err(format!(
                "`range` must be two numbers of 32-bit floating point of which the first is below the second; got {} and {}",
                Decimal(low),
                Decimal(high)
            ))
        }
    }

    /// Returns the bounds as they were given.
    pub const fn numbers(self) -> [f64; 2] {
        self.ends
    }

    /// Returns the bounds as 16-bit levels; `None` unless both are.
    pub(super) fn levels(self) -> Option<[u16; 2]> {
        let level = |end: f64| Some(end as u16).filter(|level| f64::from(*level) == end);
        Some([level(self.ends[0])?, level(self.ends[1])?])
    }

    /// Returns the range multiplied by a positive factor.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { ends: self.ends.map(|end| end * factor) }
    }

    /// Returns the range of the levels that packed samples are widened to; `None` unless its bounds are levels of these.
    pub(super) fn widened(self, packed: Packed) -> Option<Self> {
        Some(Self { ends: [packed.widen_number(self.ends[0])?, packed.widen_number(self.ends[1])?] })
    }

    /// Returns the bounds as samples.
    pub const fn samples(self) -> (f32, f32) {
        (self.ends[0] as f32, self.ends[1] as f32)
    }
}

// `Eq` holds since neither bound is NaN.
impl Eq for GivenRange {}

impl Hash for GivenRange {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ends.map(f64::to_bits).hash(state);
    }
}

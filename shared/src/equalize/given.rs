//! Range of samples as given by the user.

use std::hash::{Hash, Hasher};

use crate::for_depth;
use crate::number::Decimal;
use crate::packed::Packed;
use crate::pixels::{Depth, SampleType};

/// Lower and upper bound. Samples outside are treated as the nearer bound, in counting and in equalizing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GivenRange {
    /// Both bounds are finite, and the first is below the second.
    ends: [f64; 2],
}

impl GivenRange {
    /// Creates a range.
    ///
    /// # Errors
    /// Returns a sentence for the user if a bound isn't finite, or the first isn't below the second.
    pub fn new([low, high]: [f64; 2]) -> Result<Self, String> {
        if low.is_finite() && high.is_finite() && low < high {
            // Normalizes −0 to 0.
            Ok(Self { ends: [low + 0.0, high + 0.0] })
        } else {
            Err(format!(
                "`range` must be two numbers of which the first is below the second; got {} and {}",
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

    /// Returns the bounds as values of samples of this depth. Returns `None` unless there are such samples, and the first is still
    /// below the second.
    pub(super) fn samples(self, depth: Depth) -> Option<[f64; 2]> {
        let end = |end: f64| for_depth!(depth, S => S::of(end).map(S::value));
        let ends = [end(self.ends[0])?, end(self.ends[1])?];
        (ends[0] < ends[1]).then_some(ends)
    }
}

// `Eq` holds since neither bound is NaN.
impl Eq for GivenRange {}

impl Hash for GivenRange {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ends.map(f64::to_bits).hash(state);
    }
}

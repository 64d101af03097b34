//! The range of floating-point samples where a person gives it.

use std::hash::{Hash, Hasher};

/// A least and a greatest value: what lies beyond counts as the nearer one of them, and becomes what that one becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GivenRange {
    /// Finite also as binary32, where the first is below the second.
    ends: [f64; 2],
}

impl GivenRange {
    /// A range.
    ///
    /// # Errors
    /// A sentence, if samples of 32 bits have no such range.
    pub fn new([low, high]: [f64; 2]) -> Result<Self, String> {
        let [least, greatest] = [low as f32, high as f32];
        // The length of the longest range is still a number of 64 bits.
        if least.is_finite() && greatest.is_finite() && least < greatest {
            // −0 is 0.
            Ok(Self { ends: [low + 0.0, high + 0.0] })
        } else {
            Err(format!(
                "`range` must be two numbers of 32-bit floating point of which the first is below the second; got {low} and \
                 {high}"
            ))
        }
    }

    /// The numbers as they were given.
    pub const fn numbers(self) -> [f64; 2] {
        self.ends
    }

    /// The same as samples.
    pub const fn samples(self) -> (f32, f32) {
        (self.ends[0] as f32, self.ends[1] as f32)
    }
}

// Neither end is NaN.
impl Eq for GivenRange {}

impl Hash for GivenRange {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ends.map(f64::to_bits).hash(state);
    }
}

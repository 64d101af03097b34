//! Floating-point samples: range → histogram over it → curve, which interpolates.
//!
//! ```text
//! Ranges::new → look(rows)… → merge → FloatHistogram::over → count(rows)… → merge → Curves::new → apply(rows)
//! ```
//!
//! With `lo` and `hi` the least and the greatest value of a plane, `n` = 65,536 bins of the same width between them, `h`
//! their counts and `total` the sum of them, a value `v` at `t = (v − lo) / (hi − lo) · n`, in bin `i = ⌊t⌋`, becomes
//! `lo + (hi − lo) · (h₀ + … + hᵢ₋₁ + (t − i) · hᵢ) / total`: the CDF, linear within a bin (as scikit-image's
//! `equalize_hist`, which interpolates between the bins' centres and gives 0 to 1), stretched to the range that the data
//! had. So equal values stay equal, order is kept, and the result is not quantized to bins.
//!
//! Where the recipe gives the range, values beyond it count as its ends ([`super::GivenRange`]).
//!
//! NaN, infinities and fully transparent pixels are neither counted nor changed. Ranges and counts are exact in any
//! order; curves are computed in f64, without fused multiply-add, alike on every machine.

mod curves;
mod histogram;
mod ranges;
#[cfg(test)]
mod tests;

pub use curves::Curves;
pub use histogram::FloatHistogram;
pub(super) use ranges::luma;
pub use ranges::{Ranges, Spans};

/// Bins of a plane.
const BINS: usize = 1 << 16;

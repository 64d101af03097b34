//! Equalization of floating-point samples: range → histogram over it → curve with interpolation.
//!
//! ```text
//! Ranges::new → look(rows)… → merge → FloatHistogram::over → count(rows)… → merge → Curves::new → apply(rows)
//! ```
//!
//! With `lo` and `hi` the least and the greatest value of a plane, `n` = 65,536 bins of equal width between them, `h`
//! their counts and `total` the sum of them, a value `v` at `t = (v − lo) / (hi − lo) · n`, in bin `i = ⌊t⌋`, maps to
//! `lo + (hi − lo) · (h₀ + … + hᵢ₋₁ + (t − i) · hᵢ) / total`: the CDF, linear within a bin, stretched to the range of
//! the data. (scikit-image's `equalize_hist` instead interpolates between the centres of bins and returns values from 0
//! to 1.) So equal values stay equal, the mapping is monotonic, and the result is not quantized to bins.
//!
//! If the recipe gives the range, values outside count as its bounds ([`super::GivenRange`]).
//!
//! NaN, infinities and fully transparent pixels are neither counted nor changed. Ranges and counts are exact and
//! independent of order; curves are computed in f64, without fused multiply-add, identically on every machine.

mod curves;
mod histogram;
mod ranges;
#[cfg(test)]
mod tests;

pub use curves::Curves;
pub use histogram::FloatHistogram;
pub(super) use ranges::luma;
pub use ranges::{Ranges, Spans};

/// Number of bins per plane.
const BINS: usize = 1 << 16;

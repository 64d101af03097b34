//! Equalization of samples without levels, floating-point numbers and whole numbers of 32 bits: range → histogram over it →
//! curve with interpolation.
//!
//! ```text
//! Spread::new → look(rows)… → merge → RangedHistogram::over → count(rows)… → merge → Curves::new → apply(rows)
//! ```
//!
//! With `lo` and `hi` the least and the greatest value of a plane, `n` = 65,536 bins of equal width between them, `h`
//! their counts and `total` the sum of them, a value `v` at `t = (v − lo) / (hi − lo) · n`, in bin `i = ⌊t⌋`, maps to
//! `lo + (hi − lo) · (h₀ + … + hᵢ₋₁ + (t − i) · hᵢ) / total`: the CDF, linear within a bin, stretched to the range of
//! the data. (scikit-image's `equalize_hist` instead interpolates between the centres of bins and returns values from 0
//! to 1.) So equal values stay equal, the mapping is monotonic, and the result is not quantized to bins.
//!
//! Whole numbers whose range has at most 65,536 values have a bin for each, and the arithmetic of levels; see [`curves`].
//!
//! If a few values lie far from all others, `lo` and `hi` are the ends of the others ([`Spread`]), and the few share one bin
//! on either side. If the recipe sets the range, values outside count as its bounds ([`super::GivenRange`]).
//!
//! NaN, infinities and fully transparent pixels are neither counted nor changed. Ranges and counts are exact and
//! independent of order; curves are computed in f64, without fused multiply-add, identically on every machine.

mod curves;
mod histogram;
#[cfg(test)]
mod in_parts;
mod range;
mod ranges;
mod spread;
#[cfg(test)]
mod tests;
mod view;
#[cfg(test)]
mod wide_tests;

pub use curves::Curves;
pub use histogram::RangedHistogram;
pub use ranges::{Ranges, Spans};
pub use spread::Spread;
pub(super) use view::luma;

/// Number of bins per plane.
const BINS: usize = 1 << 16;

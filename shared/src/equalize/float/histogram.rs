//! Histograms of floating-point samples, over a known range.

use super::super::histogram::{Histogram, MergeError};
use super::super::intensity::Intensity;
use super::super::wire::Malformed;
use super::BINS;
use super::ranges::Ranges;
use crate::pixels::{Depth, Rows};

/// Counts of values in bins of equal width over the range of each plane.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatHistogram {
    pub(super) ranges: Ranges,
    pub(super) histogram: Histogram,
}

/// Returns the position of a value within its range, in bins: 0 to [`BINS`].
pub(super) fn place(value: f32, (lo, hi): (f32, f32)) -> f64 {
    let (value, lo, hi) = (f64::from(value), f64::from(lo), f64::from(hi));
    // If the range is a single value, that is its upper end.
    if hi > lo { ((value - lo) / (hi - lo) * BINS as f64).clamp(0.0, BINS as f64) } else { BINS as f64 }
}

impl FloatHistogram {
    /// Creates an empty histogram over the ranges of all rows.
    pub fn over(ranges: &Ranges) -> Self {
        Self { histogram: Histogram::empty(ranges.view.intensity, Depth::Float), ranges: ranges.clone() }
    }

    /// Counts some rows.
    ///
    /// # Panics
    /// Panics if the rows have another layout, or samples of another depth.
    pub fn count(&mut self, rows: &Rows) {
        let Self { ranges: Ranges { view, planes }, histogram } = self;
        let bins = histogram.bins_mut();
        for pixel in view.pixels(rows) {
            for ((plane, range), bins) in planes.iter().enumerate().zip(bins.chunks_exact_mut(BINS)) {
                if let (Some(range), Some(value)) = (range, view.value(pixel, plane)) {
                    bins[(place(value, *range) as usize).min(BINS - 1)] += 1;
                }
            }
        }
    }

    /// Adds counts of other rows over the same ranges.
    ///
    /// # Errors
    /// Fails if `other` has other ranges, or the sum counts too many pixels; `self` is then unchanged.
    pub fn merge(&mut self, other: &FloatHistogram) -> Result<(), MergeError> {
        if self.ranges != other.ranges {
            return Err(MergeError::Range);
        }
        self.histogram.merge(&other.histogram)
    }

    /// Serializes the bins; the ranges are not included.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.histogram.to_bytes()
    }

    /// Deserializes a histogram over the same ranges as this one. The inverse of [`FloatHistogram::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one such histogram.
    pub fn filled(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        let histogram = Histogram::from_bytes(bytes)?;
        let counted: (Intensity, Depth) = (histogram.intensity(), histogram.depth());
        if counted != (self.ranges.view.intensity, Depth::Float) {
            return Err(Malformed::Value("the histogram is of other samples"));
        }
        Ok(Self { ranges: self.ranges.clone(), histogram })
    }
}

//! Histograms of samples without levels, over a known range.

use super::super::histogram::{Histogram, MergeError};
use super::super::mask::Mask;
use super::super::wire::Malformed;
use super::BINS;
use super::ranges::Ranges;
use crate::pixels::Rows;

/// Counts of values in the bins of each plane's range.
#[derive(Debug, Clone, PartialEq)]
pub struct RangedHistogram {
    pub(super) ranges: Ranges,
    pub(super) histogram: Histogram,
}

impl RangedHistogram {
    /// Creates an empty histogram over the ranges of all rows.
    pub fn over(ranges: &Ranges) -> Self {
        let view = ranges.view;
        Self { histogram: Histogram::empty(view.intensity, view.depth), ranges: ranges.clone() }
    }

    /// Counts some rows, except for what the mask hides.
    ///
    /// # Panics
    /// Panics if the rows have another layout, or samples of another depth.
    pub fn count(&mut self, rows: &Rows, mask: Option<&Mask>) {
        let Self { ranges: Ranges { view, planes }, histogram } = self;
        let bins = histogram.bins_mut();
        view.each_value(rows, mask, |plane, value| {
            if let Some(range) = &planes[plane] {
                bins[plane * BINS + range.bin(value)] += 1;
            }
        });
    }

    /// Adds counts of other rows over the same ranges.
    ///
    /// # Errors
    /// Fails if `other` has other ranges, or the sum counts too many pixels; `self` is then unchanged.
    pub fn merge(&mut self, other: &RangedHistogram) -> Result<(), MergeError> {
        if self.ranges != other.ranges {
            return Err(MergeError::Range);
        }
        self.histogram.merge(&other.histogram)
    }

    /// Serializes the bins; the ranges are not included.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.histogram.to_bytes()
    }

    /// Deserializes a histogram over the same ranges as this one. The inverse of [`RangedHistogram::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one such histogram.
    pub fn filled(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        Ok(Self { ranges: self.ranges.clone(), histogram: self.histogram.filled(bytes)? })
    }
}

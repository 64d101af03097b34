//! First pass of CLAHE at 16 bits: which levels occur.

use super::geometry::{Clahe, GridError};
use super::histograms::TileHistograms;
use super::scale;
use crate::equalize::intensity::{Color, Intensity};
use crate::equalize::{Frame, Histogram, MergeError, Spans, wire::Malformed};

/// Levels that occur in the rows counted so far, as a histogram of the whole image.
#[derive(Debug, Clone, PartialEq)]
pub struct Occupied {
    clahe: Clahe,
    color: Color,
    frame: Frame,
    /// Counts of the levels.
    pub(in super::super) histogram: Histogram,
}

impl Occupied {
    /// Creates empty counts.
    ///
    /// # Errors
    /// Fails if the image can't be divided into this grid.
    pub(in super::super) fn new(clahe: Clahe, color: Color, frame: Frame) -> Result<Self, GridError> {
        super::check(&clahe, color, &frame, super::Bins::Few)?;
        let histogram = Histogram::empty(Intensity::of(color, frame.layout), frame.depth);
        Ok(Self { clahe, color, frame, histogram })
    }

    /// Returns the spans of the levels, once all rows are counted.
    pub fn spans(&self) -> Spans {
        scale::spans(self.histogram.planes())
    }

    /// Returns the empty counts of the second pass.
    pub(in super::super) fn further(&self) -> TileHistograms {
        let counts = TileHistograms::over_spans(&self.clahe, self.color, &self.frame, &self.spans());
        counts.ok().flatten().expect("the grid was checked, and the spans are of this image")
    }

    /// Adds the counts of other rows of the same image. The order of merging doesn't matter.
    ///
    /// # Errors
    /// Fails if `other` counts another intensity or depth, or too many pixels; `self` is then unchanged.
    pub(in super::super) fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        self.histogram.merge(&other.histogram)
    }

    /// Deserializes counts of the same image. The inverse of [`Histogram::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly such counts.
    pub(in super::super) fn filled(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        Ok(Self { histogram: self.histogram.filled(bytes)?, ..self.clone() })
    }
}

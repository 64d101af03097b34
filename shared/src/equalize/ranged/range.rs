//! Range of a plane's values, and its division into bins.

use super::BINS;
use crate::pixels::Depth;

/// Range from `lo` to `hi`, in which all values lie but for outliers, and its bins.
///
/// Without outliers, all bins divide the range evenly. Outliers on one side share one bin: the first one, from the least of all
/// values to `lo`, or the last one, from `hi` to the greatest. Whole numbers, if there are enough bins, have one for each value
/// from `lo` to `hi`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    lo: f64,
    hi: f64,
    least: f64,
    greatest: f64,
    /// Whether each bin between the outliers' is one whole number.
    is_of_levels: bool,
    /// Place of `lo`: 1 if outliers are below it, else 0.
    first: f64,
    /// Bins from `lo` to `hi`.
    steps: f64,
    /// The last bin.
    last: usize,
}

impl Range {
    /// Creates a range of samples of this depth. Returns `None` unless all four are finite and in order.
    pub(super) fn new(depth: Depth, [lo, hi]: [f64; 2], [least, greatest]: [f64; 2]) -> Option<Self> {
        if !(least.is_finite() && least <= lo && lo <= hi && hi <= greatest && greatest.is_finite()) {
            return None;
        }
        let outliers = usize::from(least < lo) + usize::from(hi < greatest);
        let is_of_levels = !depth.is_float() && lo < hi && hi - lo < (BINS - outliers) as f64;
        let steps = if is_of_levels { hi - lo } else { (BINS - outliers) as f64 };
        let last = if is_of_levels { steps as usize + outliers } else { BINS - 1 };
        let first = f64::from(u8::from(least < lo));
        Some(Self { lo, hi, least, greatest, is_of_levels, first, steps, last })
    }

    /// Returns the ends between which all values are equalized.
    pub(super) const fn ends(&self) -> [f64; 2] {
        [self.lo, self.hi]
    }

    /// Returns the least and the greatest value of all; `None` if there are no outliers.
    pub(super) fn outermost(&self) -> Option<[f64; 2]> {
        let has_outliers = self.least < self.lo || self.hi < self.greatest;
        has_outliers.then_some([self.least, self.greatest])
    }

    /// Returns whether this is a single value.
    pub(super) fn is_single(&self) -> bool {
        self.lo >= self.hi
    }

    /// Returns whether each bin is one whole number.
    pub(super) const fn is_of_levels(&self) -> bool {
        self.is_of_levels
    }

    /// Returns the first bin from `lo` on, and the last one up to `hi`.
    pub(super) fn core(&self) -> (usize, usize) {
        (self.first as usize, self.last - usize::from(self.hi < self.greatest))
    }

    /// Returns the place of a value, in bins: the number of its bin, and the part of that below the value.
    pub(super) fn place(&self, value: f64) -> f64 {
        if self.is_single() {
            return BINS as f64;
        }
        // Half of everything if the whole length would be infinite.
        let part = if (self.greatest - self.least).is_finite() { 1.0 } else { 0.5 };
        let share = |value: f64, from: f64, to: f64| (value * part - from * part) / (to * part - from * part);
        if value < self.lo && self.least < self.lo {
            return share(value, self.least, self.lo).clamp(0.0, 1.0);
        }
        if value > self.hi && self.hi < self.greatest {
            return self.last as f64 + share(value, self.hi, self.greatest).clamp(0.0, 1.0);
        }
        if self.is_of_levels {
            return self.first + (value.clamp(self.lo, self.hi) - self.lo);
        }
        self.first + (share(value, self.lo, self.hi) * self.steps).clamp(0.0, self.steps)
    }

    /// Returns the bin of a value. Outliers are alone in theirs: `hi` itself is in the bin below.
    pub(super) fn bin(&self, value: f64) -> usize {
        if value < self.lo && self.least < self.lo {
            return 0;
        }
        if value > self.hi && self.hi < self.greatest {
            return self.last;
        }
        (self.place(value) as usize).min(self.core().1)
    }

    /// Returns the share of the range that lies below the edge of a bin (of levels: below the level).
    pub(super) fn share(&self, edge: usize) -> f64 {
        ((edge as f64 - self.first) / self.steps).clamp(0.0, 1.0)
    }

    /// Returns the outlier at an edge: the least value at the first one, the greatest at that after the last bin.
    pub(super) fn outlier(&self, edge: usize) -> Option<f64> {
        match edge {
            0 if self.least < self.lo => Some(self.least),
            edge if edge == self.last + 1 && self.hi < self.greatest => Some(self.greatest),
            _ => None,
        }
    }

    /// Returns the value at a share of the range.
    pub(super) fn at(&self, share: f64) -> f64 {
        between(self.lo, self.hi, share)
    }

    /// Returns the value nearest to this one that is not beyond all values.
    pub(super) fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.least, self.greatest)
    }
}

/// Returns the number at a share of the way between two.
pub(super) fn between(from: f64, to: f64, share: f64) -> f64 {
    let length = to - from;
    if length.is_finite() { from + length * share } else { from * (1.0 - share) + to * share }
}

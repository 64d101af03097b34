//! How often each intensity occurs.

use super::Recipe;
use super::color::Intensity;
use super::kernel::sample::as_le16;
use super::kernel::scalar::Scalar;
use super::kernel::{Kernel, fused, with_engine};
use super::wire::{self, Malformed, Reader};
use crate::pixels::{Depth, Layout, Rows, Samples};

/// How often each intensity occurs in some rows: `planes × levels` bins of 64 bits.
///
/// There is one plane, or three for [`Intensity::Channels`]; 256 levels for 8-bit samples, 65,536 for 16-bit
/// ones. Fully transparent pixels are not counted; partly transparent ones count like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    intensity: Intensity,
    depth: Depth,
    bins: Vec<u64>,
}

/// Why two histograms can't be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They count different things.
    #[error("a histogram of {theirs:?} can't be added to one of {ours:?}")]
    Shape {
        /// What this one counts.
        ours: (Intensity, Depth),
        /// What the other one counts.
        theirs: (Intensity, Depth),
    },
    /// One counts the whole image and the other one its tiles.
    #[error("counts of the whole image can't be added to counts of its tiles")]
    Method,
    /// They count over different ranges.
    #[error("counts over different ranges can't be added")]
    Range,
    /// Together they would count more pixels than [`Histogram::MAX_TOTAL`].
    #[error("the histograms count more than {} pixels together", Histogram::MAX_TOTAL)]
    Overflow,
}

impl Histogram {
    /// No histogram that is read or merged counts more pixels than this, so that counting some more can't overflow.
    pub const MAX_TOTAL: u64 = 1 << 62;

    /// A histogram of nothing, for images of this layout and depth.
    pub fn new(recipe: &Recipe, layout: Layout, depth: Depth) -> Self {
        Self::empty(Intensity::of(recipe.color, layout), depth)
    }

    /// A histogram of nothing.
    pub(super) fn empty(intensity: Intensity, depth: Depth) -> Self {
        Self { intensity, depth, bins: vec![0; intensity.planes() * depth.levels()] }
    }

    /// A histogram of what was counted elsewhere; the bins of its planes lie one after the other.
    pub(super) fn from_bins(intensity: Intensity, depth: Depth, bins: Vec<u64>) -> Self {
        debug_assert_eq!(bins.len(), intensity.planes() * depth.levels());
        Self { intensity, depth, bins }
    }

    /// The bins of its planes, one after the other, for what counts by itself.
    pub(super) fn bins_mut(&mut self) -> &mut [u64] {
        &mut self.bins
    }

    /// What is counted.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// The depth of the samples that are counted.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// The bins of each plane: 1 or 3 slices of 256 or 65,536.
    pub fn planes(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.bins.chunks_exact(self.depth.levels())
    }

    /// How many pixels were counted.
    pub fn total(&self) -> u64 {
        self.planes().next().map_or(0, |bins| bins.iter().sum())
    }

    /// Counts some rows.
    ///
    /// # Panics
    /// If the rows are not of the layout and depth that the histogram was made for.
    pub fn count(&mut self, rows: &Rows) {
        self.count_by(Kernel::best(), rows);
    }

    /// As [`Histogram::count`], by a kernel of choice. The result is the same.
    pub fn count_by(&mut self, kernel: Kernel, rows: &Rows) {
        let (intensity, layout, bins) = (self.intensity, rows.layout, &mut self.bins[..]);
        match (&rows.samples, self.depth) {
            (Samples::U8(samples), Depth::Eight) => {
                with_engine!(kernel, engine => fused::count(engine, intensity, layout, samples, bins));
            }
            (Samples::U16(samples), Depth::Sixteen) => match as_le16(samples) {
                Some(samples) => {
                    with_engine!(kernel, engine => fused::count(engine, intensity, layout, samples, bins));
                }
                None => fused::count(Scalar, intensity, layout, samples, bins),
            },
            (samples, depth) => panic!("rows of {:?} counted in a histogram of {depth:?}", samples.depth()),
        }
    }

    /// Counts rows as they lie in the store ([`Rows::to_le_bytes`]), without making samples of them first.
    ///
    /// # Panics
    /// If the layout is not the one that the histogram was made for, or the bytes end within a pixel.
    pub fn count_le_bytes(&mut self, kernel: Kernel, layout: Layout, bytes: &[u8]) {
        assert!(bytes.len().is_multiple_of(layout.channels() * self.depth.bytes()), "the bytes end within a pixel");
        let (intensity, bins) = (self.intensity, &mut self.bins[..]);
        with_engine!(kernel, engine => match self.depth {
            Depth::Eight => fused::count(engine, intensity, layout, bytes, bins),
            Depth::Sixteen => fused::count(engine, intensity, layout, bytes.as_chunks::<2>().0, bins),
            Depth::Float => panic!("floating-point samples have no levels"),
        });
    }

    /// Adds what another histogram counted. The order of merging never matters.
    ///
    /// # Errors
    /// If the other one counts something else, or too much; this one is then unchanged.
    pub fn merge(&mut self, other: &Histogram) -> Result<(), MergeError> {
        let (ours, theirs) = ((self.intensity, self.depth), (other.intensity, other.depth));
        if ours != theirs {
            return Err(MergeError::Shape { ours, theirs });
        }
        for (ours, theirs) in self.planes().zip(other.planes()) {
            // Both are below 2⁶³, so the sum is below 2⁶⁴.
            if ours.iter().sum::<u64>() + theirs.iter().sum::<u64>() > Self::MAX_TOTAL {
                return Err(MergeError::Overflow);
            }
        }
        for (bin, count) in self.bins.iter_mut().zip(&other.bins) {
            *bin += count;
        }
        Ok(())
    }

    /// The histogram as bytes: a header, then the bins, of which runs of zeros are short.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = wire::header(wire::HISTOGRAM, self.intensity, self.depth);
        wire::put_bins(&mut bytes, &self.bins);
        bytes
    }

    /// The inverse of [`Histogram::to_bytes`].
    ///
    /// # Errors
    /// If the bytes are not such a histogram, exactly to their end.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (intensity, depth) = reader.header(wire::HISTOGRAM)?;
        let mut histogram = Self::empty(intensity, depth);
        reader.bins(&mut histogram.bins)?;
        reader.end()?;
        for plane in histogram.planes() {
            let total = plane.iter().try_fold(0u64, |total, bin| total.checked_add(*bin));
            if total.is_none_or(|total| total > Self::MAX_TOTAL) {
                return Err(Malformed::Value("more pixels are counted than an image can have"));
            }
        }
        Ok(histogram)
    }
}

//! Intensity histograms.

use std::borrow::Cow;

use super::Recipe;
use super::intensity::Intensity;
use super::kernel::sample::as_le16;
use super::kernel::{Kernel, Scalar, fused, with_engine};
use super::mask::Mask;
use super::wire::{self, Malformed, Reader};
use crate::packed::Packed;
use crate::pixels::{Depth, Layout, Rows, Samples};

/// Counts of each intensity in some rows: `planes × levels` bins of 64 bits.
///
/// The number of planes is 1, 3 for [`Intensity::Channels`], or the number of bands; that of levels is 256 for 8-bit
/// samples, and 65,536 for 16-bit ones. Packed samples, counted at 16 bits, can be returned in their own levels
/// ([`Histogram::in_own_levels`]). Fully transparent pixels are not counted; partly transparent ones count like any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    intensity: Intensity,
    depth: Depth,
    /// Bits of the file's samples, if they are packed.
    packed: Option<Packed>,
    bins: Vec<u64>,
}

/// Why two histograms can't be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// They count different intensities or depths.
    #[error("a histogram of {theirs:?} can't be added to one of {ours:?}")]
    Shape {
        /// Intensity and depth of this histogram.
        ours: (Intensity, Depth),
        /// Intensity and depth of the other one.
        theirs: (Intensity, Depth),
    },
    /// They were counted for different methods.
    #[error("counts of the whole image can't be added to counts of its tiles")]
    Method,
    /// They count samples without levels over different ranges.
    #[error("counts over different ranges can't be added")]
    Range,
    /// Their sum would exceed [`Histogram::MAX_TOTAL`] pixels.
    #[error("the histograms count more than {} pixels together", Histogram::MAX_TOTAL)]
    Overflow,
}

impl Histogram {
    /// Highest number of pixels in a histogram that was read or merged. Low enough that counting more rows can't
    /// overflow a bin.
    pub const MAX_TOTAL: u64 = 1 << 62;

    /// Creates an empty histogram for images of this layout and depth.
    pub fn new(recipe: &Recipe, layout: Layout, depth: Depth) -> Self {
        Self::empty(Intensity::of(recipe.color, layout), depth)
    }

    /// Creates an empty histogram.
    pub(super) fn empty(intensity: Intensity, depth: Depth) -> Self {
        Self { intensity, depth, packed: None, bins: vec![0; intensity.planes() * depth.levels()] }
    }

    /// Returns this histogram as one of samples that were packed in the file.
    #[must_use]
    pub fn of_packed(self, packed: Option<Packed>) -> Self {
        Self { packed, ..self }
    }

    /// Returns the bits of the file's samples, if they are packed.
    pub(super) fn packed(&self) -> Option<Packed> {
        self.packed
    }

    /// Returns this histogram with a bin for each level that packed samples have in the file, if it counts samples; else itself.
    pub(super) fn in_own_levels(&self) -> Cow<'_, Self> {
        match self.packed {
            Some(packed) if self.intensity.is_sample() && self.levels() > packed.levels() => {
                let own = |bins: &[u64]| {
                    let mut own = vec![0; packed.levels()];
                    for (level, count) in (0..=u16::MAX).zip(bins) {
                        own[usize::from(packed.narrow(level))] += count;
                    }
                    own
                };
                Cow::Owned(Self { bins: self.planes().flat_map(own).collect(), ..*self })
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Returns the number of bins of a plane.
    pub(super) fn levels(&self) -> usize {
        self.bins.len() / self.intensity.planes()
    }

    /// Creates a histogram from bins, plane after plane.
    pub(super) fn from_bins(intensity: Intensity, depth: Depth, bins: Vec<u64>) -> Self {
        debug_assert_eq!(bins.len(), intensity.planes() * depth.levels());
        Self { intensity, depth, packed: None, bins }
    }

    /// Returns this histogram with other bins, as many as it has.
    pub(super) fn with_bins(&self, bins: Vec<u64>) -> Self {
        debug_assert_eq!(bins.len(), self.bins.len());
        Self { bins, ..*self }
    }

    /// Returns the bins, plane after plane, for callers with a counting loop of their own.
    pub(super) fn bins_mut(&mut self) -> &mut [u64] {
        &mut self.bins
    }

    /// Returns the intensity that is counted.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// Returns the depth of the counted samples.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Returns the bins of each plane: slices of 256 or 65,536, or of the levels of packed samples.
    pub fn planes(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.bins.chunks_exact(self.levels())
    }

    /// Returns the number of pixels counted.
    pub fn total(&self) -> u64 {
        self.planes().next().map_or(0, |bins| bins.iter().sum())
    }

    /// Counts some rows.
    ///
    /// # Panics
    /// Panics if the rows have another layout or depth than the histogram.
    pub fn count(&mut self, rows: &Rows) {
        self.count_by(Kernel::best(), rows);
    }

    /// Counts some rows, except for what a mask over them hides.
    ///
    /// # Panics
    /// As [`Histogram::count`].
    pub fn count_masked(&mut self, rows: &Rows, mask: &Mask) {
        self.count(&mask.kept(rows));
        if let Some(level) = mask.hidden_level(self.depth) {
            // It is hidden wherever it occurs, so none of what was counted before had it.
            self.bins.chunks_exact_mut(self.depth.levels()).for_each(|plane| plane[level] = 0);
        }
    }

    /// As [`Histogram::count`], with a given kernel. The result is the same with each.
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

    /// Counts rows in the store's form ([`Rows::to_le_bytes`]), without converting them to samples first.
    ///
    /// # Panics
    /// Panics if the histogram is for another layout or for samples without levels, or if the bytes end within a pixel.
    pub fn count_le_bytes(&mut self, kernel: Kernel, layout: Layout, bytes: &[u8]) {
        assert!(bytes.len().is_multiple_of(layout.channels() * self.depth.bytes()), "the bytes end within a pixel");
        let (intensity, bins) = (self.intensity, &mut self.bins[..]);
        with_engine!(kernel, engine => match self.depth {
            Depth::Eight => fused::count(engine, intensity, layout, bytes, bins),
            Depth::Sixteen => fused::count(engine, intensity, layout, bytes.as_chunks::<2>().0, bins),
            _ => panic!("such samples have no levels"),
        });
    }

    /// Adds the counts of another histogram. The order of merging doesn't matter.
    ///
    /// # Errors
    /// Fails if the other histogram has another intensity or depth, or the sum would exceed [`Histogram::MAX_TOTAL`];
    /// this one is then unchanged.
    pub fn merge(&mut self, other: &Histogram) -> Result<(), MergeError> {
        let (ours, theirs) = ((self.intensity, self.depth), (other.intensity, other.depth));
        if ours != theirs {
            return Err(MergeError::Shape { ours, theirs });
        }
        for (ours, theirs) in self.planes().zip(other.planes()) {
            // Both sums are below 2⁶³, so their sum is below 2⁶⁴.
            if ours.iter().sum::<u64>() + theirs.iter().sum::<u64>() > Self::MAX_TOTAL {
                return Err(MergeError::Overflow);
            }
        }
        for (bin, count) in self.bins.iter_mut().zip(&other.bins) {
            *bin += count;
        }
        Ok(())
    }

    /// Serializes the histogram: a header, then the bins with runs of zeros compressed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = wire::header(wire::HISTOGRAM, self.intensity, self.depth);
        wire::put_bins(&mut bytes, &self.bins);
        bytes
    }

    /// Deserializes a histogram of the same kind of samples as this one.
    ///
    /// # Errors
    /// As [`Histogram::from_bytes`], and for another intensity or depth, before memory is allocated for it.
    pub(super) fn filled(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        if Reader::new(bytes).header(wire::HISTOGRAM)? != (self.intensity, self.depth) {
            return Err(Malformed::Value("the histogram is of other samples"));
        }
        Ok(Self::from_bytes(bytes)?.of_packed(self.packed))
    }

    /// The inverse of [`Histogram::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one histogram, or a plane counts more than [`Histogram::MAX_TOTAL`] pixels.
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

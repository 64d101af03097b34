//! Histograms of the tiles.

use std::ops::Range;

use super::geometry::{Bins, Clahe, Geometry, GridError};
use super::scale::{Scale, Scales};
use crate::equalize::intensity::{Color, Intensity};
use crate::equalize::kernel::engine::MAX_BLOCK_PIXELS;
use crate::equalize::kernel::sample::{Sample, as_le16};
use crate::equalize::kernel::{Engine, Kernel, Scalar, fused, with_engine};
use crate::equalize::mask::{Mask, kept};
use crate::equalize::wire::{self, Malformed, Reader};
use crate::equalize::{Frame, GivenRange, MergeError, Spans};
use crate::pixels::{Depth, Layout, Rows, Samples};

/// Counts of each intensity in each tile of an image, over the rows counted so far.
///
/// The bins are stored tile after tile, in row-major order, with planes × bins for each: a bin for each level, or those of a
/// [`Scale`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileHistograms {
    geometry: Geometry,
    intensity: Intensity,
    layout: Layout,
    depth: Depth,
    /// How levels are divided into bins; `None` if there is one for each level.
    scales: Option<Scales>,
    bins: Vec<u64>,
}

impl TileHistograms {
    /// Creates empty histograms for an image of `width` × `height` pixels, with a bin for each level.
    ///
    /// # Errors
    /// Fails if the image can't be divided into this grid.
    pub fn new(
        clahe: &Clahe,
        color: Color,
        layout: Layout,
        depth: Depth,
        width: u32,
        height: u32,
    ) -> Result<Self, GridError> {
        let intensity = Intensity::of(color, layout);
        let geometry = Geometry::new(clahe, width, height, intensity.planes(), Bins::Levels(depth))?;
        let bins = vec![0; geometry.tiles() * intensity.planes() * depth.levels()];
        Ok(Self { geometry, intensity, layout, depth, scales: None, bins })
    }

    /// Creates empty histograms of 16-bit samples, with bins over a given range.
    ///
    /// # Errors
    /// Fails if the image can't be divided into this grid.
    pub(in super::super) fn over_range(
        clahe: &Clahe,
        color: Color,
        frame: &Frame,
        range: GivenRange,
    ) -> Result<Option<Self>, GridError> {
        Self::over(clahe, color, frame, |planes, most| Scales::given(range, planes, most))
    }

    /// Creates empty histograms of 16-bit samples, with bins over the spans of a first pass; returns `None` if they don't fit
    /// the image.
    ///
    /// # Errors
    /// Fails if the image can't be divided into this grid.
    pub(in super::super) fn over_spans(
        clahe: &Clahe,
        color: Color,
        frame: &Frame,
        spans: &Spans,
    ) -> Result<Option<Self>, GridError> {
        Self::over(clahe, color, frame, |planes, most| Scales::of(spans, planes, most))
    }

    fn over(
        clahe: &Clahe,
        color: Color,
        frame: &Frame,
        scales: impl FnOnce(usize, usize) -> Option<Scales>,
    ) -> Result<Option<Self>, GridError> {
        let Frame { width, height, layout, depth, .. } = *frame;
        let intensity = Intensity::of(color, layout);
        let geometry = Geometry::new(clahe, width, height, intensity.planes(), Bins::Few)?;
        let most = geometry.bins(Bins::Few);
        let scales = scales(intensity.planes(), most);
        let bins = vec![0; geometry.tiles() * intensity.planes() * most];
        Ok(scales.map(|scales| Self { geometry, intensity, layout, depth, scales: Some(scales), bins }))
    }

    /// Returns the size of the image and its grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Returns the intensity that is counted.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// Returns the depth of the counted samples.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Returns how levels are divided into bins; `None` if there is one for each level.
    pub(super) fn scales(&self) -> Option<&Scales> {
        self.scales.as_ref()
    }

    /// Returns the number of bins of a tile's plane.
    fn bins_of_plane(&self) -> usize {
        self.geometry.bins(if self.scales.is_some() { Bins::Few } else { Bins::Levels(self.depth) })
    }

    /// Returns the planes of each tile, one after the other: slices of bins.
    pub fn planes(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.bins.chunks_exact(self.bins_of_plane())
    }

    /// Counts some rows of the image, beginning with row `first`. Reflected pixels are counted with their source.
    ///
    /// # Panics
    /// Panics if the rows have another layout or depth than the histograms, or don't lie in the image.
    pub fn count(&mut self, first: u32, rows: &Rows) {
        self.count_by(Kernel::best(), first, rows);
    }

    /// As [`TileHistograms::count`], with a given kernel. The result is the same with each.
    pub fn count_by(&mut self, kernel: Kernel, first: u32, rows: &Rows) {
        self.count_masked(kernel, first, rows, None);
    }

    /// As [`TileHistograms::count_by`], without the pixels that a mask over the same rows hides.
    pub(in super::super) fn count_masked(&mut self, kernel: Kernel, first: u32, rows: &Rows, mask: Option<&Mask>) {
        assert_eq!((rows.width, rows.layout), (self.geometry.width(), self.layout), "rows of another image");
        match (&rows.samples, self.depth) {
            (Samples::U8(samples), Depth::Eight) => {
                with_engine!(kernel, engine => self.add(engine, first, samples, mask))
            }
            (Samples::U16(samples), Depth::Sixteen) => match as_le16(samples) {
                Some(samples) => with_engine!(kernel, engine => self.add(engine, first, samples, mask)),
                None => self.add(Scalar, first, samples, mask),
            },
            (samples, depth) => panic!("rows of {:?} counted in histograms of {depth:?}", samples.depth()),
        }
        if let (Some(level), None) = (mask.and_then(|mask| mask.hidden_level(self.depth)), &self.scales) {
            // It is hidden wherever it occurs, so none of what was counted before had it. A bin of a scale has other levels
            // too; there the counter leaves it out.
            self.bins.chunks_exact_mut(self.depth.levels()).for_each(|plane| plane[level] = 0);
        }
    }

    /// As [`TileHistograms::count_by`], for rows in the store's form ([`Rows::to_le_bytes`]).
    ///
    /// # Panics
    /// Panics if the bytes are not whole rows of the image.
    pub fn count_le_bytes(&mut self, kernel: Kernel, first: u32, bytes: &[u8]) {
        with_engine!(kernel, engine => match self.depth {
            Depth::Eight => self.add(engine, first, bytes, None),
            Depth::Sixteen => {
                assert!(bytes.len().is_multiple_of(2), "the bytes end within a sample");
                self.add(engine, first, bytes.as_chunks::<2>().0, None);
            }
            _ => panic!("such samples have no levels"),
        });
    }

    fn add<S: Sample>(&mut self, engine: impl Engine<S>, first: u32, samples: &[S], mask: Option<&Mask>) {
        let (most, depth) = (self.bins_of_plane(), self.depth);
        let Self { geometry, intensity, layout, scales, bins, .. } = self;
        let row = geometry.width() as usize * layout.channels();
        let first = first as usize;
        let end = first + samples.len() / row;
        assert!(samples.len().is_multiple_of(row) && end <= geometry.height() as usize, "rows of another image");
        let (intensity, layout, channels) = (*intensity, *layout, layout.channels());
        let values = [S::default(); MAX_BLOCK_PIXELS];
        let missing = mask.and_then(|mask| mask.hidden_level(depth)).map(|level| level as u32);
        let mut counter = Counter { engine, intensity, layout, values, count: 0, hidden: 0, missing };
        let mut tiles = bins.chunks_exact_mut(intensity.planes() * most);
        let columns: Vec<_> = (0..geometry.columns()).map(|column| geometry.columns_of_tile(column)).collect();
        for tile_row in 0..geometry.rows() {
            let (run, mirrored) = geometry.rows_of_tile(tile_row);
            let here = run.chain(mirrored).filter(|y| (first..end).contains(y));
            let rows: Vec<Line<'_, S>> = here.map(|y| Line::new(samples, mask, y - first, row, channels)).collect();
            for ((run, mirrored), bins) in columns.iter().zip(&mut tiles) {
                for (plane, bins) in bins.chunks_exact_mut(most).enumerate() {
                    let mut bins = TileBins { scale: scales.as_ref().map(|scales| scales.plane(plane)), bins };
                    for row in &rows {
                        row.each(run.clone(), |pixels| counter.add(plane, pixels, &mut bins));
                        for x in mirrored {
                            row.each(*x..x + 1, |pixels| counter.add(plane, pixels, &mut bins));
                        }
                    }
                    counter.flush(&mut bins);
                }
            }
        }
    }

    /// Serializes the histograms: a header, then the bins with runs of zeros compressed, since a few rows touch few
    /// tiles.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = wire::header(wire::TILE_HISTOGRAMS, self.intensity, self.depth);
        wire::put_bins(&mut bytes, &self.bins);
        bytes
    }

    /// Returns empty histograms of the same tiles.
    pub(in super::super) fn emptied(&self) -> Self {
        Self { bins: vec![0; self.bins.len()], scales: self.scales.clone(), ..*self }
    }

    /// Deserializes into these histograms, which must be empty. The inverse of [`TileHistograms::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly such histograms, or count more pixels than a tile has.
    pub(in super::super) fn filled(mut self, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.header(wire::TILE_HISTOGRAMS)? != (self.intensity, self.depth) {
            return Err(Malformed::Value("the histograms are of another image"));
        }
        reader.bins(&mut self.bins)?;
        reader.end()?;
        for plane in self.planes() {
            let total = plane.iter().try_fold(0u64, |total, bin| total.checked_add(*bin));
            if total.is_none_or(|total| total > self.geometry.area()) {
                return Err(Malformed::Value("more pixels are counted than a tile can have"));
            }
        }
        Ok(self)
    }

    /// Adds the histograms of other rows of the same image. The order of merging doesn't matter.
    ///
    /// # Errors
    /// Fails if `other` counts another image or intensity, or too many pixels; `self` is then unchanged.
    pub fn merge(&mut self, other: &TileHistograms) -> Result<(), MergeError> {
        let shape = |histograms: &Self| (histograms.intensity, histograms.depth);
        if self.scales != other.scales {
            return Err(MergeError::Range);
        }
        if (self.geometry, self.layout, shape(self)) != (other.geometry, other.layout, shape(other)) {
            return Err(MergeError::Shape { ours: shape(self), theirs: shape(other) });
        }
        for (ours, theirs) in self.planes().zip(other.planes()) {
            // Each sum is at most the area of a tile.
            if ours.iter().sum::<u64>() + theirs.iter().sum::<u64>() > self.geometry.area() {
                return Err(MergeError::Overflow);
            }
        }
        for (bin, count) in self.bins.iter_mut().zip(&other.bins) {
            *bin += count;
        }
        Ok(())
    }
}

/// A row of the image, and which of its pixels are counted.
struct Line<'a, S> {
    samples: &'a [S],
    shown: Option<&'a [bool]>,
    channels: usize,
}

impl<'a, S: Sample> Line<'a, S> {
    /// Creates the line with this index, of rows with `row` samples each.
    fn new(samples: &'a [S], mask: Option<&'a Mask>, index: usize, row: usize, channels: usize) -> Self {
        let width = row / channels;
        let shown = mask.map(|mask| &mask.shown()[index * width..][..width]);
        Self { samples: &samples[index * row..][..row], shown, channels }
    }

    /// Calls `count` with the pixels of a run that are not hidden.
    fn each(&self, run: Range<usize>, mut count: impl FnMut(&[S])) {
        let pixels = &self.samples[run.start * self.channels..run.end * self.channels];
        match self.shown {
            None => count(pixels),
            Some(shown) => count(&kept(&shown[run], pixels, self.channels)),
        }
    }
}

/// Buffers the intensities of a tile's rows, so that many are counted at once.
struct Counter<S, E> {
    engine: E,
    intensity: Intensity,
    layout: Layout,
    values: [S; MAX_BLOCK_PIXELS],
    count: usize,
    hidden: usize,
    /// Level of samples that are hidden on their own.
    missing: Option<u32>,
}

impl<S: Sample, E: Engine<S>> Counter<S, E> {
    fn add(&mut self, plane: usize, pixels: &[S], bins: &mut TileBins<'_>) {
        let channels = self.layout.channels();
        let mut rest = pixels;
        while !rest.is_empty() {
            if self.count == MAX_BLOCK_PIXELS {
                self.flush(bins);
            }
            let count = (rest.len() / channels).min(MAX_BLOCK_PIXELS - self.count);
            let (pixels, after) = rest.split_at(count * channels);
            let values = &mut self.values[self.count..][..count];
            fused::intensities(self.engine, self.intensity, self.layout, plane, pixels, values);
            self.hidden += fused::hide(self.engine, self.layout, pixels, values);
            self.count += count;
            rest = after;
        }
    }

    fn flush(&mut self, bins: &mut TileBins<'_>) {
        let values = &self.values[..self.count];
        match bins.scale {
            None => {
                self.engine.tally(values, bins.bins);
                bins.bins[0] -= self.hidden as u64;
            }
            Some(scale) => {
                let missing = self.missing;
                let counted = values.iter().map(|value| value.wide()).filter(|level| Some(*level) != missing);
                counted.for_each(|level| bins.bins[scale.bin(level)] += 1);
                // The values of transparent pixels are 0.
                if missing != Some(0) {
                    bins.bins[scale.bin(0)] -= self.hidden as u64;
                }
            }
        }
        (self.count, self.hidden) = (0, 0);
    }
}

/// Bins of one plane of a tile.
struct TileBins<'a> {
    scale: Option<&'a Scale>,
    bins: &'a mut [u64],
}

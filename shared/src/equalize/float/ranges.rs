//! Value ranges of the planes of floating-point images.

use serde::{Deserialize, Serialize};

use super::super::intensity::Intensity;
use super::super::wire::{self, Malformed, Reader};
use super::super::{GivenRange, Recipe};
use crate::pixels::{Depth, Layout, Rows, Samples};

/// The quantity of a pixel that is measured and equalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) intensity: Intensity,
    pub(super) layout: Layout,
}

impl View {
    /// Creates a view. For colour images, `luma` and `gray` select the luma, the other colours each channel.
    pub(super) fn new(recipe: &Recipe, layout: Layout) -> Self {
        Self { intensity: recipe.intensity(layout, Depth::Float), layout }
    }

    /// Returns whether a pixel is counted and changed, i.e. isn't fully transparent.
    pub(super) fn shows(&self, pixel: &[f32]) -> bool {
        !(self.layout.has_alpha() && pixel[self.layout.channels() - 1] <= 0.0)
    }

    /// Returns the value of a pixel in a plane, or `None` if it must not be counted or changed.
    pub(super) fn value(&self, pixel: &[f32], plane: usize) -> Option<f32> {
        let value = match self.intensity {
            Intensity::Luma => luma(pixel),
            _ => pixel[plane],
        };
        (value.is_finite() && self.shows(pixel)).then_some(value)
    }

    /// Returns the pixels of some rows.
    ///
    /// # Panics
    /// Panics if the rows have another layout, or samples of another depth.
    pub(super) fn pixels<'a>(&self, rows: &'a Rows) -> std::slice::ChunksExact<'a, f32> {
        assert_eq!(rows.layout, self.layout, "rows of another layout");
        let Samples::F32(samples) = &rows.samples else { panic!("floating-point samples were expected") };
        samples.chunks_exact(self.layout.channels())
    }
}

/// Y of BT.601 YCbCr (ITU-R BT.601-7 § 2.5.1).
pub(in super::super) fn luma(colors: &[f32]) -> f32 {
    let [red, green, blue] = [colors[0], colors[1], colors[2]].map(f64::from);
    (0.299 * red + 0.587 * green + 0.114 * blue) as f32
}

/// Least and greatest value of each plane over the rows measured so far; `None` for a plane without values.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    pub(super) view: View,
    pub(super) planes: Vec<Option<(f32, f32)>>,
}

/// Ranges as JSON preserves them exactly: of floating-point samples, the least and greatest value of each plane as the bits of
/// binary32; of 16-bit samples, the levels between which CLAHE counts. `None` for a plane without values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spans(Vec<Option<[u32; 2]>>);

impl Spans {
    /// Creates spans from pairs of levels of whole numbers.
    pub(in super::super) fn of_pairs(pairs: Vec<Option<[u32; 2]>>) -> Self {
        Self(pairs)
    }

    /// Returns the pairs of numbers.
    pub(in super::super) fn pairs(&self) -> &[Option<[u32; 2]>] {
        &self.0
    }
}

impl Ranges {
    /// Creates ranges without any values.
    pub fn new(recipe: &Recipe, layout: Layout) -> Self {
        let view = View::new(recipe, layout);
        Self { view, planes: vec![None; view.intensity.planes()] }
    }

    /// Creates the same given range for each plane.
    pub fn given(recipe: &Recipe, layout: Layout, range: GivenRange) -> Self {
        let view = View::new(recipe, layout);
        Self { view, planes: vec![Some(range.samples()); view.intensity.planes()] }
    }

    /// Restores ranges from [`Ranges::spans`], for the same recipe and layout. Returns `None` if the number of planes
    /// differs or a range is invalid.
    pub fn of(recipe: &Recipe, layout: Layout, spans: &Spans) -> Option<Self> {
        let range = |bits: [u32; 2]| (f32::from_bits(bits[0]), f32::from_bits(bits[1]));
        let sound = |(lo, hi): &(f32, f32)| lo.is_finite() && hi.is_finite() && lo <= hi;
        let planes: Vec<_> = spans.0.iter().map(|span| span.map(range)).collect();
        let empty = Self::new(recipe, layout);
        let fits = planes.len() == empty.planes.len() && planes.iter().flatten().all(sound);
        fits.then_some(Self { planes, ..empty })
    }

    /// Returns the ranges in a form that JSON preserves exactly.
    pub fn spans(&self) -> Spans {
        Spans(self.planes.iter().map(|plane| plane.map(|(lo, hi)| [lo.to_bits(), hi.to_bits()])).collect())
    }

    /// Extends the ranges by the values of some rows.
    ///
    /// # Panics
    /// Panics if the rows have another layout, or samples of another depth.
    pub fn look(&mut self, rows: &Rows) {
        for pixel in self.view.pixels(rows) {
            for (plane, range) in self.planes.iter_mut().enumerate() {
                if let Some(value) = self.view.value(pixel, plane) {
                    // Normalizes −0 to 0, so that the order of values doesn't matter.
                    let value = value + 0.0;
                    *range = Some(range.map_or((value, value), |(lo, hi)| (lo.min(value), hi.max(value))));
                }
            }
        }
    }

    /// Extends the ranges by those of other rows. The order of merging doesn't matter.
    pub fn merge(&mut self, other: &Ranges) {
        for (ours, theirs) in self.planes.iter_mut().zip(&other.planes) {
            *ours = match (*ours, *theirs) {
                (Some((lo, hi)), Some((low, high))) => Some((lo.min(low), hi.max(high))),
                (ours, theirs) => ours.or(theirs),
            };
        }
    }

    /// Appends the ranges: nine bytes per plane, a 1 (0 if there are no values), the least and the greatest value.
    pub(super) fn put(&self, bytes: &mut Vec<u8>) {
        for plane in &self.planes {
            let (lo, hi) = plane.unwrap_or((0.0, 0.0));
            bytes.push(u8::from(plane.is_some()));
            bytes.extend(lo.to_le_bytes());
            bytes.extend(hi.to_le_bytes());
        }
    }

    /// Reads ranges written by [`Ranges::put`], one for each plane of the view.
    pub(super) fn take(view: View, bytes: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut planes = Vec::with_capacity(view.intensity.planes());
        for _ in 0..view.intensity.planes() {
            let there = bytes.take(1)?[0] == 1;
            let mut number = || {
                let four = bytes.take(4)?;
                Ok(f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            };
            let (lo, hi) = (number()?, number()?);
            if !(lo.is_finite() && hi.is_finite() && lo <= hi) {
                return Err(Malformed::Value("a range has no end, or ends before it begins"));
            }
            planes.push(there.then_some((lo, hi)));
        }
        Ok(Self { view, planes })
    }

    /// Serializes the ranges.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = wire::header(wire::RANGES, self.view.intensity, Depth::Float);
        self.put(&mut bytes);
        bytes
    }

    /// Deserializes ranges for the recipe and layout of these. The inverse of [`Ranges::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly such ranges.
    pub fn filled(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Reader::new(bytes);
        let (intensity, depth) = bytes.header(wire::RANGES)?;
        if (intensity, depth) != (self.view.intensity, Depth::Float) {
            return Err(Malformed::Value("the ranges are of other samples"));
        }
        let ranges = Self::take(self.view, &mut bytes)?;
        bytes.end()?;
        Ok(ranges)
    }
}

//! Mapping of floating-point samples: a piecewise linear curve for each plane.

use super::super::intensity::Color;
use super::super::recipe::{Method, Recipe};
use super::super::stretch;
use super::super::wire::{self, Malformed, Reader};
use super::BINS;
use super::histogram::{FloatHistogram, place};
use super::ranges::{Ranges, View, luma};
use crate::pixels::{Depth, Layout, Rows, Samples};

/// Mapping from old to new value: for each plane, the new values of the [`BINS`] + 1 edges of its bins, with linear
/// interpolation between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    ranges: Ranges,
    edges: Vec<Vec<f64>>,
}

impl Curves {
    /// Creates the curves of a histogram. Returns `None` if the recipe's method isn't defined for floating-point
    /// samples.
    pub fn new(recipe: &Recipe, counts: &FloatHistogram) -> Option<Self> {
        let limited = match &recipe.method {
            Method::Plateau { clip_limit } => &counts.histogram.with_plateau(clip_limit.value()),
            _ => &counts.histogram,
        };
        let planes = counts.ranges.planes.iter().zip(limited.planes());
        let edges = planes.map(|(range, bins)| {
            let (lo, hi) = range.map_or((0.0, 0.0), |(lo, hi)| (f64::from(lo), f64::from(hi)));
            let shares = match &recipe.method {
                Method::Global | Method::Plateau { .. } => cumulated(bins),
                Method::Stretch { cut, tone } => {
                    let shares = match tone.points() {
                        Some(points) => between(points.numbers(), lo, hi),
                        None => stretched(stretch::ends(bins, *cut)),
                    };
                    shares.into_iter().map(|share| tone.share(share)).collect()
                }
                Method::Clahe { .. } | Method::Match { .. } => return None,
            };
            let strength = recipe.strength.value();
            let edge = |(edge, share): (usize, f64)| {
                let unchanged = edge as f64 / BINS as f64;
                // At full strength exactly the share, without rounding.
                let share = if strength == 1.0 { share } else { unchanged + strength * (share - unchanged) };
                lo + (hi - lo) * share
            };
            Some(shares.into_iter().enumerate().map(edge).collect())
        });
        Some(Self { edges: edges.collect::<Option<_>>()?, ranges: counts.ranges.clone() })
    }

    /// Returns the new value for a value of a plane.
    fn value(&self, plane: usize, value: f32) -> f32 {
        let Some(range) = self.ranges.planes[plane].filter(|(lo, hi)| lo < hi) else { return value };
        let edges = &self.edges[plane];
        let at = place(value, range);
        let bin = (at as usize).min(BINS - 1);
        (edges[bin] + (at - bin as f64) * (edges[bin + 1] - edges[bin])) as f32
    }

    /// Equalizes some rows.
    ///
    /// # Panics
    /// Panics if the rows have another layout, or samples of another depth.
    pub fn apply(&self, recipe: &Recipe, mut rows: Rows) -> Rows {
        let view = self.ranges.view;
        assert_eq!(rows.layout, view.layout, "rows of another layout");
        if recipe.color == Color::Gray && view.layout.colors() == 3 {
            return self.gray(rows);
        }
        let colors = view.layout.colors();
        let Samples::F32(samples) = &mut rows.samples else { panic!("floating-point samples were expected") };
        for pixel in samples.chunks_exact_mut(view.layout.channels()) {
            for plane in 0..self.edges.len() {
                let Some(before) = view.value(pixel, plane) else { continue };
                let after = self.value(plane, before);
                if self.edges.len() == colors {
                    pixel[plane] = after;
                } else {
                    let shift = after - before;
                    pixel[..colors].iter_mut().for_each(|color| *color += shift);
                }
            }
        }
        rows
    }

    /// As [`Curves::apply`], where colour becomes gray.
    fn gray(&self, rows: Rows) -> Rows {
        let view = self.ranges.view;
        let layout = if view.layout.has_alpha() { Layout::GrayAlpha } else { Layout::Gray };
        let mut samples = Vec::with_capacity(rows.samples.len() / 3);
        for pixel in view.pixels(&rows) {
            samples.push(view.value(pixel, 0).map_or_else(|| luma(pixel), |before| self.value(0, before)));
            samples.extend_from_slice(&pixel[3..]);
        }
        Rows { width: rows.width, layout, samples: Samples::F32(samples) }
    }

    /// Serializes the curves.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = wire::header(wire::CURVES, self.ranges.view.intensity, Depth::Float);
        self.ranges.put(&mut bytes);
        bytes.extend(self.edges.iter().flatten().flat_map(|edge| edge.to_le_bytes()));
        bytes
    }

    /// Deserializes curves for the same recipe and layout. The inverse of [`Curves::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly such curves.
    pub fn from_bytes(recipe: &Recipe, layout: Layout, bytes: &[u8]) -> Result<Self, Malformed> {
        let view = View::new(recipe, layout);
        let mut bytes = Reader::new(bytes);
        if bytes.header(wire::CURVES)? != (view.intensity, Depth::Float) {
            return Err(Malformed::Value("the curves are for other samples"));
        }
        let ranges = Ranges::take(view, &mut bytes)?;
        let mut edges = Vec::with_capacity(ranges.planes.len());
        for _ in &ranges.planes {
            let (numbers, _) = bytes.take((BINS + 1) * 8)?.as_chunks::<8>();
            edges.push(numbers.iter().map(|number| f64::from_le_bytes(*number)).collect());
        }
        bytes.end()?;
        Ok(Self { ranges, edges })
    }
}

/// Returns the CDF: the share of the values below each edge.
fn cumulated(bins: &[u64]) -> Vec<f64> {
    let total = bins.iter().sum::<u64>().max(1);
    let sums = bins.iter().scan(0, |sum, bin| {
        *sum += bin;
        Some(*sum as f64 / total as f64)
    });
    std::iter::once(0.0).chain(sums).collect()
}

/// Returns the shares of a linear stretch: 0 up to the lower edge of the first kept bin, 1 from the upper edge of the
/// last one on.
fn stretched(kept: Option<(usize, usize)>) -> Vec<f64> {
    let (low, high) = kept.filter(|(low, high)| low <= high).map_or((0, BINS), |(low, high)| (low, high + 1));
    let share = |edge: usize| (edge.clamp(low, high) - low) as f64 / (high - low) as f64;
    (0..=BINS).map(share).collect()
}

/// Returns the shares of a linear stretch between two values, over a range.
fn between([black, white]: [f64; 2], lo: f64, hi: f64) -> Vec<f64> {
    let edge = |edge: usize| lo + (hi - lo) * edge as f64 / BINS as f64;
    (0..=BINS).map(|place| ((edge(place) - black) / (white - black)).clamp(0.0, 1.0)).collect()
}

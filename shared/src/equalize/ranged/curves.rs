//! Mapping of samples without levels: a piecewise linear curve for each plane.
//!
//! A curve goes through the new values of the edges of all bins. Where each bin is one whole number (a level), it goes through
//! the new values of the levels: `(c(v) − c₀) / (n − c₀)` of the range, with `c` the counts up to and including a level, `c₀` that
//! of the lowest that occurs, and `n` all of them, as at 16 bits ([`Lut::from_histogram`](super::super::Lut::from_histogram)).

use super::super::arithmetic::Arithmetic;
use super::super::intensity::Color;
use super::super::recipe::{Method, Recipe};
use super::super::strength::Strength;
use super::super::stretch::{self, Cut};
use super::super::wire::{self, Malformed, Reader};
use super::BINS;
use super::histogram::RangedHistogram;
use super::range::{Range, between};
use super::ranges::Ranges;
use super::view::{View, luma};
use crate::for_samples;
use crate::pixels::{Depth, Layout, Rows, SampleType, Samples};

/// Mapping from old to new value: for each plane, the new values of the [`BINS`] + 1 edges of its bins, with linear
/// interpolation between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    ranges: Ranges,
    edges: Vec<Vec<f64>>,
}

impl Curves {
    /// Creates the curves of a histogram. Returns `None` if the recipe's method isn't defined for samples without levels.
    pub fn new(recipe: &Recipe, counts: &RangedHistogram) -> Option<Self> {
        let limited = match &recipe.method {
            Method::Clahe { .. } | Method::Match { .. } => return None,
            Method::Plateau { clip_limit } => &counts.histogram.with_plateau(clip_limit.value()),
            Method::Global | Method::Stretch { .. } => &counts.histogram,
        };
        let strength = recipe.strength.value();
        let planes = counts.ranges.planes.iter().zip(limited.planes());
        let edges = planes.map(|(range, bins)| {
            let Some(range) = range else { return vec![0.0; BINS + 1] };
            let edge = |(edge, share): (usize, f64)| {
                let unchanged = range.share(edge);
                match range.outlier(edge) {
                    // At full strength exactly the share, without rounding.
                    _ if strength == 1.0 => range.at(share),
                    Some(outlier) => between(outlier, range.at(share), strength),
                    None => range.at(unchanged + strength * (share - unchanged)),
                }
            };
            shares(recipe, range, bins).into_iter().enumerate().map(edge).collect()
        });
        Some(Self { edges: edges.collect(), ranges: counts.ranges.clone() })
    }

    /// Returns the new value for a value of a plane.
    fn value(&self, plane: usize, value: f64) -> f64 {
        let Some(range) = self.ranges.planes[plane].filter(|range| !range.is_single()) else { return value };
        let edges = &self.edges[plane];
        let (at, bin) = (range.place(value), range.bin(value));
        let (from, to) = (edges[bin], edges[bin + 1]);
        // Within the ends of the bin also where rounding leads beyond them, so that values keep their order.
        range.clamp(between(from, to, at - bin as f64).max(from).min(to))
    }

    /// Equalizes some rows.
    ///
    /// # Panics
    /// Panics if the rows have another layout, or samples of another depth.
    pub fn apply(&self, recipe: &Recipe, rows: Rows) -> Rows {
        let view = self.ranges.view;
        assert_eq!((rows.layout, rows.samples.depth()), (view.layout, view.depth), "rows of another kind");
        let Rows { width, layout, mut samples } = rows;
        // By definition; computed, it would differ in the last bits, or clamp to a range.
        let unchanged = recipe.strength == Strength::NONE && recipe.arithmetic >= Arithmetic::Eleven;
        if recipe.color == Color::Gray && layout.colors() == 3 {
            let curves = (!unchanged).then_some(self);
            let samples = for_samples!(&samples, samples => gray(&view, curves, samples));
            let layout = if layout.has_alpha() { Layout::GrayAlpha } else { Layout::Gray };
            return Rows { width, layout, samples };
        }
        if !unchanged {
            for_samples!(&mut samples, samples => self.apply_to(samples));
        }
        Rows { width, layout, samples }
    }

    fn apply_to<S: SampleType>(&self, samples: &mut [S]) {
        let view = self.ranges.view;
        let colors = view.layout.colors();
        for pixel in samples.chunks_exact_mut(view.layout.channels()) {
            for plane in 0..self.edges.len() {
                let Some(before) = view.value(pixel, plane) else { continue };
                let after = S::nearest(self.value(plane, before));
                if self.edges.len() == colors {
                    pixel[plane] = after;
                } else {
                    let shift = after.value() - before;
                    // A difference of floating-point numbers is one of their type, too.
                    let shift = if S::DEPTH.is_float() { S::nearest(shift).value() } else { shift };
                    pixel[..colors].iter_mut().for_each(|color| *color = S::nearest(color.value() + shift));
                }
            }
        }
    }

    /// Serializes the curves.
    pub fn to_bytes(&self) -> Vec<u8> {
        let view = self.ranges.view;
        let mut bytes = wire::header(wire::CURVES, view.intensity, view.depth);
        self.ranges.put(&mut bytes);
        bytes.extend(self.edges.iter().flatten().flat_map(|edge| edge.to_le_bytes()));
        bytes
    }

    /// Deserializes curves for the same recipe, layout and depth. The inverse of [`Curves::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly such curves.
    pub fn from_bytes(recipe: &Recipe, layout: Layout, depth: Depth, bytes: &[u8]) -> Result<Self, Malformed> {
        let view = View::new(recipe, layout, depth);
        let mut bytes = Reader::new(bytes);
        if bytes.header(wire::CURVES)? != (view.intensity, depth) {
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

/// Returns the equalized luma, with alpha; the luma itself without curves.
fn gray<S: SampleType>(view: &View, curves: Option<&Curves>, samples: &[S]) -> Samples {
    let mut gray = Vec::with_capacity(samples.len() / 3);
    for pixel in samples.chunks_exact(view.layout.channels()) {
        let value = curves.and_then(|curves| Some(S::nearest(curves.value(0, view.value(pixel, 0)?))));
        gray.push(value.unwrap_or_else(|| luma(pixel)));
        gray.extend_from_slice(&pixel[3..]);
    }
    S::samples(gray)
}

/// Returns the share of the range to which each edge of a plane's bins is mapped.
fn shares(recipe: &Recipe, range: &Range, bins: &[u64]) -> Vec<f64> {
    let Method::Stretch { cut, tone } = &recipe.method else {
        return if range.is_of_levels() { levels(range, bins) } else { cumulated(bins) };
    };
    let shares = match tone.points() {
        Some(points) => {
            let [black, white] = points.numbers();
            let share = |edge| ((range.at(range.share(edge)) - black) / (white - black)).clamp(0.0, 1.0);
            (0..=BINS).map(share).collect()
        }
        None => stretched(range, bins, *cut),
    };
    shares.into_iter().map(|share| tone.share(share)).collect()
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

/// Returns the CDF of levels, above the lowest that occurs.
fn levels(range: &Range, bins: &[u64]) -> Vec<f64> {
    let total: u64 = bins.iter().sum();
    let lowest = bins.iter().find(|bin| **bin > 0).copied().unwrap_or(0);
    if total == lowest {
        return (0..=BINS).map(|edge| range.share(edge)).collect();
    }
    let (_, highest) = range.core();
    let mut sum = 0;
    let mut all: Vec<f64> = Vec::with_capacity(BINS + 1);
    for (level, bin) in bins.iter().enumerate() {
        // The edge after the highest level is where the outliers above begin.
        if level <= highest {
            sum += bin;
        }
        all.push(if level > highest + 1 { 1.0 } else { sum.saturating_sub(lowest) as f64 / (total - lowest) as f64 });
    }
    all.push(1.0);
    all
}

/// Returns the shares of a linear stretch: 0 up to the lower edge of the first kept bin, 1 from the upper edge of the
/// last one on. Of levels, 0 is the lowest kept one, and 1 the highest. Outliers count as the ends of the range.
fn stretched(range: &Range, bins: &[u64], cut: Cut) -> Vec<f64> {
    let (first, last) = range.core();
    let kept = stretch::ends(bins, cut).map(|(low, high)| (low.clamp(first, last), high.clamp(first, last)));
    let (low, high) = kept.filter(|(low, high)| low <= high).unwrap_or((first, last));
    let high = if range.is_of_levels() { high } else { high + 1 };
    if low == high {
        return (0..=BINS).map(|edge| range.share(edge)).collect();
    }
    let share = |edge: usize| (edge.clamp(low, high) - low) as f64 / (high - low) as f64;
    (0..=BINS).map(share).collect()
}

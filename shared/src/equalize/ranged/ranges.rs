//! Value ranges of the planes of an image without levels.

use serde::{Deserialize, Serialize};

use super::super::wire::{Malformed, Reader};
use super::super::{GivenRange, Recipe};
use super::range::Range;
use super::view::View;
use crate::for_depth;
use crate::pixels::{Depth, Layout, SampleType};

/// Ranges of all planes; `None` for a plane without values.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    pub(super) view: View,
    pub(super) planes: Vec<Option<Range>>,
}

/// Ranges as JSON preserves them exactly: of samples without levels, the ends of each plane's range as the bits of its type, and
/// where there are outliers, the least and the greatest value; of 16-bit samples, the levels between which CLAHE counts. `None`
/// for a plane without values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spans(Vec<Option<Span>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Span {
    Ends([u64; 2]),
    WithOutliers([u64; 4]),
}

impl Spans {
    /// Creates spans from pairs of levels of whole numbers.
    pub(in super::super) fn of_pairs(pairs: Vec<Option<[u32; 2]>>) -> Self {
        Self(pairs.into_iter().map(|pair| pair.map(|pair| Span::Ends(pair.map(u64::from)))).collect())
    }

    /// Returns the pairs of levels. Returns `None` if these are no levels.
    pub(in super::super) fn pairs(&self) -> Option<Vec<Option<[u32; 2]>>> {
        let pair = |span: &Option<Span>| match span {
            None => Some(None),
            Some(Span::Ends([lo, hi])) => Some(Some([u32::try_from(*lo).ok()?, u32::try_from(*hi).ok()?])),
            Some(Span::WithOutliers(_)) => None,
        };
        self.0.iter().map(pair).collect()
    }
}

impl Ranges {
    /// Creates the same given range for each plane; `None` if such samples can't have it.
    pub fn given(recipe: &Recipe, layout: Layout, depth: Depth, range: GivenRange) -> Option<Self> {
        let view = View::new(recipe, layout, depth);
        let ends = range.samples(depth)?;
        Some(Self { view, planes: vec![Some(Range::new(depth, ends, ends)?); view.planes()] })
    }

    /// Restores ranges from [`Ranges::spans`], for the same recipe, layout and depth. Returns `None` if the number of planes
    /// differs or a range is invalid.
    pub fn of(recipe: &Recipe, layout: Layout, depth: Depth, spans: &Spans) -> Option<Self> {
        let view = View::new(recipe, layout, depth);
        let range = |span: &Option<Span>| match span {
            None => Some(None),
            Some(Span::Ends(ends)) => {
                let ends = ends.map(|bits| from_bits(depth, bits));
                Some(Some(Range::new(depth, ends, ends)?))
            }
            Some(Span::WithOutliers(numbers)) => {
                let [lo, hi, least, greatest] = numbers.map(|bits| from_bits(depth, bits));
                Some(Some(Range::new(depth, [lo, hi], [least, greatest])?))
            }
        };
        let planes = spans.0.iter().map(range).collect::<Option<Vec<_>>>()?;
        (planes.len() == view.planes()).then_some(Self { view, planes })
    }

    /// Returns the least and the greatest end of all planes' ranges; `None` without values.
    pub fn all(&self) -> Option<[f64; 2]> {
        let ends = self.planes.iter().flatten().map(Range::ends);
        ends.reduce(|[least, greatest], [lo, hi]| [least.min(lo), greatest.max(hi)])
    }

    /// Returns the ranges in a form that JSON preserves exactly.
    pub fn spans(&self) -> Spans {
        let depth = self.view.depth;
        let span = |range: &Range| {
            let [lo, hi] = range.ends().map(|end| to_bits(depth, end));
            match range.outermost().map(|both| both.map(|value| to_bits(depth, value))) {
                None => Span::Ends([lo, hi]),
                Some([least, greatest]) => Span::WithOutliers([lo, hi, least, greatest]),
            }
        };
        Spans(self.planes.iter().map(|plane| plane.as_ref().map(span)).collect())
    }

    /// Appends the ranges. Of each plane, a byte, 0 if there are no values, 2 if there are outliers, else 1; then the ends, and
    /// of outliers the least and the greatest value, as samples.
    pub(super) fn put(&self, bytes: &mut Vec<u8>) {
        for plane in &self.planes {
            let [lo, hi] = plane.map_or([0.0, 0.0], |range| range.ends());
            let outermost = plane.and_then(|range| range.outermost());
            bytes.push(if outermost.is_some() { 2 } else { u8::from(plane.is_some()) });
            for value in [lo, hi].into_iter().chain(outermost.into_iter().flatten()) {
                put_value(self.view.depth, value, bytes);
            }
        }
    }

    /// Reads ranges written by [`Ranges::put`], one for each plane of the view.
    pub(super) fn take(view: View, bytes: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut planes = Vec::with_capacity(view.planes());
        for _ in 0..view.planes() {
            let kind = bytes.take(1)?[0];
            let mut pair = || Ok::<_, Malformed>([take_value(view.depth, bytes)?, take_value(view.depth, bytes)?]);
            let ends = pair()?;
            let outermost = if kind == 2 { pair()? } else { ends };
            let range = Range::new(view.depth, ends, outermost);
            let range = range.ok_or(Malformed::Value("a range has no end, or ends before it begins"))?;
            planes.push((kind > 0).then_some(range));
        }
        Ok(Self { view, planes })
    }
}

/// Appends a value as a sample, little-endian.
pub(super) fn put_value(depth: Depth, value: f64, bytes: &mut Vec<u8>) {
    for_depth!(depth, S => bytes.extend(S::le_bytes(&[S::nearest(value)])));
}

/// Reads a value written by [`put_value`].
pub(super) fn take_value(depth: Depth, bytes: &mut Reader<'_>) -> Result<f64, Malformed> {
    for_depth!(depth, S => Ok(S::of_le(bytes.take(S::BYTES)?).value()))
}

fn to_bits(depth: Depth, value: f64) -> u64 {
    let mut bytes = Vec::with_capacity(8);
    put_value(depth, value, &mut bytes);
    bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

fn from_bits(depth: Depth, bits: u64) -> f64 {
    for_depth!(depth, S => S::of_le(&bits.to_le_bytes()[..S::BYTES]).value())
}

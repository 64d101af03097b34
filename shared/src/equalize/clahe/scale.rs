//! Scale: how the 16-bit levels of a plane are divided into the bins of a tile's histogram.
//!
//! A tile has far fewer pixels than there are 16-bit levels, so a histogram with a bin for each level is too sparse: nearly
//! every bin is empty or 1, and a clip limit has nothing to clip. So bins are counted over the range that occurs, a few
//! hundred of them ([`Geometry::bins`](super::Geometry)), and tables are interpolated between the bins' edges.

use std::fmt;
use std::sync::Arc;

use crate::equalize::given::GivenRange;
use crate::equalize::ranged::Spans;
use crate::equalize::stretch::{self, Cut};
use crate::equalize::wire::{Malformed, Reader};

/// Number of levels at 16 bits.
const LEVELS: usize = 1 << 16;

/// Outliers at each end, in millionths of the pixels: 0.1 %. Hot pixels and specks of glare are fewer.
pub(super) const OUTLIERS: u32 = 1_000;

/// Bits of a place that are the fraction of a bin.
const FRACTION_BITS: u32 = 23;

/// The levels that delimit a plane's bins.
///
/// The core, `low` to `high`, is divided into bins of equal width. The levels below it, down to `least`, and above it, up to
/// `greatest`, are outliers: few pixels, which share one bin at each end, however far away they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    least: u16,
    low: u16,
    high: u16,
    greatest: u16,
}

impl Ends {
    /// Returns the ends of a histogram of all pixels; `None` if there are none.
    fn of(bins: &[u64]) -> Option<Self> {
        let least = bins.iter().position(|bin| *bin > 0)?;
        let greatest = bins.iter().rposition(|bin| *bin > 0)?;
        let cut = Cut::millionths(OUTLIERS, OUTLIERS).ok();
        let core = cut.and_then(|cut| stretch::ends(bins, cut)).filter(|(low, high)| low < high);
        let (low, high) = core.unwrap_or((least, greatest));
        let [least, low, high, greatest] = [least, low, high, greatest].map(|level| level as u16);
        Some(Self { least, low, high, greatest })
    }

    fn are_sound(&self) -> bool {
        self.least <= self.low && self.low <= self.high && self.high <= self.greatest
    }

    /// Returns how many bins are occupied by this many at most: the whole number, those of outliers below, and of the core.
    fn bins(&self, most: usize) -> (usize, usize, usize) {
        let all = most.min(usize::from(self.greatest - self.least) + 1);
        let (below, above) = (usize::from(self.least < self.low), usize::from(self.high < self.greatest));
        (all, below, all - below - above)
    }

    /// Returns the place of a level, in units of 2⁻²³ bins.
    fn place(&self, level: u16, most: usize) -> u32 {
        let (_, below, core) = self.bins(most);
        // Levels outside count as the nearer end.
        let level = level.clamp(self.least, self.greatest);
        let (from, to, first, bins) = if level < self.low {
            (self.least, self.low, 0, 1)
        } else if level <= self.high {
            (self.low, self.high, below, core)
        } else {
            (self.high, self.greatest, below + core, 1)
        };
        let within = (u64::from(level - from) * bins as u64) << FRACTION_BITS;
        let width = u64::from(to - from).max(1);
        ((first as u64) << FRACTION_BITS) as u32 + (within / width) as u32
    }

    /// Returns the levels at the edges of the bins, one more than `most`; the edges past the last bin are all the last one.
    fn edges(&self, most: usize) -> Vec<f32> {
        let (all, below, core) = self.bins(most);
        let edge = |edge: usize| {
            if edge < below {
                f64::from(self.least)
            } else if edge <= below + core {
                let width = f64::from(self.high) - f64::from(self.low);
                f64::from(self.low) + width * (edge - below) as f64 / core.max(1) as f64
            } else {
                f64::from(self.greatest)
            }
        };
        (0..=most).map(|place| edge(place.min(all)) as f32).collect()
    }
}

/// Division of one plane's levels into bins.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Scale {
    ends: Ends,
    /// Number of bins with a place; further bins stay empty.
    bins: usize,
    most: usize,
    /// Place of each level.
    places: Arc<[u32]>,
}

impl fmt::Debug for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scale").field("ends", &self.ends).field("bins", &self.bins).finish_non_exhaustive()
    }
}

impl Scale {
    /// Divides the range of a plane into `most` bins, or one for each level if that is fewer. A plane without pixels has
    /// any scale, as has one with a single level.
    fn new(ends: Option<Ends>, most: usize) -> Self {
        let ends = ends.unwrap_or(Ends { least: 0, low: 0, high: 0, greatest: 0 });
        let places = (0..LEVELS).map(|level| ends.place(level as u16, most)).collect();
        Self { ends, bins: ends.bins(most).0, most, places }
    }

    /// Returns the bin in which a level is counted.
    #[inline(always)]
    pub(super) fn bin(&self, level: u32) -> usize {
        ((self.places[level as usize & (LEVELS - 1)] >> FRACTION_BITS) as usize).min(self.bins - 1)
    }

    /// Returns the bin of a level and its position between the bin's edges, from 0 to 1.
    #[inline(always)]
    pub(super) fn place(&self, level: u32) -> (usize, f32) {
        let place = self.places[level as usize & (LEVELS - 1)];
        let bin = ((place >> FRACTION_BITS) as usize).min(self.bins - 1);
        // Exact: below 2²⁴.
        let part = (place - ((bin as u32) << FRACTION_BITS)) as f32 / (1u32 << FRACTION_BITS) as f32;
        (bin, part)
    }

    /// Returns the number of bins that levels are counted in.
    pub(super) fn bins(&self) -> usize {
        self.bins
    }

    /// Returns whether there is a range to equalize.
    pub(super) fn has_range(&self) -> bool {
        self.ends.least < self.ends.greatest
    }

    /// Returns the levels at the edges of the bins.
    pub(super) fn edges(&self) -> Vec<f32> {
        self.ends.edges(self.most)
    }
}

/// The scale of each plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Scales(Vec<Scale>);

impl Scales {
    /// Creates the same given range for each plane.
    pub(super) fn given(range: GivenRange, planes: usize, most: usize) -> Option<Self> {
        let [low, high] = range.levels()?;
        let ends = Ends { least: low, low, high, greatest: high };
        Some(Self(vec![Scale::new(Some(ends), most); planes]))
    }

    /// Creates scales from spans that [`spans`] returned. Returns `None` if the number of planes differs, or a span isn't
    /// one of levels.
    pub(super) fn of(spans: &Spans, planes: usize, most: usize) -> Option<Self> {
        let pairs = spans.pairs()?;
        let (pairs, rest) = pairs.as_chunks::<2>();
        if pairs.len() != planes || !rest.is_empty() {
            return None;
        }
        let scale = |pair: &[Option<[u32; 2]>; 2]| {
            let [Some([least, greatest]), Some([low, high])] = *pair else {
                return (*pair == [None, None]).then(|| Scale::new(None, most));
            };
            let level = |level: u32| u16::try_from(level).ok();
            let ends = Ends { least: level(least)?, low: level(low)?, high: level(high)?, greatest: level(greatest)? };
            ends.are_sound().then(|| Scale::new(Some(ends), most))
        };
        Some(Self(pairs.iter().map(scale).collect::<Option<_>>()?))
    }

    /// Returns the scale of a plane.
    pub(super) fn plane(&self, plane: usize) -> &Scale {
        &self.0[plane]
    }

    /// Appends the ends of each plane: four levels of 16 bits.
    pub(super) fn put(&self, bytes: &mut Vec<u8>) {
        for Scale { ends: Ends { least, low, high, greatest }, .. } in &self.0 {
            bytes.extend([least, low, high, greatest].into_iter().flat_map(|level| level.to_le_bytes()));
        }
    }

    /// Reads what [`Scales::put`] wrote.
    pub(super) fn take(reader: &mut Reader<'_>, planes: usize, most: usize) -> Result<Self, Malformed> {
        let scale = |_| {
            let (levels, _) = reader.take(8)?.as_chunks::<2>();
            let [least, low, high, greatest] = std::array::from_fn(|index| u16::from_le_bytes(levels[index]));
            let ends = Ends { least, low, high, greatest };
            if !ends.are_sound() {
                return Err(Malformed::Value("the levels that delimit the bins are out of order"));
            }
            Ok(Scale::new(Some(ends), most))
        };
        Ok(Self((0..planes).map(scale).collect::<Result<_, _>>()?))
    }
}

/// Returns the spans of the planes of a histogram of all pixels: of each plane, the least and greatest level, then the ends
/// of the core; `None` for a plane without pixels.
pub(super) fn spans<'a>(planes: impl Iterator<Item = &'a [u64]>) -> Spans {
    let pairs = planes.flat_map(|bins| match Ends::of(bins) {
        None => [None, None],
        Some(Ends { least, low, high, greatest }) => {
            [Some([least.into(), greatest.into()]), Some([low.into(), high.into()])]
        }
    });
    Spans::of_pairs(pairs.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends() -> impl Strategy<Value = Ends> {
        proptest::array::uniform4(any::<u16>()).prop_map(|mut levels| {
            levels.sort_unstable();
            let [least, low, high, greatest] = levels;
            // A histogram with outliers has a core of at least two levels.
            if low < high {
                Ends { least, low, high, greatest }
            } else {
                Ends { least, low: least, high: greatest, greatest }
            }
        })
    }

    #[test]
    fn hot_pixels_are_no_part_of_the_core() {
        let mut bins = vec![0; LEVELS];
        bins[100..1_100].fill(10);
        (bins[0], bins[65_535]) = (1, 2);
        let ends = Ends { least: 0, low: 100, high: 1_099, greatest: 65_535 };
        assert_eq!(Ends::of(&bins), Some(ends));
        let scale = Scale::new(Some(ends), 256);
        assert_eq!([0, 99, 100, 1_099, 1_100, 65_535].map(|level| scale.bin(level)), [0, 0, 1, 255, 255, 255]);
        assert_eq!((scale.place(0), scale.place(65_535)), ((0, 0.0), (255, 1.0)));
    }

    #[test]
    fn few_levels_have_a_bin_each() {
        let scale = Scale::new(Some(Ends { least: 7, low: 7, high: 10, greatest: 10 }), 256);
        assert_eq!([7, 8, 9, 10].map(|level| scale.bin(level)), [0, 1, 2, 3]);
        assert!(!Scale::new(Some(Ends { least: 7, low: 7, high: 7, greatest: 7 }), 256).has_range());
        assert!(!Scale::new(None, 256).has_range());
    }

    proptest! {
        #[test]
        fn every_level_lies_between_the_edges_of_its_bin(ends in ends(), power in 4u32..9, level: u16) {
            let scale = Scale::new(Some(ends), 1 << power);
            let edges = scale.edges();
            prop_assert!(edges.is_sorted());
            let (bin, part) = scale.place(level.into());
            prop_assert_eq!(bin, scale.bin(level.into()));
            prop_assert!(bin < scale.bins() && (0.0..=1.0).contains(&part));
            let inside = f32::from(level.clamp(ends.least, ends.greatest));
            if scale.has_range() {
                let there = edges[bin] + part * (edges[bin + 1] - edges[bin]);
                prop_assert!((there - inside).abs() < 0.1, "{} in bin {}, at {}", level, bin, there);
            }
        }

        #[test]
        fn spans_keep_a_scale(bins in proptest::collection::vec((any::<u16>(), 1u64..5_000), 0..9)) {
            let mut histogram = vec![0; LEVELS];
            bins.iter().for_each(|(level, count)| histogram[usize::from(*level)] = *count);
            let spans = spans([&histogram[..]].into_iter());
            let scales = Scales::of(&spans, 1, 64).unwrap();
            prop_assert_eq!(&scales.0[0], &Scale::new(Ends::of(&histogram), 64));
            let mut bytes = Vec::new();
            scales.put(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Scales::take(&mut reader, 1, 64).unwrap(), scales);
        }
    }
}

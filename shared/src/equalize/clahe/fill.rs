//! Tables of tiles in which no sample was counted: all their pixels are nodata, masked or transparent.
//!
//! Pixels beside such a tile are interpolated with its table, so the table decides whether a band appears along missing
//! pixels. What the tile would have held is unknown. Its table is the mean of those of its neighbours that counted samples, and
//! of one more that knows nothing of the place: the linear one over the range of the image, which is the table of evenly
//! distributed levels. (Laplace's rule of succession: one made-up observation beside the real ones.) The more neighbours there
//! are, the less it weighs. Without it, a level that is rare near the edge gets an extreme rank, as if the missing scene were
//! the same as the known one.

use super::geometry::Geometry;
use super::histograms::TileHistograms;
use super::scale::OUTLIERS;
use super::tables::TileTables;
use crate::equalize::stretch::{Cut, ends, stretched};
use crate::pixels::Samples;

/// What the table of a tile without samples is the mean of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Filling {
    /// The neighbours' tables.
    Neighbours,
    /// The neighbours' tables and the linear one.
    NeighboursAndLinear,
}

/// A tile's plane without samples, by its index among all planes of all tiles, and those around it that have some.
struct Gap {
    place: usize,
    around: Vec<usize>,
}

impl TileTables {
    /// Returns these tables, in which the planes of tiles that counted no samples are filled. A tile without neighbours that
    /// have samples keeps the identity; no pixel is interpolated with it. `histograms` are those the tables were made of.
    #[must_use]
    pub(in super::super) fn with_empty_tiles_filled(mut self, histograms: &TileHistograms, filling: Filling) -> Self {
        let planes = histograms.intensity().planes();
        let gaps = gaps(histograms);
        if gaps.is_empty() {
            return self;
        }
        let wanted = |plane: usize| (filling == Filling::NeighboursAndLinear).then_some(plane);
        let length = self.entries_of_plane();
        match self.entries_mut() {
            Samples::U8(entries) => {
                let linear: Vec<_> = (0..planes).map(|plane| linear_levels(histograms, wanted(plane)?)).collect();
                fill(entries, &gaps, &linear, length, |sum: u32, n| ((2 * sum + n) / (2 * n)) as u8);
            }
            Samples::U16(entries) => {
                let linear: Vec<_> = (0..planes).map(|plane| linear_levels(histograms, wanted(plane)?)).collect();
                fill(entries, &gaps, &linear, length, |sum: u32, n| ((2 * sum + n) / (2 * n)) as u16);
            }
            Samples::F32(entries) => {
                let linear: Vec<_> = (0..planes).map(|plane| linear_edges(histograms, wanted(plane)?)).collect();
                fill(entries, &gaps, &linear, length, |sum: f64, n| (sum / f64::from(n)) as f32);
            }
            _ => panic!("tables have levels or edges"),
        }
        self
    }
}

/// Returns the planes of tiles without samples that have a neighbour with some.
fn gaps(histograms: &TileHistograms) -> Vec<Gap> {
    let (geometry, planes) = (histograms.geometry(), histograms.intensity().planes());
    let counted: Vec<bool> = histograms.planes().map(|bins| bins.iter().any(|bin| *bin > 0)).collect();
    let gap = |place: usize| {
        let same_plane = neighbours(geometry, place / planes).map(|tile| tile * planes + place % planes);
        Gap { place, around: same_plane.filter(|place| counted[*place]).collect() }
    };
    let empty = (0..counted.len()).filter(|place| !counted[*place]);
    empty.map(gap).filter(|gap| !gap.around.is_empty()).collect()
}

/// Returns the tiles around a tile, and the tile itself.
fn neighbours(geometry: &Geometry, tile: usize) -> impl Iterator<Item = usize> {
    let (columns, rows) = (geometry.columns(), geometry.rows());
    let (row, column) = (tile / columns, tile % columns);
    let beside = |at: usize, count: usize| at.saturating_sub(1)..(at + 2).min(count);
    let across = beside(column, columns);
    beside(row, rows).flat_map(move |row| across.clone().map(move |column| row * columns + column))
}

/// Returns the linear table of a plane with an entry for each level: from the 0.1 to the 99.9 percentile of the whole image,
/// so that single outliers don't determine it, or over all levels that occur if these two are equal. `None` if there is
/// only one level.
fn linear_levels(histograms: &TileHistograms, plane: usize) -> Option<Vec<u32>> {
    let mut planes = histograms.planes().skip(plane).step_by(histograms.intensity().planes());
    let mut whole = planes.next()?.to_vec();
    for bins in planes {
        whole.iter_mut().zip(bins).for_each(|(sum, bin)| *sum += bin);
    }
    let mut cuts = [OUTLIERS, 0].into_iter().filter_map(|share| Cut::millionths(share, share).ok());
    let cut = cuts.find(|cut| ends(&whole, *cut).is_some_and(|(low, high)| low < high))?;
    Some(stretched(&whole, cut))
}

/// Returns the linear table of a plane with bins over a range: their edges, in equal steps. `None` if there is no range.
fn linear_edges(histograms: &TileHistograms, plane: usize) -> Option<Vec<f64>> {
    let scale = histograms.scales()?.plane(plane);
    let edges = scale.edges().len();
    let edge = |edge: usize| 65_535.0 * edge.min(scale.bins()) as f64 / scale.bins() as f64;
    scale.has_range().then(|| (0..edges).map(edge).collect())
}

/// Sets the `length` entries of each gap to the mean of those around it, and of its plane in `linear`.
fn fill<E: Copy, Sum: Copy + From<E> + std::iter::Sum>(
    entries: &mut [E],
    gaps: &[Gap],
    linear: &[Option<Vec<Sum>>],
    length: usize,
    mean: impl Fn(Sum, u32) -> E,
) {
    for Gap { place, around } in gaps {
        let linear = linear[place % linear.len()].as_deref();
        let count = (around.len() + usize::from(linear.is_some())) as u32;
        for entry in 0..length {
            let known = around.iter().map(|place| Sum::from(entries[place * length + entry]));
            let sum = known.chain(linear.map(|linear| linear[entry])).sum();
            entries[place * length + entry] = mean(sum, count);
        }
    }
}

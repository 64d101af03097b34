//! Look-up tables of the tiles.

use super::geometry::{Bins, Clahe, Geometry};
use super::histograms::TileHistograms;
use super::scale::{Scale, Scales};
use crate::equalize::intensity::{Color, Intensity};
use crate::equalize::kernel::sample::Sample;
use crate::equalize::wire::{self, Malformed, Reader};
use crate::equalize::{Frame, Strength};
use crate::pixels::{Depth, Samples};

/// Mapping from old to new intensity at the centre of each tile, tile after tile: for each plane, an entry for each level, or
/// (of a range of 16-bit levels) the new levels of the edges of its bins, with linear interpolation between them.
#[derive(Debug, Clone, PartialEq)]
pub struct TileTables {
    geometry: Geometry,
    intensity: Intensity,
    /// How levels are divided into bins; `None` if there is an entry for each level.
    scales: Option<Scales>,
    entries: Samples,
}

impl TileTables {
    /// Creates the tables of an image whose rows have all been counted.
    ///
    /// Bins are clipped at `max(1, ⌊clip limit · pixels / levels⌋)`. The excess is distributed evenly over all bins;
    /// the remainder of that division, `r`, goes to every `max(1, ⌊levels / r⌋)`th bin from the lowest on, one each. A
    /// level maps to `round_ties_even(f32(sum) × (f32(levels − 1) / f32(pixels)))` with `sum` the pixels up to and
    /// including it.
    ///
    /// Over a range, bins are clipped at `clip limit · pixels / bins`, in units of 2⁻¹⁶ pixels. The edge of a bin maps to
    /// `65,535 · sum / pixels` with `sum` the pixels below it.
    pub fn from_histograms(clahe: &Clahe, histograms: &TileHistograms) -> Self {
        let tables = histograms.planes();
        let clip = clahe.clip_limit;
        let planes = histograms.intensity().planes();
        let entries = match (histograms.scales(), histograms.depth()) {
            (Some(scales), _) => {
                let edges =
                    tables.enumerate().flat_map(|(index, bins)| edges(scales.plane(index % planes), bins, clip));
                Samples::F32(edges.collect())
            }
            (None, Depth::Eight) => Samples::U8(tables.flat_map(|bins| table::<u8>(bins, clip)).collect()),
            (None, Depth::Sixteen) => Samples::U16(tables.flat_map(|bins| table::<u16>(bins, clip)).collect()),
            (None, _) => panic!("such samples have no levels"),
        };
        let (geometry, intensity) = (*histograms.geometry(), histograms.intensity());
        Self { geometry, intensity, scales: histograms.scales().cloned(), entries }
    }

    /// Returns these tables interpolated with the identity; values between tiles follow.
    #[must_use]
    pub fn with_strength(&self, strength: Strength) -> Self {
        let Some(scales) = &self.scales else {
            return Self { entries: strength.weaken(&self.entries, self.entries_of_plane()), ..self.clone() };
        };
        let Samples::F32(edges) = &self.entries else { panic!("the tables of a range have edges") };
        let planes = self.intensity.planes();
        let unchanged: Vec<Vec<f32>> = (0..planes).map(|plane| scales.plane(plane).edges()).collect();
        let part = strength.value();
        let weak = edges.chunks_exact(self.entries_of_plane()).enumerate().flat_map(|(index, edges)| {
            edges.iter().zip(&unchanged[index % planes]).map(move |(edge, unchanged)| {
                let (edge, unchanged) = (f64::from(*edge), f64::from(*unchanged));
                (unchanged + part * (edge - unchanged)) as f32
            })
        });
        Self { entries: Samples::F32(weak.collect()), ..self.clone() }
    }

    /// Serializes the tables: a header, the scales if there are any, then the entries.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Some(scales) = &self.scales else {
            let mut bytes = wire::header(wire::TILE_TABLES, self.intensity, self.entries.depth());
            wire::put_entries(&mut bytes, &self.entries);
            return bytes;
        };
        let Samples::F32(edges) = &self.entries else { panic!("the tables of a range have edges") };
        let mut bytes = wire::header(wire::TILE_EDGES, self.intensity, Depth::Sixteen);
        scales.put(&mut bytes);
        bytes.extend(edges.iter().flat_map(|edge| edge.to_le_bytes()));
        bytes
    }

    /// Deserializes tables for the same image and grid. The inverse of [`TileTables::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly such tables.
    pub(in super::super) fn from_bytes(
        clahe: &Clahe,
        color: Color,
        frame: &Frame,
        bins: Bins,
        bytes: &[u8],
    ) -> Result<Self, Malformed> {
        let Frame { width, height, layout, depth, .. } = *frame;
        let expected = (Intensity::of(color, layout), depth);
        let planes = expected.0.planes();
        let geometry = Geometry::new(clahe, width, height, planes, bins);
        let geometry = geometry.map_err(|_| Malformed::Value("the image can't be cut into this grid"))?;
        let magic = if bins == Bins::Few { wire::TILE_EDGES } else { wire::TILE_TABLES };
        let mut reader = Reader::new(bytes);
        if reader.header(magic)? != expected {
            return Err(Malformed::Value("the tables are for another image"));
        }
        let (tiles, most) = (geometry.tiles() * planes, geometry.bins(bins));
        let (scales, entries) = match bins {
            Bins::Levels(depth) => (None, reader.entries(depth, tiles * most)?),
            Bins::Few => {
                let scales = Scales::take(&mut reader, planes, most)?;
                (Some(scales), Samples::F32(reader.levels(tiles * (most + 1))?))
            }
        };
        reader.end()?;
        Ok(Self { geometry, intensity: expected.0, scales, entries })
    }

    /// Returns the size of the image and its grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Returns the intensity that the tables map.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// Returns how levels are divided into bins; `None` if there is an entry for each level.
    pub(super) fn scales(&self) -> Option<&Scales> {
        self.scales.as_ref()
    }

    /// Returns all entries.
    pub fn entries(&self) -> &Samples {
        &self.entries
    }

    /// Returns all entries, to be changed.
    pub(super) fn entries_mut(&mut self) -> &mut Samples {
        &mut self.entries
    }

    /// Returns the number of entries of a tile's plane.
    pub(super) fn entries_of_plane(&self) -> usize {
        match self.scales {
            None => self.entries.depth().levels(),
            Some(_) => self.geometry.bins(Bins::Few) + 1,
        }
    }
}

/// Creates the new levels of the edges of one tile's bins: the edges themselves if no pixel was counted, or the plane has no
/// range to equalize.
fn edges(scale: &Scale, bins: &[u64], clip_limit: f64) -> Vec<f32> {
    let total: u64 = bins.iter().sum();
    if total == 0 || !scale.has_range() {
        return scale.edges();
    }
    // A tile counts less than 2³¹ pixels.
    let mut parts: Vec<u64> = bins[..scale.bins()].iter().map(|bin| bin << 16).collect();
    let total = total << 16;
    if clip_limit > 0.0 {
        let limit = clip_limit * total as f64 / parts.len() as f64;
        clip(&mut parts, limit as u64);
    }
    let mut sum = 0;
    let above = parts.iter().map(|bin| {
        sum += bin;
        (65_535.0 * sum as f64 / total as f64) as f32
    });
    let mut edges: Vec<f32> = std::iter::once(0.0).chain(above).collect();
    edges.resize(bins.len() + 1, 65_535.0);
    edges
}

/// Creates the table of one tile's histogram: the identity if no pixel was counted.
fn table<S: Sample>(bins: &[u64], clip_limit: f64) -> Vec<S::Entry> {
    let total: u64 = bins.iter().sum();
    if total == 0 {
        return (0..S::LEVELS as u32).map(S::entry).collect();
    }
    let mut bins = bins.to_vec();
    if clip_limit > 0.0 {
        let limit = clip_limit * total as f64 / S::LEVELS as f64;
        clip(&mut bins, (limit as u64).max(1));
    }
    let highest = S::LEVELS as u32 - 1;
    let scale = highest as f32 / total as f32;
    let mut sum = 0;
    let levels = bins.iter().map(|bin| {
        sum += bin;
        let level = (sum as f32 * scale).round_ties_even() as u32;
        S::entry(level.min(highest))
    });
    levels.collect()
}

/// Clips bins at `limit` and redistributes the excess over all of them, once, so that bins may exceed the limit again.
fn clip(bins: &mut [u64], limit: u64) {
    let mut clipped = 0;
    for bin in bins.iter_mut() {
        clipped += bin.saturating_sub(limit);
        *bin = (*bin).min(limit);
    }
    let (each, rest) = (clipped / bins.len() as u64, (clipped % bins.len() as u64) as usize);
    bins.iter_mut().for_each(|bin| *bin += each);
    if let Some(step) = bins.len().checked_div(rest) {
        bins.iter_mut().step_by(step.max(1)).take(rest).for_each(|bin| *bin += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clipping_keeps_every_pixel() {
        let mut bins: Vec<u64> = (0..256).map(|level| level * level % 97).collect();
        let total: u64 = bins.iter().sum();
        clip(&mut bins, 40);
        assert_eq!(bins.iter().sum::<u64>(), total);
    }

    #[test]
    fn the_rest_is_spread_over_the_whole_range() {
        let mut bins = vec![0; 256];
        bins[7] = 5;
        clip(&mut bins, 2);
        // Three are clipped: one each goes to bins 0, 85, 170.
        let expected: Vec<(usize, u64)> = vec![(0, 1), (7, 2), (85, 1), (170, 1)];
        let kept: Vec<(usize, u64)> = bins.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(kept, expected);
    }
}

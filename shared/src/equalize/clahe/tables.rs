//! Look-up tables of the tiles.

use super::geometry::{Clahe, Geometry};
use super::histograms::TileHistograms;
use crate::equalize::intensity::{Color, Intensity};
use crate::equalize::kernel::sample::Sample;
use crate::equalize::wire::{self, Malformed, Reader};
use crate::equalize::{Frame, Strength};
use crate::pixels::{Depth, Samples};

/// Mapping from old to new intensity at the centre of each tile: tile after tile, planes × levels entries each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileTables {
    geometry: Geometry,
    intensity: Intensity,
    entries: Samples,
}

impl TileTables {
    /// Creates the tables of an image whose rows have all been counted.
    ///
    /// Bins are clipped at `max(1, ⌊clip limit · pixels / levels⌋)`. The excess is distributed evenly over all bins;
    /// the remainder of that division, `r`, goes to every `max(1, ⌊levels / r⌋)`th bin from the lowest on, one each. A
    /// level maps to `round_ties_even(f32(sum) × (f32(levels − 1) / f32(pixels)))` with `sum` the pixels up to and
    /// including it.
    pub fn from_histograms(clahe: &Clahe, histograms: &TileHistograms) -> Self {
        let tables = histograms.planes();
        let clip = clahe.clip_limit;
        let entries = match histograms.depth() {
            Depth::Eight => Samples::U8(tables.flat_map(|bins| table::<u8>(bins, clip)).collect()),
            Depth::Sixteen => Samples::U16(tables.flat_map(|bins| table::<u16>(bins, clip)).collect()),
            Depth::Float => panic!("floating-point samples have no levels"),
        };
        Self { geometry: *histograms.geometry(), intensity: histograms.intensity(), entries }
    }

    /// Returns these tables interpolated with the identity; values between tiles follow.
    #[must_use]
    pub fn with_strength(&self, strength: Strength) -> Self {
        Self { entries: strength.weaken(&self.entries), ..self.clone() }
    }

    /// Serializes the tables: a header, then the entries.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = wire::header(wire::TILE_TABLES, self.intensity, self.entries.depth());
        wire::put_entries(&mut bytes, &self.entries);
        bytes
    }

    /// Deserializes tables for the same image and grid. The inverse of [`TileTables::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly such tables.
    pub fn from_bytes(clahe: &Clahe, color: Color, frame: &Frame, bytes: &[u8]) -> Result<Self, Malformed> {
        let Frame { width, height, layout, depth } = *frame;
        let expected = (Intensity::of(color, layout), depth);
        let planes = expected.0.planes();
        let geometry = Geometry::new(clahe, width, height, planes, depth);
        let geometry = geometry.map_err(|_| Malformed::Value("the image can't be cut into this grid"))?;
        let mut reader = Reader::new(bytes);
        if reader.header(wire::TILE_TABLES)? != expected {
            return Err(Malformed::Value("the tables are for another image"));
        }
        let entries = reader.entries(depth, geometry.tiles() * planes * depth.levels())?;
        reader.end()?;
        Ok(Self { geometry, intensity: expected.0, entries })
    }

    /// Returns the size of the image and its grid.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Returns the intensity that the tables map.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// Returns all entries.
    pub fn entries(&self) -> &Samples {
        &self.entries
    }
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

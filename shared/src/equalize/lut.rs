//! Look-up tables: the one that equalizes a histogram, and the one that stretches it.

use super::histogram::Histogram;
use super::intensity::Intensity;
use super::kernel::sample::Sample;
use super::strength::Strength;
use super::stretch::{Cut, ends, stretched};
use super::tone::Tone;
use super::wire::{self, Malformed, Reader};
use crate::packed::Packed;
use crate::pixels::{Depth, Samples};

/// Panic message for samples without levels, which have curves instead of tables.
const NO_LEVELS: &str = "tables are of levels";

/// Look-up table from old to new intensity: `planes × levels` entries, with the planes and levels of the [`Histogram`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lut {
    intensity: Intensity,
    entries: Samples,
}

impl Lut {
    /// Creates the equalizing table: the CDF above the lowest occupied level, stretched to the full range.
    ///
    /// With `sum` the number of pixels up to and including a level, `h0` those of the lowest level that occurs and
    /// `total` all of them, a level above the lowest maps to
    /// - at 8 bits `round_ties_even(f32(sum − h0) × (255f32 / f32(total − h0)))`, in this order, as OpenCV's
    ///   `equalizeHist` computes it (modules/imgproc/src/histogram.cpp);
    /// - at 16 bits, which OpenCV doesn't support, `(2·(sum − h0)·65535 + D) / 2D` with `D = total − h0`: the same
    ///   formula, exact, and rounded half up. Of packed samples' own levels, with their highest level instead of 65535.
    ///
    /// The lowest level that occurs maps to 0, as do the levels below it, which no pixel has. If fewer than two levels
    /// occur, the table is the identity, as OpenCV leaves a constant image unchanged.
    pub fn from_histogram(histogram: &Histogram) -> Self {
        let planes = histogram.planes();
        let entries = match histogram.depth() {
            Depth::Eight => Samples::U8(planes.flat_map(|bins| equalize::<u8>(bins, ratio_u8)).collect()),
            Depth::Sixteen => {
                let highest = histogram.levels() as u64 - 1;
                let ratio = |sum, whole| ratio_u16(sum, whole, highest);
                Samples::U16(planes.flat_map(|bins| equalize::<u16>(bins, ratio)).collect())
            }
            _ => panic!("{NO_LEVELS}"),
        };
        Self { intensity: histogram.intensity(), entries }
    }

    /// Creates the table that stretches the range between two percentiles to all levels and clamps the levels outside:
    /// the percent clip of GIS programs, ImageMagick's `-contrast-stretch`.
    ///
    /// Of `n` pixels, `lo` is the lowest level with more than `n · low` pixels up to and including it, `hi` the highest
    /// with more than `n · high` pixels from it on. A level `v` maps to `(v − lo) · max / (hi − lo)`, clamped, rounded
    /// half up, in integers throughout. If `hi ≤ lo`, there is no range to stretch and the table is the identity. Each
    /// plane has its own percentiles.
    pub fn stretching(histogram: &Histogram, cut: Cut) -> Self {
        Self::from_levels(histogram, histogram.planes().flat_map(|bins| stretched(bins, cut)))
    }

    /// As [`Lut::stretching`], between black and white points if they are given, and with a gamma.
    pub(super) fn toned(histogram: &Histogram, cut: Cut, tone: Tone) -> Self {
        let planes = histogram.planes();
        Self::from_levels(histogram, planes.flat_map(|bins| tone.levels(bins.len(), ends(bins, cut))))
    }

    /// Creates a table with the shape of this histogram and the given entries, plane after plane.
    pub(super) fn from_levels(histogram: &Histogram, levels: impl Iterator<Item = u32>) -> Self {
        let entries = match histogram.depth() {
            Depth::Eight => Samples::U8(levels.map(u8::entry).collect()),
            Depth::Sixteen => Samples::U16(levels.map(u16::entry).collect()),
            _ => panic!("{NO_LEVELS}"),
        };
        Self { intensity: histogram.intensity(), entries }
    }

    /// Returns this table interpolated linearly with the identity, rounded half up.
    #[must_use]
    pub fn with_strength(&self, strength: Strength) -> Self {
        self.with_entries(strength.weaken(self.entries(), self.entries.len() / self.intensity.planes()))
    }

    /// Returns the table for widened samples of one for the own levels of packed samples; any other table is returned as it is.
    #[must_use]
    pub(super) fn widened(self, packed: Option<Packed>) -> Self {
        let (Some(packed), Samples::U16(entries)) = (packed, &self.entries) else { return self };
        if entries.len() != packed.levels() * self.intensity.planes() {
            return self;
        }
        let wide = |own: &[u16]| {
            let of = |level| packed.widen(own[usize::from(packed.narrow(level))]);
            (0..=u16::MAX).map(of).collect::<Vec<u16>>()
        };
        let wide = entries.chunks_exact(packed.levels()).flat_map(wide).collect();
        self.with_entries(Samples::U16(wide))
    }

    /// Returns a table of the same intensity with other entries.
    fn with_entries(&self, entries: Samples) -> Self {
        Self { intensity: self.intensity, entries }
    }

    /// Returns the intensity that the table maps.
    pub fn intensity(&self) -> Intensity {
        self.intensity
    }

    /// Returns the depth of the samples it applies to.
    pub fn depth(&self) -> Depth {
        self.entries.depth()
    }

    /// Returns all entries, plane after plane.
    pub fn entries(&self) -> &Samples {
        &self.entries
    }

    /// Serializes the table: a header, then the entries, 16-bit ones little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = wire::header(wire::LUT, self.intensity, self.depth());
        wire::put_entries(&mut bytes, &self.entries);
        bytes
    }

    /// The inverse of [`Lut::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one table.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (intensity, depth) = reader.header(wire::LUT)?;
        let entries = reader.entries(depth, intensity.planes() * depth.levels())?;
        reader.end()?;
        Ok(Self { intensity, entries })
    }
}

/// Cumulates one plane and maps each sum to a level by `ratio(sum, whole)`, both without the lowest occupied level.
fn equalize<S: Sample>(bins: &[u64], ratio: impl Fn(u64, u64) -> S::Entry) -> Vec<S::Entry> {
    let total: u64 = bins.iter().sum();
    let lowest = bins.iter().position(|bin| *bin != 0).unwrap_or(0);
    let whole = total - bins[lowest];
    if whole == 0 {
        return (0..bins.len() as u32).map(S::entry).collect();
    }
    let mut sum = 0;
    let above = bins[lowest + 1..].iter().map(|bin| {
        sum += bin;
        ratio(sum, whole)
    });
    std::iter::repeat_n(S::Entry::default(), lowest + 1).chain(above).collect()
}

/// OpenCV's rounding: `cvRound` rounds ties to even, `saturate_cast` clamps.
fn ratio_u8(sum: u64, whole: u64) -> u8 {
    let scale = 255f32 / whole as f32;
    (sum as f32 * scale).round_ties_even() as u8
}

/// Exact, in 128 bits: twice a 64-bit sum times 65,535 needs 81 bits.
fn ratio_u16(sum: u64, whole: u64, highest: u64) -> u16 {
    let (sum, whole) = (u128::from(sum), u128::from(whole));
    ((2 * sum * u128::from(highest) + whole) / (2 * whole)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_32_bits_are_exact() {
        let whole = Histogram::MAX_TOTAL;
        assert_eq!(ratio_u16(whole, whole, 65_535), 65_535);
        assert_eq!(ratio_u16(whole / 2, whole, 65_535), 32_768);
        assert_eq!(ratio_u8(whole, whole), 255);
        assert_eq!(ratio_u8(whole / 2, whole), 128);
    }

    #[test]
    fn sixteen_bits_round_half_up() {
        // 65535 / 2 and 65535 / 6 × 3 lie halfway between two levels.
        assert_eq!(ratio_u16(1, 2, 65_535), 32_768);
        assert_eq!(ratio_u16(3, 6, 65_535), 32_768);
        assert_eq!(ratio_u16(1, 3, 65_535), 21_845);
        assert_eq!(ratio_u16(1, 2, 4_095), 2_048);
    }

    #[test]
    fn eight_bits_round_half_to_even() {
        // 255 × 1/2 = 127.5 and 255 × 3/10 = 76.5, exactly, in f32 too.
        assert_eq!(ratio_u8(1, 2), 128);
        assert_eq!(ratio_u8(3, 10), 76);
    }
}

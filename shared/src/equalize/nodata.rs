//! Nodata: the sample value that marks missing pixels.

use serde::{Deserialize, Serialize};

use super::intensity::Intensity;
use crate::for_depth;
use crate::image_info::ImageInfo;
use crate::packed::Packed;
use crate::pixels::{Depth, SampleType};

/// Nodata: the sample value that marks missing pixels.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nodata(f64);

impl Nodata {
    /// Creates a nodata value; returns `None` unless it is finite.
    pub fn new(value: f64) -> Option<Self> {
        // Normalizes −0 to 0.
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// Returns the number.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Returns the value as samples of this image have it in memory, where packed ones are widened; `None` if none has it.
    pub(super) fn in_memory(self, info: &ImageInfo) -> Option<Self> {
        let own = info.more.packed.map_or(Some(self.0), |packed| packed.widen_number(self.0)).and_then(Self::new)?;
        own.fits(info.depth).then_some(own)
    }

    /// Returns the value as a level of integer samples, or `None` if samples of this depth can't have it.
    pub fn level(self, depth: Depth) -> Option<u32> {
        let level = self.0 as u32;
        (f64::from(level) == self.0 && u64::from(level) < depth.levels() as u64).then_some(level)
    }
}

/// What is left out where nodata is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Whole pixels whose colour samples all have the value: their colours are processed together.
    Pixel,
    /// Single samples: each channel or band is processed by itself, as in GDAL, where a band has its own nodata.
    Sample,
}

/// Nodata as it applies to the rows of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodataRule {
    pub(super) nodata: Nodata,
    pub(super) unit: Unit,
    /// Bits of the file's samples, if they are packed: the distance between levels that remain apart.
    pub(super) packed: Option<Packed>,
}

impl NodataRule {
    /// Creates it for rows of which `intensity` is equalized.
    pub const fn new(nodata: Nodata, intensity: Intensity) -> Self {
        let unit = if intensity.planes() > 1 { Unit::Sample } else { Unit::Pixel };
        Self { nodata, unit, packed: None }
    }

    /// Returns the rule for samples that were packed in the file.
    #[must_use]
    pub const fn of_packed(self, packed: Option<Packed>) -> Self {
        Self { packed, ..self }
    }

    /// Returns whether a sample is nodata on its own, as where channels are processed each by itself.
    pub fn is_of_samples(self) -> bool {
        self.unit == Unit::Sample
    }

    /// Returns the rule for whole pixels only, whatever is equalized.
    pub const fn of_whole_pixels(self) -> Self {
        Self { unit: Unit::Pixel, ..self }
    }
}

impl Nodata {
    /// Returns the value as a sample, or `None` if there is no such sample.
    pub(super) fn sample<S: SampleType>(self) -> Option<S> {
        S::of(self.0)
    }

    /// Returns whether samples of this depth can have the value.
    pub(super) fn fits(self, depth: Depth) -> bool {
        for_depth!(depth, S => self.sample::<S>().is_some())
    }
}

impl PartialEq for Nodata {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Nodata {}

impl std::hash::Hash for Nodata {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_samples_cannot_have_is_no_level() {
        let level = |value, depth| Nodata::new(value).unwrap().level(depth);
        assert_eq!(level(255.0, Depth::Eight), Some(255));
        assert_eq!(level(256.0, Depth::Eight), None);
        assert_eq!(level(65_535.0, Depth::Sixteen), Some(65_535));
        assert_eq!(level(0.5, Depth::Eight), None);
        assert_eq!(level(-9_999.0, Depth::Sixteen), None);
        assert_eq!(Nodata::new(-0.0), Nodata::new(0.0));
        assert_eq!(Nodata::new(f64::NAN), None);
    }
}

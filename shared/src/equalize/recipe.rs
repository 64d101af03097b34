//! Recipe: a method with its parameters, and the options that all methods share.
//!
//! Decimal numbers are stored as integers in units of their last decimal place, so that recipes compare exactly and
//! read the same everywhere. A number with too many decimal places is rejected, not rounded.

use serde::{Deserialize, Serialize};

use super::arithmetic::Arithmetic;
use super::clahe::{Bins, Clahe, check as check_grid};
use super::frame::Frame;
use super::given::GivenRange;
use super::intensity::{Color, Intensity};
use super::nodata::{Nodata, NodataRule};
use super::strength::Strength;
use super::stretch::Cut;
use super::target::Target;
use super::tone::Tone;
use crate::id::ImageId;
use crate::image_info::ImageInfo;
use crate::number::Decimal;
use crate::packed::Packed;
use crate::pixels::{Depth, Layout};

/// What to do with an image. In JSON, a recipe is one object whose field `method` determines the other fields allowed:
///
/// ```json
/// {"method": "global"}
/// {"method": "clahe", "clip_limit": 2.5, "tiles": [8, 8], "color": "oklab"}
/// {"method": "match", "reference": "00000000000000000000000000000001", "strength": 0.5}
/// {"method": "stretch", "low": 2, "high": 98, "nodata": 0}
/// {"method": "global", "range": [-40, 60]}
/// {"method": "global", "to": "jpeg"}
/// {"method": "clahe", "depth": 8}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Recipe {
    /// The method and its parameters.
    pub method: Method,
    /// How colour is equalized.
    pub color: Color,
    /// How far levels move towards their equalized value.
    pub strength: Strength,
    /// Pixels whose colour samples all have this value are neither counted nor changed; of channels or bands that are equalized
    /// apart, each sample with it. Overrides the file's own nodata value.
    pub nodata: Option<Nodata>,
    /// Range of samples without levels, or of 16-bit ones for CLAHE; if `None`, it is measured in the image.
    pub range: Option<GivenRange>,
    /// Gray image of the same size; pixels where it is 0 are neither counted nor changed.
    pub mask: Option<ImageId>,
    /// Format and depth of the result.
    pub target: Target,
    /// Version of the formulas; no part of the JSON ([`Job::pinned_recipe`](crate::job::Job::pinned_recipe)).
    pub arithmetic: Arithmetic,
}

/// How new levels are computed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// Equalization with one histogram of the whole image.
    #[default]
    Global,
    /// [`Method::Global`] with a limit on the histogram.
    Plateau {
        /// Highest count of a bin, as a multiple of the average bin of the range that occurs.
        clip_limit: ClipLimit,
    },
    /// Contrast-limited adaptive equalization: a clipped histogram for each tile.
    Clahe {
        /// Highest count of a bin, as a multiple of the average bin; higher ones are clipped. 0 disables clipping.
        clip_limit: ClipLimit,
        /// Number of tiles, horizontally and vertically.
        tiles: [u16; 2],
    },
    /// Histogram matching with another image.
    Match {
        /// The image whose histogram is the target.
        reference: ImageId,
    },
    /// Linear stretch of the range between two percentiles to the full range.
    Stretch {
        /// Share of pixels outside of the percentiles.
        cut: Cut,
        /// Black and white points, and gamma.
        tone: Tone,
    },
}

impl Method {
    /// Returns the name used in JSON.
    pub const fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// Returns the method without its parameters.
    pub const fn kind(&self) -> MethodKind {
        match self {
            Method::Global | Method::Plateau { .. } => MethodKind::Global,
            Method::Clahe { .. } => MethodKind::Clahe,
            Method::Match { .. } => MethodKind::Match,
            Method::Stretch { .. } => MethodKind::Stretch,
        }
    }

    /// CLAHE with the usual clip limit of OpenCV's examples, 2, and 8 × 8 tiles.
    pub const fn clahe() -> Self {
        Method::Clahe { clip_limit: ClipLimit(2_000), tiles: [8, 8] }
    }
}

/// A method without its parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MethodKind {
    /// [`Method::Global`].
    #[default]
    Global,
    /// [`Method::Clahe`].
    Clahe,
    /// [`Method::Match`].
    Match,
    /// [`Method::Stretch`].
    Stretch,
}

impl MethodKind {
    /// All methods, the default first.
    pub const ALL: [MethodKind; 4] = [MethodKind::Global, MethodKind::Clahe, MethodKind::Match, MethodKind::Stretch];

    /// Returns the name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            MethodKind::Global => "global",
            MethodKind::Clahe => "clahe",
            MethodKind::Match => "match",
            MethodKind::Stretch => "stretch",
        }
    }
}

/// Clip limit of CLAHE, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClipLimit(pub(super) u32);

impl ClipLimit {
    /// Highest clip limit: the number of levels at 16 bits, since no bin can hold more than that many times the
    /// average.
    pub const MAX: u32 = 65_536;

    /// Creates a clip limit from thousandths.
    ///
    /// # Errors
    /// Fails if it is above [`ClipLimit::MAX`].
    pub fn thousandths(thousandths: u32) -> Result<Self, String> {
        if thousandths <= Self::MAX * 1_000 {
            Ok(Self(thousandths))
        } else {
            Err(format!("expected a clip limit of at most {}, got {thousandths} thousandths", Self::MAX))
        }
    }

    /// Returns the limit as a multiple of the average bin, the `f64` nearest to the decimal number.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

impl Recipe {
    /// Creates a recipe for global equalization; everything but the colour has its default.
    pub const fn global(color: Color) -> Self {
        Self::new(Method::Global, color)
    }

    /// Creates a recipe from a method and colour; everything else has its default.
    pub const fn new(method: Method, color: Color) -> Self {
        Self {
            method,
            color,
            strength: Strength::FULL,
            nodata: None,
            range: None,
            mask: None,
            target: Target::SAME,
            arithmetic: Arithmetic::Eleven,
        }
    }

    /// Returns this recipe with another version of the formulas.
    #[must_use]
    pub fn pinned(self, arithmetic: Arithmetic) -> Self {
        let color = match (self.color, arithmetic) {
            (Color::Oklab, Arithmetic::Nine) => Color::OklabClipped,
            (color, _) => color,
        };
        Self { arithmetic, color, ..self }
    }

    /// Returns the parameters of CLAHE if that is the method.
    pub fn clahe(&self) -> Option<Clahe> {
        let Method::Clahe { clip_limit, tiles: [columns, rows] } = &self.method else { return None };
        Some(Clahe { clip_limit: clip_limit.value(), columns: u32::from(*columns), rows: u32::from(*rows) })
    }

    /// Returns what CLAHE counts in samples of this depth.
    pub(super) fn tile_bins(&self, depth: Depth) -> Bins {
        let whole = self.range.and_then(GivenRange::levels) == Some([0, u16::MAX]);
        match (depth, self.arithmetic) {
            (Depth::Sixteen, Arithmetic::Ten | Arithmetic::Eleven) if !whole => Bins::Few,
            _ => Bins::Levels(depth),
        }
    }

    /// Returns the image to match, if the method is [`Method::Match`].
    pub fn reference(&self) -> Option<&ImageId> {
        match &self.method {
            Method::Match { reference } => Some(reference),
            Method::Global | Method::Plateau { .. } | Method::Clahe { .. } | Method::Stretch { .. } => None,
        }
    }

    /// Returns the nodata of an image: the recipe's value, or else the one in its file.
    pub fn nodata_of(&self, info: &ImageInfo) -> Option<NodataRule> {
        let nodata = match self.nodata {
            Some(nodata) => nodata.in_memory(info)?,
            None => info.more.nodata.and_then(Nodata::new)?,
        };
        let rule = NodataRule::new(nodata, self.intensity(info.layout, info.depth)).of_packed(info.more.packed);
        Some(if self.arithmetic == Arithmetic::Nine { rule.of_whole_pixels() } else { rule })
    }

    /// Returns whether overviews of the result average each channel by itself, since each has its own nodata.
    pub fn averages_channels_apart(&self, info: &ImageInfo) -> bool {
        self.arithmetic >= Arithmetic::Eleven && self.nodata_of(info).is_some_and(NodataRule::is_of_samples)
    }

    /// Returns what of an image's pixels is equalized.
    pub(super) fn intensity(&self, layout: Layout, depth: Depth) -> Intensity {
        match (Intensity::of(self.color, layout), depth) {
            (intensity, Depth::Eight | Depth::Sixteen) => intensity,
            // Colours of any range have no HSV, Oklab or CIELAB: each channel is equalized by itself.
            (Intensity::Value | Intensity::Lightness | Intensity::LabLightness, _) => Intensity::Channels,
            (intensity, _) => intensity,
        }
    }

    /// Checks that this recipe can be applied to an image.
    ///
    /// # Errors
    /// Returns a sentence for the user: what was expected and what was found.
    pub fn check(&self, info: &ImageInfo) -> Result<(), String> {
        if let Some(bands) = info.layout.bands() {
            let fits =
                self.color == Color::Channels && matches!(self.method.kind(), MethodKind::Global | MethodKind::Stretch);
            if !fits {
                return Err(format!(
                    "This image's {bands} bands aren't colours, so each is equalized by itself: expected the method \
                     global or stretch with the colour channels, got {} with {}.",
                    self.method.name(),
                    self.color.name()
                ));
            }
        }
        if let Some(clahe) = self.clahe() {
            check_grid(&clahe, self.color, &Frame::of(info), self.tile_bins(info.depth)).map_err(|error| {
                format!("This image can't be equalized by {} × {} tiles: {error}.", clahe.columns, clahe.rows)
            })?;
        }
        self.check_ranged(info)?;
        self.check_pages(info)?;
        match self.nodata {
            Some(nodata) if !info.depth.has_levels() && !nodata.fits(info.depth) => Err(format!(
                "Expected a nodata value that {} can have; got {}.",
                info.depth.noun(),
                Decimal(nodata.value())
            )),
            Some(nodata) if nodata.in_memory(info).is_none() => Err(format!(
                "Expected a nodata value that samples of {} bits can have, a whole number from 0 to {}; got {}.",
                info.bits(),
                highest(info),
                Decimal(nodata.value())
            )),
            _ => Ok(()),
        }
    }

    /// Checks the restrictions on samples without levels, and on the range of levels.
    fn check_ranged(&self, info: &ImageInfo) -> Result<(), String> {
        if info.depth.has_levels() {
            return self.check_levels(info);
        }
        let noun = info.depth.noun();
        if !matches!(self.method.kind(), MethodKind::Global | MethodKind::Stretch) {
            return Err(format!(
                "This image has {noun}: expected the method global or stretch, got {}.",
                self.method.name()
            ));
        }
        if let Some(range) = self.range.filter(|range| range.samples(info.depth).is_none()) {
            return Err(format!(
                "Expected a range of two different values that {noun} can have; got {} and {}.",
                Decimal(range.numbers()[0]),
                Decimal(range.numbers()[1])
            ));
        }
        if info.layout.colors() == 3 && matches!(self.color, Color::Oklab | Color::Lab | Color::Hsv) {
            return Err(format!(
                "This image's colours are {noun}, which may be of any range: expected the colour luma, channels or gray, got \
                 {}.",
                self.color.name()
            ));
        }
        Ok(())
    }

    /// Checks that a range is given for levels only where it means something: for CLAHE of 16 bits.
    fn check_levels(&self, info: &ImageInfo) -> Result<(), String> {
        let Some(range) = self.range else { return Ok(()) };
        if info.depth != Depth::Sixteen || self.clahe().is_none() {
            return Err(format!(
                "A range is for floating-point samples, for whole numbers of 32 bits, and for CLAHE of 16 bits; this image has \
                 whole numbers of {} bits, which {} takes as they are.",
                info.bits(),
                self.method.name()
            ));
        }
        match info.more.packed.map_or(Some(range), |packed| range.widened(packed)).and_then(GivenRange::levels) {
            Some(_) => Ok(()),
            None => Err(format!(
                "Expected a range of two whole numbers from 0 to {} for samples of {} bits; got {} and {}.",
                highest(info),
                info.bits(),
                Decimal(range.numbers()[0]),
                Decimal(range.numbers()[1])
            )),
        }
    }

    /// Checks that no mask is given for an image with several pages.
    fn check_pages(&self, info: &ImageInfo) -> Result<(), String> {
        match (info.pages(), &self.mask) {
            (2.., Some(_)) => Err(format!(
                "This TIFF has {} pages, and a mask is for a single image. Its pages may have masks of their own.",
                info.pages()
            )),
            _ => Ok(()),
        }
    }
}

/// Returns the highest level of an image's samples, which are whole numbers.
fn highest(info: &ImageInfo) -> usize {
    info.more.packed.map_or(info.depth.levels(), Packed::levels) - 1
}

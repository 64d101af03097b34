//! Recipe: a method with its parameters, and the options that all methods share.
//!
//! Decimal numbers are stored as integers in units of their last decimal place, so that recipes compare exactly and
//! read the same everywhere. A number with too many decimal places is rejected, not rounded.

use serde::{Deserialize, Serialize};

use super::arithmetic::Arithmetic;
use super::clahe::{Bins, Clahe, check as check_grid};
use super::frame::Frame;
use super::given::GivenRange;
use super::intensity::Color;
use super::nodata::Nodata;
use super::strength::Strength;
use super::stretch::Cut;
use crate::id::ImageId;
use crate::image_info::ImageInfo;
use crate::number::Decimal;
use crate::pixels::{Depth, Layout};

/// What to do with an image. In JSON, a recipe is one object whose field `method` determines the other fields allowed:
///
/// ```json
/// {"method": "global"}
/// {"method": "clahe", "clip_limit": 2.5, "tiles": [8, 8], "color": "oklab"}
/// {"method": "match", "reference": "00000000000000000000000000000001", "strength": 0.5}
/// {"method": "stretch", "low": 2, "high": 98, "nodata": 0}
/// {"method": "global", "range": [-40, 60]}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Recipe {
    /// The method and its parameters.
    pub method: Method,
    /// How colour is equalized.
    pub color: Color,
    /// How far levels move towards their equalized value.
    pub strength: Strength,
    /// Pixels whose colour samples all have this value are neither counted nor changed. Overrides the file's own nodata
    /// value.
    pub nodata: Option<Nodata>,
    /// Range of floating-point samples, or of 16-bit ones for CLAHE; if `None`, it is measured in the image.
    pub range: Option<GivenRange>,
    /// Gray image of the same size; pixels where it is 0 are neither counted nor changed.
    pub mask: Option<ImageId>,
    /// Version of the formulas; no part of the JSON ([`Job::pinned_recipe`](crate::job::Job::pinned_recipe)).
    pub arithmetic: Arithmetic,
}

/// How new levels are computed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// Equalization with one histogram of the whole image.
    #[default]
    Global,
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
            Method::Global => MethodKind::Global,
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
pub struct ClipLimit(u32);

impl ClipLimit {
    /// Highest clip limit: the number of levels at 16 bits, since no bin can hold more than that many times the
    /// average.
    pub const MOST: u32 = 65_536;

    /// Creates a clip limit from thousandths.
    ///
    /// # Errors
    /// Fails if it is above [`ClipLimit::MOST`].
    pub fn thousandths(thousandths: u32) -> Result<Self, String> {
        if thousandths <= Self::MOST * 1_000 {
            Ok(Self(thousandths))
        } else {
            Err(format!("expected a clip limit of at most {}, got {thousandths} thousandths", Self::MOST))
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
        Self { method, color, strength: Strength::FULL, nodata: None, range: None, mask: None, arithmetic: Arithmetic::Ten }
    }

    /// Returns this recipe with another version of the formulas.
    #[must_use]
    pub fn pinned(self, arithmetic: Arithmetic) -> Self {
        Self { arithmetic, ..self }
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
            (Depth::Sixteen, Arithmetic::Ten) if !whole => Bins::Few,
            _ => Bins::Levels(depth),
        }
    }

    /// Returns the image to match, if the method is [`Method::Match`].
    pub fn reference(&self) -> Option<&ImageId> {
        match &self.method {
            Method::Match { reference } => Some(reference),
            Method::Global | Method::Clahe { .. } | Method::Stretch { .. } => None,
        }
    }

    /// Returns the nodata value for an image: the recipe's, or else the one in its file.
    pub fn nodata_of(&self, info: &ImageInfo) -> Option<Nodata> {
        self.nodata.or(info.more.nodata.and_then(Nodata::new))
    }

    /// Checks that this recipe can be applied to an image.
    ///
    /// # Errors
    /// Returns a sentence for the user: what was expected and what was found.
    pub fn check(&self, info: &ImageInfo) -> Result<(), String> {
        if let Layout::Bands(bands) = info.layout {
            let fits = self.color == Color::Channels && matches!(self.method, Method::Global | Method::Stretch { .. });
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
        self.check_float(info)?;
        self.check_pages(info)?;
        match self.nodata {
            Some(nodata) if info.depth == Depth::Float && nodata.of(info.depth).is_none() => Err(format!(
                "Expected a nodata value that floating-point samples of 32 bits can have; got {}.",
                Decimal(nodata.value())
            )),
            Some(nodata) if nodata.of(info.depth).is_none() => Err(format!(
                "Expected a nodata value that samples of {} bits can have, a whole number from 0 to {}; got {}.",
                info.depth.bits(),
                info.depth.levels() - 1,
                Decimal(nodata.value())
            )),
            _ => Ok(()),
        }
    }

    /// Checks the restrictions on floating-point samples, and on the range of whole numbers.
    fn check_float(&self, info: &ImageInfo) -> Result<(), String> {
        if info.depth != Depth::Float {
            return self.check_levels(info.depth);
        }
        if !matches!(self.method, Method::Global | Method::Stretch { .. }) {
            return Err(format!(
                "This image has floating-point samples: expected the method global or stretch, got {}.",
                self.method.name()
            ));
        }
        if info.layout.colors() == 3 && matches!(self.color, Color::Oklab | Color::Hsv) {
            return Err(format!(
                "This image has floating-point colours, which may be of any range: expected the colour luma, channels or \
                 gray, got {}.",
                self.color.name()
            ));
        }
        Ok(())
    }

    /// Checks that a range is given for whole numbers only where it means something: for CLAHE of 16 bits.
    fn check_levels(&self, depth: Depth) -> Result<(), String> {
        let Some(range) = self.range else { return Ok(()) };
        if depth != Depth::Sixteen || self.clahe().is_none() {
            return Err(format!(
                "A range is for floating-point samples, and for CLAHE of 16 bits; this image has whole numbers of {} bits, \
                 which {} takes as they are.",
                depth.bits(),
                self.method.name()
            ));
        }
        match range.levels() {
            Some(_) => Ok(()),
            None => Err(format!(
                "Expected a range of two whole numbers from 0 to 65535 for samples of 16 bits; got {} and {}.",
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

/// A recipe's fields as serialized, before their combination is validated.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// The method.
    pub method: MethodKind,
    /// How colour is equalized.
    #[serde(default)]
    pub color: Color,
    /// Clip limit, for `clahe` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_limit: Option<f64>,
    /// Columns and rows of tiles, for `clahe` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<[u32; 2]>,
    /// The image to match, for `match` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ImageId>,
    /// Lower percentile, for `stretch` only, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper percentile, for `stretch` only, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// 0 to 1; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Sample value that marks missing pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<f64>,
    /// Range of floating-point samples, or of 16-bit ones for CLAHE: lower and upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Mask image; pixels where it is 0 are neither counted nor changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<ImageId>,
}

impl From<Recipe> for Wire {
    fn from(recipe: Recipe) -> Self {
        let strength = (recipe.strength != Strength::FULL).then(|| recipe.strength.value());
        let nodata = recipe.nodata.map(Nodata::value);
        let range = recipe.range.map(GivenRange::numbers);
        let Recipe { method, color, mask, .. } = recipe;
        let kind = method.kind();
        let (mut clip_limit, mut tiles, mut reference, mut low, mut high) = (None, None, None, None, None);
        match method {
            Method::Global => {}
            Method::Clahe { clip_limit: limit, tiles: grid } => {
                (clip_limit, tiles) = (Some(limit.value()), Some(grid.map(u32::from)));
            }
            Method::Match { reference: image } => reference = Some(image),
            Method::Stretch { cut } => (low, high) = (Some(cut.low_percent()), Some(cut.high_percent())),
        }
        Self { method: kind, color, clip_limit, tiles, reference, low, high, strength, nodata, range, mask }
    }
}

impl TryFrom<Wire> for Recipe {
    type Error = String;
    fn try_from(wire: Wire) -> Result<Self, String> {
        let Wire { method: kind, color, clip_limit, tiles, reference, low, high, strength, nodata, range, mask } = wire;
        let given = [
            ("clip_limit", MethodKind::Clahe, clip_limit.is_some()),
            ("tiles", MethodKind::Clahe, tiles.is_some()),
            ("reference", MethodKind::Match, reference.is_some()),
            ("low", MethodKind::Stretch, low.is_some()),
            ("high", MethodKind::Stretch, high.is_some()),
        ];
        if let Some((field, of, _)) = given.iter().find(|(_, of, given)| *given && *of != kind) {
            let (of, kind) = (of.name(), kind.name());
            return Err(format!("`{field}` is a parameter of the method `{of}`, but the method is `{kind}`"));
        }
        let method = match kind {
            MethodKind::Global => Method::Global,
            MethodKind::Clahe => Method::Clahe {
                clip_limit: ClipLimit(fixed("`clip_limit`", clip_limit.unwrap_or(2.0), 3, ClipLimit::MOST)?),
                tiles: grid(tiles.unwrap_or([8, 8]))?,
            },
            MethodKind::Match => Method::Match {
                reference: reference
                    .ok_or("the method `match` needs the id of an image as its `reference`; it is missing")?,
            },
            MethodKind::Stretch => {
                let low = fixed("`low`", low.unwrap_or(2.0), 4, 100)?;
                let high = fixed("`high`", high.unwrap_or(98.0), 4, 100)?;
                let cut = Cut::millionths(low, Cut::WHOLE - high).map_err(|_| {
                    let (low, high) = (f64::from(low) / 1e4, f64::from(high) / 1e4);
                    format!(
                        "expected percentiles of which `low` is below `high`, got {} and {}",
                        Decimal(low),
                        Decimal(high)
                    )
                })?;
                Method::Stretch { cut }
            }
        };
        let strength = match strength {
            None => Strength::FULL,
            Some(strength) => {
                let thousandths = u16::try_from(fixed("`strength`", strength, 3, 1)?).unwrap_or(u16::MAX);
                Strength::thousandths(thousandths).map_err(|error| error.to_string())?
            }
        };
        let nodata = nodata.map(|value| Nodata::new(value).ok_or("`nodata` must be a finite number")).transpose()?;
        let range = range.map(GivenRange::new).transpose()?;
        Ok(Self { method, color, strength, nodata, range, mask, arithmetic: Arithmetic::default() })
    }
}

/// Converts a number from 0 to `most` with at most `places` decimal places to an integer in units of the last place.
fn fixed(name: &str, value: f64, places: u32, most: u32) -> Result<u32, String> {
    let unit = f64::from(10u32.pow(places));
    let scaled = (value * unit).round();
    // A number with at most that many places survives the round trip through the integer; one with more doesn't.
    if (0.0..=f64::from(most)).contains(&value) && scaled / unit == value {
        Ok(scaled as u32)
    } else {
        Err(format!(
            "{name} must be a number from 0 to {most} with at most {places} decimal places, got {}",
            Decimal(value)
        ))
    }
}

/// Validates the columns and rows of a grid.
fn grid(tiles: [u32; 2]) -> Result<[u16; 2], String> {
    match tiles.map(u16::try_from) {
        [Ok(columns @ 1..), Ok(rows @ 1..)] => Ok([columns, rows]),
        _ => {
            let [columns, rows] = tiles;
            Err(format!("`tiles` must be two whole numbers from 1 to 65535, across and down; got {columns} and {rows}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Recipe, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_before_there_were_other_methods_is_read() {
        assert_eq!(read(r#"{"method":"global"}"#).unwrap(), Recipe::default());
        for (name, color) in
            [("luma", Color::Luma), ("channels", Color::Channels), ("hsv", Color::Hsv), ("gray", Color::Gray)]
        {
            let text = format!(r#"{{"method":"global","color":"{name}"}}"#);
            assert_eq!(read(&text).unwrap(), Recipe::global(color));
            assert_eq!(serde_json::to_string(&Recipe::global(color)).unwrap(), text);
        }
    }

    #[test]
    fn every_recipe_reads_what_it_writes() {
        let id = "0123456789abcdef0123456789abcdef";
        for text in [
            r#"{"method":"clahe","color":"oklab","clip_limit":2.125,"tiles":[8,6]}"#.to_owned(),
            r#"{"method":"stretch","color":"luma","low":0.0,"high":99.9999,"strength":0.25}"#.to_owned(),
            format!(r#"{{"method":"match","color":"hsv","reference":"{id}","nodata":-9999.0}}"#),
            format!(r#"{{"method":"global","color":"luma","nodata":0.0,"mask":"{id}"}}"#),
            r#"{"method":"stretch","color":"luma","low":2.0,"high":98.0,"range":[-0.1,1e+30]}"#.to_owned(),
        ] {
            assert_eq!(serde_json::to_string(&read(&text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn parameters_that_are_left_out_have_the_usual_values() {
        assert_eq!(read(r#"{"method":"clahe"}"#).unwrap().method, Method::clahe());
        let cut = Cut::millionths(20_000, 20_000).unwrap();
        assert_eq!(read(r#"{"method":"stretch"}"#).unwrap().method, Method::Stretch { cut });
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (json, words) in [
            (r#"{"method":"magic"}"#, "expected one of `global`, `clahe`, `match`, `stretch`"),
            (r#"{"method":"global","tiles":[8,8]}"#, "`tiles` is a parameter of the method `clahe`"),
            (r#"{"method":"clahe","tiles":[8,0]}"#, "whole numbers from 1 to 65535, across and down; got 8 and 0"),
            (r#"{"method":"clahe","clip_limit":-1}"#, "from 0 to 65536 with at most 3 decimal places, got -1"),
            (r#"{"method":"clahe","clip_limit":2.0001}"#, "at most 3 decimal places, got 2.0001"),
            (r#"{"method":"match"}"#, "needs the id of an image as its `reference`"),
            (r#"{"method":"match","reference":"moon.png"}"#, "32 lower-case hexadecimal digits"),
            (r#"{"method":"stretch","low":98,"high":2}"#, "`low` is below `high`, got 98 and 2"),
            (r#"{"method":"stretch","high":101}"#, "from 0 to 100"),
            (r#"{"method":"global","strength":1.5}"#, "from 0 to 1 with at most 3 decimal places, got 1.5"),
            (r#"{"method":"global","range":[1,1]}"#, "the first is below the second; got 1 and 1"),
            (r#"{"method":"global","range":[0,1e39]}"#, "two numbers of 32-bit floating point"),
            (r#"{"method":"global","range":[1]}"#, "an array of length 2"),
            (r#"{"method":"global","power":1}"#, "unknown field `power`"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}

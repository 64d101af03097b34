//! JSON form of a recipe: one object whose field `method` determines the other fields allowed.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arithmetic::Arithmetic;
use super::given::GivenRange;
use super::intensity::Color;
use super::nodata::Nodata;
use super::recipe::{ClipLimit, Method, MethodKind, Recipe};
use super::strength::Strength;
use super::stretch::Cut;
use super::target::Target;
use super::tone::Tone;
use crate::id::ImageId;
use crate::image_info::Format;
use crate::number::Decimal;
use crate::pixels::Depth;

/// A recipe's fields as serialized, before their combination is validated.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    /// The method.
    pub method: MethodKind,
    /// How colour is equalized.
    #[serde(default)]
    pub color: Color,
    /// Clip limit, for `clahe` and `global`.
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
    /// Sample that becomes black, for `stretch` only, in place of a percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub black: Option<f64>,
    /// Sample that becomes white, for `stretch` only, in place of a percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub white: Option<f64>,
    /// Gamma between black and white, for `stretch` only; above 1 it brightens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// 0 to 1; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// Sample value that marks missing pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<f64>,
    /// Range of samples without levels, or of 16-bit ones for CLAHE: lower and upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Mask image; pixels where it is 0 are neither counted nor changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<ImageId>,
    /// Format of the result; the original's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Format>,
    /// Bits of the result's samples: 8, or the original's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u8>,
}

impl Serialize for Recipe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wire::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl From<Recipe> for Wire {
    fn from(recipe: Recipe) -> Self {
        let strength = (recipe.strength != Strength::FULL).then(|| recipe.strength.value());
        let nodata = recipe.nodata.map(Nodata::value);
        let range = recipe.range.map(GivenRange::numbers);
        let Recipe { method, color, mask, target, .. } = recipe;
        let kind = method.kind();
        let (mut clip_limit, mut tiles, mut reference, mut low, mut high) = (None, None, None, None, None);
        let (mut black, mut white, mut gamma) = (None, None, None);
        match method {
            Method::Global => {}
            Method::Plateau { clip_limit: limit } => clip_limit = Some(limit.value()),
            Method::Clahe { clip_limit: limit, tiles: grid } => {
                (clip_limit, tiles) = (Some(limit.value()), Some(grid.map(u32::from)));
            }
            Method::Match { reference: image } => reference = Some(image),
            Method::Stretch { cut, tone } => {
                match tone.points().map(GivenRange::numbers) {
                    Some([from, to]) => (black, white) = (Some(from), Some(to)),
                    None => (low, high) = (Some(cut.low_percent()), Some(cut.high_percent())),
                }
                gamma = (tone.gamma() != 1.0).then(|| tone.gamma());
            }
        }
        Self {
            method: kind,
            color,
            clip_limit,
            tiles,
            reference,
            low,
            high,
            black,
            white,
            gamma,
            strength,
            nodata,
            range,
            mask,
            to: target.format,
            depth: target.depth.map(Depth::bits),
        }
    }
}

impl TryFrom<Wire> for Recipe {
    type Error = String;
    fn try_from(wire: Wire) -> Result<Self, String> {
        let Wire { method: kind, color, clip_limit, tiles, reference, low, high, black, white, gamma, .. } = wire;
        let Wire { strength, nodata, range, mask, to, depth, .. } = wire;
        let given = [
            ("clip_limit", MethodKind::Clahe, clip_limit.is_some() && kind != MethodKind::Global),
            ("tiles", MethodKind::Clahe, tiles.is_some()),
            ("reference", MethodKind::Match, reference.is_some()),
            ("low", MethodKind::Stretch, low.is_some()),
            ("high", MethodKind::Stretch, high.is_some()),
            ("black", MethodKind::Stretch, black.is_some()),
            ("white", MethodKind::Stretch, white.is_some()),
            ("gamma", MethodKind::Stretch, gamma.is_some()),
        ];
        if let Some((field, of, _)) = given.iter().find(|(_, of, given)| *given && *of != kind) {
            let (of, kind) = (of.name(), kind.name());
            return Err(format!("`{field}` is a parameter of the method `{of}`, but the method is `{kind}`"));
        }
        let method = match kind {
            MethodKind::Global => match clip_limit.filter(|limit| *limit != 0.0) {
                None => Method::Global,
                Some(limit) => {
                    Method::Plateau { clip_limit: ClipLimit(fixed("`clip_limit`", limit, 3, ClipLimit::MAX)?) }
                }
            },
            MethodKind::Clahe => Method::Clahe {
                clip_limit: ClipLimit(fixed("`clip_limit`", clip_limit.unwrap_or(2.0), 3, ClipLimit::MAX)?),
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
                let points = match [black, white] {
                    [None, None] => None,
                    [Some(black), Some(white)] => Some(GivenRange::new([black, white]).map_err(|_| {
                        let (black, white) = (Decimal(black), Decimal(white));
                        format!("expected two samples of which `black` is below `white`, got {black} and {white}")
                    })?),
                    _ => return Err("expected `black` and `white`, or neither; got one of them".to_owned()),
                };
                let tone = Tone::new(fixed("`gamma`", gamma.unwrap_or(1.0), 3, 10)?, points)?;
                Method::Stretch { cut, tone }
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
        let depth = match depth {
            None => None,
            Some(8) => Some(Depth::Eight),
            Some(bits) => {
                return Err(format!("`depth` must be 8, or left out for the original's bits; got {bits}"));
            }
        };
        let target = Target { format: to, depth };
        Ok(Self { method, color, strength, nodata, range, mask, target, arithmetic: Arithmetic::default() })
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
            r#"{"method":"stretch","color":"lab","black":-3.5,"white":220.0,"gamma":1.5}"#.to_owned(),
            r#"{"method":"global","color":"luma","clip_limit":4.0}"#.to_owned(),
            r#"{"method":"global","color":"luma","to":"webp","depth":8}"#.to_owned(),
        ] {
            assert_eq!(serde_json::to_string(&read(&text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn parameters_that_are_left_out_have_the_usual_values() {
        assert_eq!(read(r#"{"method":"clahe"}"#).unwrap().method, Method::clahe());
        let cut = Cut::millionths(20_000, 20_000).unwrap();
        assert_eq!(read(r#"{"method":"stretch"}"#).unwrap().method, Method::Stretch { cut, tone: Tone::default() });
        assert_eq!(read(r#"{"method":"global","clip_limit":0}"#).unwrap().method, Method::Global);
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
            (r#"{"method":"stretch","black":9}"#, "`black` and `white`, or neither"),
            (r#"{"method":"stretch","black":9,"white":9}"#, "`black` is below `white`, got 9 and 9"),
            (r#"{"method":"stretch","gamma":0.01}"#, "from 0.1 to 10"),
            (r#"{"method":"global","gamma":2}"#, "`gamma` is a parameter of the method `stretch`"),
            (r#"{"method":"match","clip_limit":2}"#, "`clip_limit` is a parameter of the method `clahe`"),
            (r#"{"method":"global","strength":1.5}"#, "from 0 to 1 with at most 3 decimal places, got 1.5"),
            (r#"{"method":"global","depth":16}"#, "`depth` must be 8, or left out for the original's bits; got 16"),
            (r#"{"method":"global","to":"gif"}"#, "expected one of `png`, `jpeg`, `tiff`, `webp`"),
            (r#"{"method":"global","range":[1,1]}"#, "the first is below the second; got 1 and 1"),
            (r#"{"method":"global","range":[1]}"#, "an array of length 2"),
            (r#"{"method":"global","power":1}"#, "unknown field `power`"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}

//! Options of the equalization: a recipe as flags, with files in place of image ids.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Map, Value, json};
use shared::equalize::{Color, MethodKind, Recipe};
use shared::preset::{PRESETS, Preset};

/// Options of the equalization.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct HowArgs {
    /// A recipe by its use: photograph, document, microscopy, satellite, astronomy or classic (docs/looks.md shows them). Other
    /// options change parts of it
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS.map(|preset| preset.name)), conflicts_with = "recipe")]
    preset: Option<String>,

    /// Method: by the histogram of the whole image (global), by those of its tiles (clahe), to the histogram of another
    /// image (match), or by stretching the range between two percentiles (stretch) [default: global]
    #[arg(long, value_parser = PossibleValuesParser::new(MethodKind::ALL.map(MethodKind::name)))]
    method: Option<String>,

    /// What to equalize in colour images: lightness (luma, or the perceptual oklab or lab), V of HSV (hsv), each channel
    /// separately (channels), or the image converted to gray (gray) [default: luma]
    #[arg(long, value_parser = PossibleValuesParser::new(Color::ALL.map(Color::name)))]
    color: Option<String>,

    /// Strength of the effect, from 0 (none) to 1 (full) [default: 1]
    #[arg(long, value_name = "PART")]
    strength: Option<f64>,

    /// clahe, global: clip bins of the histogram at this multiple of the average; 0 doesn't clip [default: 2 of clahe, 0 of
    /// global]
    #[arg(long, value_name = "TIMES")]
    clip_limit: Option<f64>,

    /// clahe: number of tiles across and down [default: 8x8]
    #[arg(long, value_name = "ACROSSxDOWN", value_parser = parse_tiles())]
    tiles: Option<Tiles>,

    /// match: image whose histogram the results should have
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,

    /// stretch: percentile that becomes black [default: 2]
    #[arg(long, value_name = "PERCENT")]
    low: Option<f64>,

    /// stretch: percentile that becomes white [default: 98]
    #[arg(long, value_name = "PERCENT")]
    high: Option<f64>,

    /// stretch: sample that becomes black, in place of --low; with --white
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    black: Option<f64>,

    /// stretch: sample that becomes white, in place of --high; with --black
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    white: Option<f64>,

    /// stretch: gamma between black and white; above 1 it brightens [default: 1]
    #[arg(long, value_name = "GAMMA")]
    gamma: Option<f64>,

    /// Leave pixels of this value (in all colours) unchanged and uncounted
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    nodata: Option<f64>,

    /// Range of floating-point or 32-bit samples, or of 16-bit ones for clahe; values outside count as its ends [default: the range that occurs in the image, without outliers]
    #[arg(long, value_names = ["LOW", "HIGH"], num_args = 2, allow_negative_numbers = true)]
    range: Option<Vec<f64>>,

    /// Image of the same size: pixels where it is black are left unchanged and uncounted
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,

    /// The whole recipe as JSON, such as {"method":"clahe","tiles":[8,8]}; files still come from --reference and --mask
    #[arg(long, value_name = "JSON", conflicts_with_all = ["method", "color", "strength", "clip_limit", "tiles", "low", "high", "black", "white", "gamma", "nodata", "range"])]
    recipe: Option<String>,
}

/// Tiles across and down.
type Tiles = [u32; 2];

/// The files in place of a recipe's images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Image whose histogram the results should have.
    pub reference: Option<PathBuf>,
    /// Mask.
    pub mask: Option<PathBuf>,
}

/// Returns the recipe with a mask, whose file is named apart.
///
/// # Errors
/// If the placeholder isn't an id.
pub fn with_mask(recipe: &Recipe) -> Result<Recipe> {
    Ok(Recipe { mask: Some(A_FILE.parse().map_err(|error| anyhow!("{error}"))?), ..recipe.clone() })
}

/// Placeholder id in a command's recipe, since a file has no id.
const A_FILE: &str = "00000000000000000000000000000000";

impl HowArgs {
    /// Builds the recipe, and returns the files that it reads.
    ///
    /// # Errors
    /// A sentence: what was expected and what was found.
    pub fn into_recipe(self) -> Result<(Recipe, Files)> {
        let mut fields = match &self.recipe {
            Some(json) => serde_json::from_str(json).context("--recipe must be a JSON object")?,
            None => self.fields()?,
        };
        for (field, file) in [("reference", &self.reference), ("mask", &self.mask)] {
            if file.is_some() {
                fields.insert(field.to_owned(), A_FILE.into());
            }
        }
        let recipe: Recipe = serde_json::from_value(Value::Object(fields)).map_err(|error| anyhow!("{error}"))?;
        if recipe.reference().is_some() && self.reference.is_none() {
            bail!("the method match needs an image to match to; name its file with --reference");
        }
        if recipe.mask.is_some() && self.mask.is_none() {
            bail!("the recipe has a mask; name its file with --mask");
        }
        Ok((recipe, Files { reference: self.reference, mask: self.mask }))
    }

    /// Converts the flags to a recipe's fields. The recipe itself rejects parameters of another method.
    fn fields(&self) -> Result<Map<String, Value>> {
        let preset = self.preset.as_deref().and_then(Preset::named).map_or(&[][..], |preset| preset.fields);
        let preset = Recipe::from_form(preset.iter().copied()).map_err(|error| anyhow!("{error}"))?;
        let mut fields = match serde_json::to_value(preset)? {
            Value::Object(fields) => fields,
            _ => bail!("a recipe is an object"),
        };
        if let Some(method) = &self.method
            && fields.get("method").and_then(Value::as_str) != Some(method)
        {
            // Parameters of the preset's method aren't those of another one.
            ["clip_limit", "tiles", "low", "high", "gamma"].into_iter().for_each(|name| drop(fields.remove(name)));
            fields.insert("method".to_owned(), method.as_str().into());
        }
        if let Some(color) = &self.color {
            fields.insert("color".to_owned(), color.as_str().into());
        }
        let numbers = [
            ("strength", self.strength),
            ("clip_limit", self.clip_limit),
            ("low", self.low),
            ("high", self.high),
            ("black", self.black),
            ("white", self.white),
            ("gamma", self.gamma),
            ("nodata", self.nodata),
        ];
        fields.extend(numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), json!(number?)))));
        if let Some(range) = &self.range {
            fields.insert("range".to_owned(), json!(range));
        }
        if let Some(tiles) = self.tiles {
            fields.insert("tiles".to_owned(), json!(tiles));
        }
        // `match` without a file is reported later.
        if self.method.as_deref() == Some(MethodKind::Match.name()) {
            fields.insert("reference".to_owned(), A_FILE.into());
        }
        Ok(fields)
    }
}

fn parse_tiles() -> impl TypedValueParser<Value = Tiles> {
    clap::builder::StringValueParser::new().try_map(|text| {
        let sides = text.split_once(['x', '×']).and_then(|(a, d)| Some([a.parse().ok()?, d.parse().ok()?]));
        sides.ok_or_else(|| format!("expected two numbers such as 8x8, got {text:?}"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;
    use shared::equalize::Method;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        how: HowArgs,
    }

    fn recipe(arguments: &[&str]) -> Result<Recipe, String> {
        let parsed = Cli::try_parse_from([&["equalize"], arguments].concat()).map_err(|error| error.to_string())?;
        Ok(parsed.how.into_recipe().map_err(|error| error.to_string())?.0)
    }

    fn json(text: &str) -> Recipe {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_recipe_comes_from_flags_or_from_json() {
        assert_eq!(recipe(&[]).unwrap(), Recipe::default());
        assert_eq!(recipe(&["--method", "global", "--color", "oklab"]).unwrap(), Recipe::global(Color::Oklab));
        assert_eq!(recipe(&["--recipe", r#"{"method":"global","color":"hsv"}"#]).unwrap(), Recipe::global(Color::Hsv));
        assert_eq!(
            recipe(&["--method", "clahe", "--clip-limit", "3.5", "--tiles", "4x6", "--strength", "0.5"]).unwrap(),
            json(r#"{"method":"clahe","clip_limit":3.5,"tiles":[4,6],"strength":0.5}"#)
        );
        assert_eq!(
            recipe(&["--method", "stretch", "--low", "1", "--high", "99.5", "--nodata", "-9999"]).unwrap(),
            json(r#"{"method":"stretch","low":1,"high":99.5,"nodata":-9999}"#)
        );
        assert_eq!(recipe(&["--range", "-1", "2.5"]).unwrap(), json(r#"{"method":"global","range":[-1,2.5]}"#));
        assert_eq!(
            recipe(&["--method", "stretch", "--black", "-3", "--white", "200", "--gamma", "1.5"]).unwrap(),
            json(r#"{"method":"stretch","black":-3,"white":200,"gamma":1.5}"#)
        );
        assert_eq!(recipe(&["--clip-limit", "4"]).unwrap(), json(r#"{"method":"global","clip_limit":4}"#));
        let matched = recipe(&["--method", "match", "--reference", "moon.png", "--mask", "mask.png"]).unwrap();
        assert!(matches!(matched.method, Method::Match { .. }) && matched.mask.is_some());
    }

    #[test]
    fn a_preset_is_a_recipe_that_other_flags_change() {
        for preset in PRESETS {
            let expected = Recipe::from_form(preset.fields.iter().copied()).unwrap();
            assert_eq!(recipe(&["--preset", preset.name]).unwrap(), expected, "{}", preset.name);
        }
        let satellite = recipe(&["--preset", "satellite", "--nodata", "-9999", "--low", "1"]).unwrap();
        assert_eq!(satellite, json(r#"{"method":"stretch","color":"channels","low":1,"high":98,"nodata":-9999}"#));
        let other = recipe(&["--preset", "document", "--method", "global"]).unwrap();
        assert_eq!(other, json(r#"{"method":"global","color":"gray","strength":0.8}"#));
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (arguments, words) in [
            (&["--color", "pink"][..], "oklab"),
            (&["--method", "local"], "clahe"),
            (&["--preset", "portrait"], "photograph"),
            (&["--tiles", "8"], "such as 8x8"),
            (&["--tiles", "8x8"], "`tiles` is a parameter of the method `clahe`"),
            (&["--strength", "2"], "from 0 to 1"),
            (&["--range", "2", "1"], "the first is below the second; got 2 and 1"),
            (&["--method", "match"], "--reference"),
            (&["--recipe", r#"{"method":"global","tint":1}"#], "unknown field `tint`"),
            (&["--recipe", r#"{"method":"global"}"#, "--color", "hsv"], "cannot be used with"),
            (&["--recipe", r#"{"method":"global","mask":"00000000000000000000000000000001"}"#], "--mask"),
        ] {
            let error = recipe(arguments).unwrap_err();
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
    }
}

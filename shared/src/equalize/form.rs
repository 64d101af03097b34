//! Parsing a recipe from an HTML form, which submits every field as text, including those of other methods.

use super::intensity::Color;
use super::recipe::{MethodKind, Recipe};
use super::recipe_json::Wire;
use crate::id::ImageId;
use crate::image_info::Format;
use crate::number::parse;

impl Recipe {
    /// Names of the fields that [`Recipe::from_form`] reads.
    pub const FORM: [&'static str; 19] = [
        "method",
        "color",
        "strength",
        "clip_limit",
        "columns",
        "rows",
        "reference",
        "low",
        "high",
        "plateau",
        "black",
        "white",
        "gamma",
        "nodata",
        "range_low",
        "range_high",
        "mask",
        "to",
        "depth",
    ];

    /// Parses a recipe from the names and values of a form's fields. Ignores fields that are empty or belong to a
    /// method other than the chosen one. An image may be given by its id or by the address of its page.
    ///
    /// # Errors
    /// Returns a sentence for the user: what was expected and what was found.
    pub fn from_form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let entered: Vec<(&str, &str)> =
            fields.into_iter().map(|(name, text)| (name, text.trim())).filter(|(_, text)| !text.is_empty()).collect();
        let get = |name: &str| entered.iter().rev().find(|(other, _)| *other == name).map(|(_, text)| *text);
        let method = match get("method") {
            None => MethodKind::default(),
            Some(text) => known("method", text, &MethodKind::ALL, MethodKind::name)?,
        };
        let color = match get("color") {
            None => Color::default(),
            Some(text) => known("color", text, &Color::ALL, Color::name)?,
        };
        let value = |name: &str| get(name).map(|text| number(name, text, parse)).transpose();
        let value_of = |kind, name| if method == kind { value(name) } else { Ok(None) };
        let image = |name: &str| get(name).map(|text| image_id(text).parse::<ImageId>()).transpose();
        let reference = if method == MethodKind::Match { image("reference") } else { Ok(None) };
        let range = match [value("range_low")?, value("range_high")?] {
            [None, None] => None,
            [Some(low), Some(high)] => Some([low, high]),
            _ => return Err("expected `range_low` and `range_high`, or neither; got one of them".to_owned()),
        };
        let to = get("to").map(|text| known("to", text, &Format::ALL, Format::name)).transpose()?;
        let depth = get("depth").map(|text| number("depth", text, |text| text.parse::<u8>().ok())).transpose()?;
        let side = |name| number(name, get(name).unwrap_or("8"), |text| text.parse::<u32>().ok());
        let tiles = if method == MethodKind::Clahe { Some([side("columns")?, side("rows")?]) } else { None };
        Self::try_from(Wire {
            method,
            color,
            // A field of its own, since CLAHE's has another default.
            clip_limit: value_of(MethodKind::Clahe, "clip_limit")?.or(value_of(MethodKind::Global, "plateau")?),
            tiles,
            reference: reference.map_err(|error| error.to_string())?,
            low: value_of(MethodKind::Stretch, "low")?,
            high: value_of(MethodKind::Stretch, "high")?,
            black: value_of(MethodKind::Stretch, "black")?,
            white: value_of(MethodKind::Stretch, "white")?,
            gamma: value_of(MethodKind::Stretch, "gamma")?,
            strength: value("strength")?,
            nodata: value("nodata")?,
            range,
            mask: image("mask").map_err(|error| error.to_string())?,
            to,
            depth,
        })
    }
}

/// Returns the element of `all` with the name `text`.
fn known<T: Copy>(field: &str, text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|one| format!("`{}`", name(*one))).collect();
        format!("expected one of {} as `{field}`, got {text:?}", names.join(", "))
    })
}

fn number<T>(name: &str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    parse(&text.replace(',', ".")).ok_or_else(|| format!("expected a number for `{name}`, got {text:?}"))
}

/// Returns the id at the end of an address, or the text itself.
fn image_id(text: &str) -> &str {
    text.split(['?', '#']).next().and_then(|path| path.trim_end_matches('/').rsplit('/').next()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Recipe {
        serde_json::from_str(text).unwrap()
    }

    const ALL: [(&str, &str); 9] = [
        ("color", "oklab"),
        ("strength", "0.5"),
        ("clip_limit", "3"),
        ("columns", "4"),
        ("rows", "6"),
        ("low", "1"),
        ("high", "99,5"),
        ("reference", "http://pod-1:3000/images/0123456789abcdef0123456789abcdef?job=7"),
        ("nodata", ""),
    ];

    #[test]
    fn of_all_fields_those_of_the_chosen_method_count() {
        for (method, expected) in [
            ("global", r#"{"method":"global","color":"oklab","strength":0.5}"#),
            ("clahe", r#"{"method":"clahe","color":"oklab","strength":0.5,"clip_limit":3,"tiles":[4,6]}"#),
            ("stretch", r#"{"method":"stretch","color":"oklab","strength":0.5,"low":1,"high":99.5}"#),
            (
                "match",
                r#"{"method":"match","color":"oklab","strength":0.5,"reference":"0123456789abcdef0123456789abcdef"}"#,
            ),
        ] {
            let fields = ALL.into_iter().chain([("method", method)]);
            assert_eq!(Recipe::from_form(fields).unwrap(), json(expected));
        }
    }

    #[test]
    fn a_range_has_two_ends() {
        let recipe = Recipe::from_form([("range_low", "-0,5"), ("range_high", "1e3")]).unwrap();
        assert_eq!(recipe, json(r#"{"method":"global","range":[-0.5,1000]}"#));
        for one in ["range_low", "range_high"] {
            assert!(Recipe::from_form([(one, "1")]).unwrap_err().contains("got one of them"));
        }
        assert!(Recipe::from_form([("range_low", "2"), ("range_high", "NaN")]).is_err());
    }

    #[test]
    fn a_result_may_have_another_format_and_depth() {
        let recipe = Recipe::from_form([("to", "jpeg"), ("depth", "8")]).unwrap();
        assert_eq!(recipe, json(r#"{"method":"global","to":"jpeg","depth":8}"#));
        assert_eq!(Recipe::from_form([("to", ""), ("depth", "")]).unwrap(), Recipe::default());
    }

    #[test]
    fn no_fields_are_the_default() {
        assert_eq!(Recipe::from_form([]).unwrap(), Recipe::default());
        assert_eq!(Recipe::from_form([("method", "clahe")]).unwrap(), json(r#"{"method":"clahe"}"#));
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (fields, words) in [
            (&[("strength", "much")][..], "expected a number for `strength`, got \"much\""),
            (&[("method", "clahe"), ("columns", "2.5")], "expected a number for `columns`, got \"2.5\""),
            (&[("method", "match")], "needs the id of an image"),
            (&[("method", "match"), ("reference", "moon.png")], "32 lower-case hexadecimal digits"),
            (&[("method", "sharpen")], "expected one of `global`"),
            (&[("to", "gif")], "expected one of `png`, `jpeg`, `tiff`, `webp` as `to`, got \"gif\""),
            (&[("depth", "16")], "`depth` must be 8"),
        ] {
            let error = Recipe::from_form(fields.iter().copied()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}

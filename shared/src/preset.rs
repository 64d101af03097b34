//! Presets: recipes named after their use.

/// A named recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Name, as on a command line.
    pub name: &'static str,
    /// Name, as on a page.
    pub label: &'static str,
    /// Its use, in a few words.
    pub purpose: &'static str,
    /// Names and values of the recipe's fields, as in a form ([`Recipe::from_form`](crate::equalize::Recipe::from_form)).
    pub fields: &'static [(&'static str, &'static str)],
}

/// All presets; `docs/looks.md` shows them.
pub const PRESETS: [Preset; 6] = [
    Preset {
        name: "photograph",
        label: "Photograph",
        purpose: "more contrast in shadows and highlights, colours as they are",
        fields: &[
            ("method", "clahe"),
            ("color", "oklab"),
            ("clip_limit", "1.5"),
            ("columns", "4"),
            ("rows", "4"),
            ("strength", "0.7"),
        ],
    },
    Preset {
        name: "document",
        label: "Document",
        purpose: "dark writing on even paper, in gray",
        fields: &[
            ("method", "clahe"),
            ("color", "gray"),
            ("clip_limit", "1.5"),
            ("columns", "16"),
            ("rows", "16"),
            ("strength", "0.8"),
        ],
    },
    Preset {
        name: "microscopy",
        label: "Microscopy",
        purpose: "12 or 16 bits over the range that occurs, faint structures visible",
        fields: &[
            ("method", "clahe"),
            ("color", "luma"),
            ("clip_limit", "2"),
            ("columns", "8"),
            ("rows", "8"),
            ("strength", "1"),
        ],
    },
    Preset {
        name: "satellite",
        label: "Satellite",
        purpose: "each band from 2 to 98 %, without nodata 0",
        fields: &[
            ("method", "stretch"),
            ("color", "channels"),
            ("low", "2"),
            ("high", "98"),
            ("nodata", "0"),
            ("strength", "1"),
        ],
    },
    Preset {
        name: "astronomy",
        label: "Astronomy",
        purpose: "a dark sky, faint light raised",
        fields: &[
            ("method", "stretch"),
            ("color", "luma"),
            ("low", "50"),
            ("high", "99.9"),
            ("gamma", "1.8"),
            ("strength", "1"),
        ],
    },
    Preset {
        name: "classic",
        label: "Classic",
        purpose: "the textbook's equalization of the whole image",
        fields: &[("method", "global"), ("color", "luma"), ("strength", "1")],
    },
];

/// Fields of a form that a preset empties before it sets its own.
pub const RESET: [(&str, &str); 6] =
    [("nodata", ""), ("range_low", ""), ("range_high", ""), ("plateau", "0"), ("gamma", "1"), ("strength", "1")];

impl Preset {
    /// Returns the preset of this name.
    pub fn named(name: &str) -> Option<&'static Preset> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::equalize::{Color, Method, Recipe};

    #[test]
    fn every_preset_is_a_recipe_and_sets_nothing_that_is_ignored() {
        for preset in PRESETS {
            assert_eq!(Preset::named(preset.name), Some(&preset));
            let recipe = Recipe::from_form(preset.fields.iter().copied()).unwrap();
            for (index, (name, _)) in preset.fields.iter().enumerate() {
                assert!(Recipe::FORM.contains(name), "{name} of {}", preset.name);
                let more =
                    preset.fields.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, field)| *field);
                let other = if *name == "high" { "97" } else { "0.9" };
                if !matches!(*name, "method" | "color" | "columns" | "rows") {
                    let changed = Recipe::from_form(more.chain([(*name, other)])).unwrap();
                    assert_ne!(changed, recipe, "{name} of {}", preset.name);
                }
            }
        }
    }

    #[test]
    fn classic_is_the_default_and_satellite_takes_bands_apart() {
        let recipe = |name| Recipe::from_form(Preset::named(name).unwrap().fields.iter().copied()).unwrap();
        assert_eq!(recipe("classic"), Recipe::default());
        let satellite = recipe("satellite");
        assert!(satellite.color == Color::Channels && matches!(satellite.method, Method::Stretch { .. }));
    }
}

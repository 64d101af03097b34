//! Histogram equalization: count → cumulate → look-up table → apply.

use serde::{Deserialize, Serialize};

/// What to do with an image: one method and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase", deny_unknown_fields)]
pub enum Recipe {
    /// One histogram over the whole image.
    Global {
        /// How colour is treated.
        #[serde(default)]
        color: Color,
    },
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe::Global { color: Color::default() }
    }
}

/// How colour is treated. A gray image is equalized the same way by all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// Lightness only: Y of BT.601 YCbCr; hue and chroma stay.
    #[default]
    Luma,
    /// Each channel by its own histogram; hues shift.
    Channels,
    /// V of HSV only.
    Hsv,
    /// The result is gray.
    Gray,
}

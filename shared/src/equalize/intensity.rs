//! Intensity: the quantity of a pixel that is equalized, selected by the recipe's colour mode and the image's layout.

use serde::{Deserialize, Serialize};

use crate::pixels::Layout;

/// How colour is equalized. Gray images come out the same with each of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// Only Y of BT.601 YCbCr changes; hue and chroma stay.
    #[default]
    Luma,
    /// Only L of Oklab (perceived lightness) changes; its hue and chroma stay.
    Oklab,
    /// Only L* of CIELAB changes; a* and b* stay.
    Lab,
    /// Only V of HSV changes.
    Hsv,
    /// Each channel is equalized with its own histogram; hues shift.
    Channels,
    /// The result is gray.
    Gray,
    /// [`Color::Oklab`] of jobs up to version 9 ([`Arithmetic::Nine`](super::Arithmetic)): colours outside of sRGB are clamped.
    /// No recipe has it; a pinned one does.
    #[serde(skip)]
    OklabClipped,
}

impl Color {
    /// All variants that a recipe can name, the default first.
    pub const ALL: [Color; 6] = [Color::Luma, Color::Oklab, Color::Lab, Color::Hsv, Color::Channels, Color::Gray];

    /// Returns the name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Color::Luma => "luma",
            Color::Oklab | Color::OklabClipped => "oklab",
            Color::Lab => "lab",
            Color::Hsv => "hsv",
            Color::Channels => "channels",
            Color::Gray => "gray",
        }
    }
}

/// The quantity of a pixel that is counted and equalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intensity {
    /// The only colour sample of a gray image.
    Gray,
    /// Y of BT.601 YCbCr.
    Luma,
    /// V of HSV: the largest of red, green and blue.
    Value,
    /// Red, green and blue, each on its own.
    Channels,
    /// L of Oklab (perceived lightness).
    Lightness,
    /// L* of CIELAB.
    LabLightness,
    /// That many bands, or the four inks, each on its own.
    Bands(u16),
}

impl Intensity {
    /// Returns the intensity that `color` selects in an image of this layout.
    pub const fn of(color: Color, layout: Layout) -> Self {
        if let Some(bands) = layout.bands() {
            return Intensity::Bands(bands);
        }
        match (layout.colors(), color) {
            (1, _) => Intensity::Gray,
            (inks @ 4, Color::Channels) => Intensity::Bands(inks as u16),
            (_, Color::Luma | Color::Gray) => Intensity::Luma,
            (_, Color::Hsv) => Intensity::Value,
            (_, Color::Oklab | Color::OklabClipped) => Intensity::Lightness,
            (_, Color::Lab) => Intensity::LabLightness,
            (_, Color::Channels) => Intensity::Channels,
        }
    }

    /// Returns the number of histograms: 1, 3 for [`Intensity::Channels`], or the number of bands.
    pub const fn planes(self) -> usize {
        match self {
            Intensity::Channels => 3,
            Intensity::Bands(bands) => bands as usize,
            _ => 1,
        }
    }

    /// Whether it is a sample of the image, not computed from several.
    pub(super) const fn is_sample(self) -> bool {
        matches!(self, Intensity::Gray | Intensity::Channels | Intensity::Bands(_))
    }
}

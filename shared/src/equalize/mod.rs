//! Histogram equalization: count → cumulate → look-up table → apply.
//!
//! ```text
//! Histogram::new → count(rows)… → merge → Lut::from_histogram → apply(rows)
//! ```
//!
//! Every step works on any run of whole rows, and histograms add as integers, so that neither the cut of an image
//! nor the order in which its pieces are counted changes a single bit of the result.
//!
//! The folder reads in the order in which data flows: [`histogram`](Histogram), [`lut`](Lut), [`apply`](apply()).
//! `matching` and `stretch` make other tables of a histogram, `strength` a weaker one of any. [`clahe`] is the method
//! with a histogram for each tile. `color` holds the formulas for a pixel, `kernel` the loops over pixels, `wire` the
//! bytes that pods exchange.
//!
//! Nothing here uses a fused multiply-add or a function of the platform's math library: an arithmetic that is the same
//! on every machine is what makes results equal, byte for byte, whichever pod made them.

mod apply;
pub mod clahe;
mod color;
mod histogram;
mod kernel;
mod lut;
mod matching;
mod strength;
mod stretch;
mod wire;

pub use apply::{apply, apply_by, apply_le_bytes, apply_le_bytes_into, output_layout};
pub use color::Intensity;
pub use histogram::{Histogram, MergeError};
pub use kernel::Kernel;
pub use lut::Lut;
pub use strength::{Strength, StrengthError};
pub use stretch::{Cut, CutError};
pub use wire::Malformed;

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

impl Recipe {
    /// How colour is treated.
    pub const fn color(&self) -> Color {
        match self {
            Recipe::Global { color } => *color,
        }
    }
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

//! Histogram equalization: count → cumulate → look-up table → apply.
//!
//! ```text
//! Histogram::new → count(rows)… → merge → Lut::from_histogram → apply(rows)
//! ```
//!
//! Every step accepts any run of whole rows, and histograms merge by integer addition. So the result is the same, bit
//! for bit, however an image is cut and in whatever order its parts are counted.
//!
//! The data flows through [`histogram`](Histogram), [`lut`](Lut) and [`apply`](apply()). `matching` and `stretch`
//! derive other tables from a histogram; `strength` blends a table with the identity. [`clahe`] keeps a histogram for
//! each tile, `ranged` equalizes samples without levels. [`Recipe`] selects the method; [`Counts`] and [`Table`] are the
//! interface that the stages of the pipeline use for every method. `intensity` selects what of a pixel is equalized;
//! `color`, `oklab`, `lab` and `inks` hold the formulas for a pixel, `kernel` the loops over pixels, `wire` the serialization that pods
//! exchange.
//!
//! Nothing here uses fused multiply-add or the platform's math library: results must be identical, byte for byte, on
//! every machine and pod.

mod apply;
mod arithmetic;
pub mod clahe;
mod color;
mod form;
mod frame;
mod given;
mod histogram;
mod inks;
mod intensity;
mod kernel;
mod lab;
mod lightness;
mod lut;
mod mask;
mod matching;
mod method;
mod nodata;
mod oklab;
mod plateau;
mod ranged;
mod recipe;
mod recipe_json;
mod reference;
mod srgb;
mod strength;
mod stretch;
mod target;
mod tone;
mod wire;

pub use apply::{apply, apply_by, apply_le_bytes, apply_le_bytes_into, output_layout};
pub use arithmetic::Arithmetic;
pub use frame::Frame;
pub use given::GivenRange;
pub use histogram::{Histogram, MergeError};
pub use inks::inks_to_rgb;
pub use intensity::{Color, Intensity};
pub use kernel::Kernel;
pub use lut::Lut;
pub use mask::Mask;
pub use method::{Counts, Table, TableError};
pub use nodata::{Nodata, NodataRule};
pub use ranged::{Curves, RangedHistogram, Ranges, Spans, Spread};
pub use recipe::{ClipLimit, Method, MethodKind, Recipe};
pub use recipe_json::Wire;
pub use strength::{Strength, StrengthError};
pub use stretch::{Cut, CutError};
pub use target::Target;
pub use tone::Tone;
pub use wire::Malformed;

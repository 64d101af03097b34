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
//! with a histogram for each tile, `float` is for samples that are no whole numbers. [`Recipe`] says which of them; [`Counts`] and [`Table`] are what the stages of the
//! pipeline see of any of them. `color` and `oklab` hold the formulas for a pixel, `kernel` the loops over pixels, `wire` the
//! bytes that pods exchange.
//!
//! Nothing here uses a fused multiply-add or a function of the platform's math library: an arithmetic that is the same
//! on every machine is what makes results equal, byte for byte, whichever pod made them.

mod apply;
pub mod clahe;
mod color;
mod float;
mod form;
mod given;
mod histogram;
mod kernel;
mod lut;
mod mask;
mod matching;
mod method;
mod oklab;
mod recipe;
mod reference;
mod strength;
mod stretch;
mod wire;

pub use apply::{apply, apply_by, apply_le_bytes, apply_le_bytes_into, output_layout};
pub use color::Intensity;
pub use float::{Curves, FloatHistogram, Ranges, Spans};
pub use given::GivenRange;
pub use histogram::{Histogram, MergeError};
pub use kernel::Kernel;
pub use lut::Lut;
pub use mask::Mask;
pub use method::{Counts, Frame, Table, TableError};
pub use recipe::{ClipLimit, Color, Method, MethodKind, Nodata, Recipe, Wire};
pub use strength::{Strength, StrengthError};
pub use stretch::{Cut, CutError};
pub use wire::Malformed;

//! Contrast-limited adaptive histogram equalization (CLAHE), equal to OpenCV's pixel for pixel.
//!
//! ```text
//! TileHistograms::new → count(rows)… → merge → TileTables::from_histograms → apply(rows)
//! ```
//!
//! The image is divided into a grid of tiles, each with its own histogram, whose bins are clipped before it becomes a
//! table. Each pixel is interpolated between the tables of the four tiles whose centres surround it (Zuiderveld,
//! "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994). The arithmetic is that of OpenCV's
//! modules/imgproc/src/clahe.cpp, in its order and in f32, at 8 and 16 bits; the golden files are from OpenCV 5.0.0.
//!
//! As in global equalization, every step accepts any run of whole rows and histograms merge by integer addition: the
//! tables don't depend on how an image is cut, and parts join without seams.
//!
//! OpenCV defines no behaviour for the following cases. Colour is equalized by its intensity as in global equalization.
//! Fully transparent pixels are neither counted nor changed; the table of a tile is then normalized by the pixels that
//! were counted, and that of a tile without any is the identity.

mod apply;
mod geometry;
mod histograms;
mod tables;

pub use apply::{apply, apply_le_bytes_into};
pub use geometry::{Clahe, Geometry, GridError, check};
pub use histograms::TileHistograms;
pub use tables::TileTables;

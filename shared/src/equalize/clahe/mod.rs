//! Contrast-limited adaptive histogram equalization (CLAHE), equal to OpenCV's pixel for pixel.
//!
//! ```text
//! TileHistograms::new → count(rows)… → merge → TileTables::from_histograms → apply(rows)
//! ```
//!
//! The image is cut into a grid of tiles, each with its own histogram, whose bins are clipped before it becomes a
//! table; each pixel gets what lies between the tables of the four tiles whose centres surround it (Zuiderveld,
//! "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994). The arithmetic is that of OpenCV's
//! modules/imgproc/src/clahe.cpp, in its order and in f32, at 8 and 16 bits; the golden files are OpenCV 5.0.0's.
//!
//! As with the global method every step works on any run of whole rows, and histograms add as integers: however an
//! image is cut into runs, its tables are the same, and there is no seam.
//!
//! Where OpenCV has no rule: colour is equalized on its intensity as by the global method, fully transparent pixels are
//! neither counted nor changed, a tile's table then belongs to the pixels that were counted, and a tile without any
//! gets the identity.

mod apply;
mod geometry;
mod histograms;
mod tables;

pub use apply::{apply, apply_le_bytes_into};
pub use geometry::{Clahe, Geometry, GridError, check};
pub use histograms::TileHistograms;
pub use tables::TileTables;

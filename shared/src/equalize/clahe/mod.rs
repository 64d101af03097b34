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
//! At 16 bits OpenCV's way, a bin for each of 65,536 levels, is that of the range 0 to 65,535. By default, bins are fewer and
//! over the range that occurs (`scale`), found in a first pass (`occupied`), and tables are interpolated between their edges.
//!
//! OpenCV defines no behaviour for the following cases. Colour is equalized by its intensity as in global equalization.
//! Fully transparent pixels are neither counted nor changed; the table of a tile is then normalized by the pixels that
//! were counted. A tile without any is filled (`fill`).

mod apply;
mod fill;
mod geometry;
mod histograms;
mod lookup;
mod occupied;
mod scale;
mod tables;

pub use apply::{apply, apply_le_bytes_into};
pub(super) use fill::Filling;
pub(super) use geometry::{Bins, check};
pub use geometry::{Clahe, Geometry, GridError};
pub use histograms::TileHistograms;
pub use occupied::Occupied;
pub use tables::TileTables;

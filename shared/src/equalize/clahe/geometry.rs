//! Geometry of the grid of tiles.

use std::ops::Range;

use crate::equalize::frame::Frame;
use crate::equalize::intensity::{Color, Intensity};
use crate::pixels::Depth;

/// What the bins of a tile's histogram are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Bins {
    /// One for each level, as in OpenCV.
    Levels(Depth),
    /// [`Geometry::bins`], over a range of 16-bit levels.
    Few,
}

/// Parameters of CLAHE: how much contrast, and how local.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clahe {
    /// Highest count of a bin, as a multiple of the average bin; higher ones are clipped. 0 disables clipping. OpenCV's
    /// default is 40, its examples use 2.
    pub clip_limit: f64,
    /// Number of tiles horizontally.
    pub columns: u32,
    /// Number of tiles vertically.
    pub rows: u32,
}

impl Default for Clahe {
    /// Returns a clip limit of 2 and 8 × 8 tiles.
    fn default() -> Self {
        Self { clip_limit: 2.0, columns: 8, rows: 8 }
    }
}

/// Why an image can't be divided into a grid of tiles.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum GridError {
    /// The image or the grid is empty, or the clip limit is negative or NaN.
    #[error("a grid needs at least 1 × 1 tiles, an image at least one pixel, and a clip limit must be 0 or more")]
    Empty,
    /// The histograms of all tiles together exceed [`Geometry::MOST_BYTES`].
    #[error("the histograms of {columns} × {rows} tiles take more than {} MiB", Geometry::MOST_BYTES >> 20)]
    Large {
        /// Number of tiles horizontally.
        columns: u32,
        /// Number of tiles vertically.
        rows: u32,
    },
    /// A tile has more pixels than OpenCV's histograms, whose bins are `i32`, can count.
    #[error("a tile of {width} × {height} pixels is too large: take more tiles")]
    Tile {
        /// Pixels per row of a tile.
        width: u32,
        /// Rows of a tile.
        height: u32,
    },
}

/// Size of an image and its grid of tiles.
///
/// If a side isn't divisible by the grid, *both* sides are extended by `grid − side % grid` (a whole `grid` for a
/// divisible side) by reflection without repeating the last row or column (OpenCV's `BORDER_REFLECT_101`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    width: u32,
    height: u32,
    columns: u32,
    rows: u32,
    tile_width: u32,
    tile_height: u32,
}

impl Geometry {
    /// Limit on the histograms of all tiles of an image, in bytes.
    pub const MOST_BYTES: u64 = 64 << 20;

    /// Highest number of bins over a range.
    pub(super) const MOST_BINS: usize = 256;

    /// Creates the grid of an image of `width` × `height` pixels, whose histograms have `planes` planes of these bins.
    ///
    /// # Errors
    /// Fails if the grid or image is empty, the clip limit is negative or NaN, the grid is too fine, or a tile has 2³¹
    /// pixels or more.
    pub(super) fn new(clahe: &Clahe, width: u32, height: u32, planes: usize, bins: Bins) -> Result<Self, GridError> {
        let Clahe { clip_limit, columns, rows } = *clahe;
        if width == 0 || height == 0 || columns == 0 || rows == 0 || clip_limit.is_nan() || clip_limit < 0.0 {
            return Err(GridError::Empty);
        }
        let whole = width.is_multiple_of(columns) && height.is_multiple_of(rows);
        let tile = |side: u32, grid: u32| side / grid + u32::from(!whole);
        let (tile_width, tile_height) = (tile(width, columns), tile(height, rows));
        if u64::from(tile_width) * u64::from(tile_height) > i32::MAX as u64 {
            return Err(GridError::Tile { width: tile_width, height: tile_height });
        }
        let geometry = Self { width, height, columns, rows, tile_width, tile_height };
        let bytes = planes as u64 * geometry.bins(bins) as u64 * size_of::<u64>() as u64;
        if (u64::from(columns) * u64::from(rows)).saturating_mul(bytes) > Self::MOST_BYTES {
            return Err(GridError::Large { columns, rows });
        }
        Ok(geometry)
    }

    /// Returns the pixels per row of the image.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the number of rows of the image.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns the number of tiles.
    pub fn tiles(&self) -> usize {
        self.columns as usize * self.rows as usize
    }

    /// Returns the number of tiles horizontally.
    pub(super) fn columns(&self) -> usize {
        self.columns as usize
    }

    /// Returns the number of pixels in a tile, including reflected ones.
    pub(super) fn area(&self) -> u64 {
        u64::from(self.tile_width) * u64::from(self.tile_height)
    }

    /// Returns the number of bins of a tile's histogram. Over a range, that is the greatest power of two with 4 pixels of a
    /// tile for each bin, but at least 16 and at most [`Geometry::MOST_BINS`].
    pub(super) fn bins(&self, bins: Bins) -> usize {
        match bins {
            Bins::Levels(depth) => depth.levels(),
            Bins::Few => (1usize << (self.area() / 4).max(1).ilog2().min(8)).clamp(16, Self::MOST_BINS),
        }
    }

    /// Returns which pixels of an image row a column of tiles counts: a range of them, and the sources of the reflected
    /// ones that follow.
    pub(super) fn columns_of_tile(&self, column: usize) -> (Range<usize>, Vec<usize>) {
        source(column, self.tile_width, self.width)
    }

    /// Returns which rows of the image a row of tiles counts: a range of them, and the sources of the reflected ones
    /// that follow.
    pub(super) fn rows_of_tile(&self, row: usize) -> (Range<usize>, Vec<usize>) {
        source(row, self.tile_height, self.height)
    }

    /// Returns the number of tiles vertically.
    pub(super) fn rows(&self) -> usize {
        self.rows as usize
    }

    /// Returns the two columns of tiles between whose centres pixel `x` of a row lies, and its position between them,
    /// from 0 to 1.
    pub(super) fn across(&self, x: u32) -> ([usize; 2], f32) {
        between(x, self.tile_width, self.columns)
    }

    /// As [`Geometry::across`], for row `y` between two rows of tiles.
    pub(super) fn down(&self, y: u32) -> ([usize; 2], f32) {
        between(y, self.tile_height, self.rows)
    }
}

/// Checks that an image can be divided into a grid of tiles.
///
/// # Errors
/// Returns the reason if it can't.
pub(in super::super) fn check(clahe: &Clahe, color: Color, frame: &Frame, bins: Bins) -> Result<(), GridError> {
    let planes = Intensity::of(color, frame.layout).planes();
    Geometry::new(clahe, frame.width, frame.height, planes, bins).map(drop)
}

/// Returns the part of a side of `length` that tile number `tile` covers: a range, and the sources of the reflected
/// positions.
fn source(tile: usize, tile_length: u32, length: u32) -> (Range<usize>, Vec<usize>) {
    let (tile_length, length) = (tile_length as usize, length as usize);
    let (start, end) = (tile * tile_length, (tile + 1) * tile_length);
    let run = start.min(length)..end.min(length);
    let mirrored = (start.max(length)..end).map(|place| reflect(place, length)).collect();
    (run, mirrored)
}

/// Returns the position within `length` whose reflection is `place`, reflecting repeatedly if once isn't enough.
fn reflect(place: usize, length: usize) -> usize {
    if length == 1 {
        return 0;
    }
    let period = 2 * (length - 1);
    let within = place % period;
    within.min(period - within)
}

/// OpenCV's arithmetic: the floor and the fraction of `x · (1 / length) − 0.5` in f32; both tiles are clamped to the
/// grid.
fn between(place: u32, length: u32, grid: u32) -> ([usize; 2], f32) {
    let inverse = 1.0f32 / length as f32;
    let position = place as f32 * inverse - 0.5;
    let floor = position.floor();
    let first = floor as i64;
    let tile = |index: i64| index.clamp(0, i64::from(grid) - 1) as usize;
    ([tile(first), tile(first + 1)], position - floor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OpenCV's `borderInterpolate` for BORDER_REFLECT_101.
    fn opencv_reflects(place: i64, length: i64) -> i64 {
        let mut place = place;
        if length == 1 {
            return 0;
        }
        while !(0..length).contains(&place) {
            place = if place < 0 { -place } else { length - 1 - (place - length) - 1 };
        }
        place
    }

    #[test]
    fn places_are_mirrored_as_by_opencv() {
        for length in 1..9 {
            for place in 0..40 {
                assert_eq!(reflect(place, length) as i64, opencv_reflects(place as i64, length as i64));
            }
        }
    }

    #[test]
    fn where_one_side_is_not_divisible_both_are_extended() {
        let clahe = Clahe { columns: 8, rows: 8, ..Clahe::default() };
        let geometry = Geometry::new(&clahe, 64, 63, 1, Bins::Levels(Depth::Eight)).unwrap();
        assert_eq!((geometry.tile_width, geometry.tile_height), (9, 8));
        let geometry = Geometry::new(&clahe, 64, 64, 1, Bins::Levels(Depth::Eight)).unwrap();
        assert_eq!((geometry.tile_width, geometry.tile_height), (8, 8));
    }

    #[test]
    fn every_place_of_a_tile_has_a_source() {
        for (width, columns) in [(5, 8), (1, 3), (64, 8), (63, 8), (17, 2)] {
            let clahe = Clahe { columns, rows: 1, ..Clahe::default() };
            let geometry = Geometry::new(&clahe, width, 3, 1, Bins::Levels(Depth::Eight)).unwrap();
            for column in 0..geometry.columns() {
                let (run, mirrored) = geometry.columns_of_tile(column);
                assert_eq!(run.len() + mirrored.len(), geometry.tile_width as usize);
                assert!(run.chain(mirrored).all(|x| x < width as usize));
            }
        }
    }

    #[test]
    fn grids_without_sense_are_refused() {
        let grid = |columns, rows, clip_limit| Clahe { clip_limit, columns, rows };
        let new = |clahe, width, depth| Geometry::new(&clahe, width, 1_000, 1, Bins::Levels(depth));
        assert_eq!(new(grid(0, 8, 2.0), 9, Depth::Eight), Err(GridError::Empty));
        assert_eq!(new(grid(8, 8, 2.0), 0, Depth::Eight), Err(GridError::Empty));
        assert_eq!(new(grid(8, 8, f64::NAN), 9, Depth::Eight), Err(GridError::Empty));
        let large = Err(GridError::Large { columns: 12, rows: 11 });
        assert_eq!(new(grid(12, 11, 2.0), 9, Depth::Sixteen), large);
        assert!(new(grid(12, 11, 2.0), 9, Depth::Eight).is_ok());
        assert!(matches!(new(grid(1, 1, 2.0), u32::MAX, Depth::Eight), Err(GridError::Tile { .. })));
    }

    #[test]
    fn a_tile_has_bins_for_its_pixels() {
        let bins = |side: u32| {
            let clahe = Clahe { columns: 1, rows: 1, ..Clahe::default() };
            Geometry::new(&clahe, side, side, 1, Bins::Few).unwrap().bins(Bins::Few)
        };
        assert_eq!([1, 12, 32, 63, 64, 4_000].map(bins), [16, 32, 256, 256, 256, 256]);
    }
}

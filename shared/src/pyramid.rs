//! Image pyramids: an image at several resolutions, cut into tiles, so that any part of a gigapixel image can be shown
//! immediately at any zoom.
//!
//! Level 0 is the image itself. Each further level has half the width and height (rounded up); the last one is a single tile.
//! Tiles keep the orientation of the file; [`Turn`] rotates them upright when they are drawn.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;

/// Side of a tile in pixels; tiles at the right and bottom edges may be smaller.
pub const TILE: u32 = 256;

/// Metadata that a browser needs to show a pyramid: `GET /api/images/{id}/pyramid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pyramid {
    /// Width of the image in pixels, as stored.
    pub width: u32,
    /// Height of the image in pixels, as stored.
    pub height: u32,
    /// EXIF orientation, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// Media type of the tiles.
    pub media_type: String,
    /// Histogram of the image.
    pub distribution: Distribution,
}

/// Response of `GET /api/images/{id}/pyramid`. If both fields are `None`, the pyramid is still being built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeepZoom {
    /// The pyramid, once built.
    pub pyramid: Option<Pyramid>,
    /// Why there will be no pyramid.
    pub reason: Option<String>,
}

impl Pyramid {
    /// Returns the number of levels.
    pub fn levels(&self) -> u32 {
        levels(self.width, self.height)
    }

    /// Returns the coarsest level that isn't enlarged when one image pixel takes `scale` screen pixels.
    pub fn level_for(&self, scale: f64) -> u32 {
        let wanted = (1.0 / scale).log2().floor().max(0.0) as u32;
        wanted.min(self.levels() - 1)
    }

    /// Returns the columns and rows of a level's tiles that cover a rectangle of the image: `(left, top)` to `(right, bottom)`
    /// in image pixels, as stored.
    pub fn tiles_in(
        &self,
        level: u32,
        (left, top): (f64, f64),
        (right, bottom): (f64, f64),
    ) -> (Range<u32>, Range<u32>) {
        let (width, height) = size(self.width, self.height, level);
        let side = f64::from(TILE) * f64::from(1 << level);
        let within = |from: f64, to: f64, pixels: u32| {
            let last = pixels.div_ceil(TILE);
            let first = ((from / side).floor().max(0.0) as u32).min(last);
            first..((to / side).ceil().max(0.0) as u32).clamp(first, last)
        };
        (within(left, right, width), within(top, bottom, height))
    }
}

/// Returns the number of levels for an image of this size.
pub fn levels(width: u32, height: u32) -> u32 {
    width.max(height).div_ceil(TILE).max(1).next_power_of_two().trailing_zeros() + 1
}

/// Returns the size of a level in pixels.
pub fn size(width: u32, height: u32, level: u32) -> (u32, u32) {
    let halved = |side: u32| u64::from(side).div_ceil(1 << level).max(1) as u32;
    (halved(width), halved(height))
}

/// Returns the number of tiles across and down a level.
pub fn grid(width: u32, height: u32, level: u32) -> (u32, u32) {
    let (width, height) = size(width, height, level);
    (width.div_ceil(TILE), height.div_ceil(TILE))
}

/// Returns the index of a tile in its pyramid, counted level by level and row by row; `None` if there is no such tile.
pub fn place(width: u32, height: u32, (level, column, row): (u32, u32, u32)) -> Option<u64> {
    let (columns, rows) = (level < levels(width, height)).then(|| grid(width, height, level))?;
    if column >= columns || row >= rows {
        return None;
    }
    let before: u64 = (0..level).map(|level| tiles(width, height, level)).sum();
    Some(before + u64::from(row) * u64::from(columns) + u64::from(column))
}

/// Returns the number of tiles in a level.
pub fn tiles(width: u32, height: u32, level: u32) -> u64 {
    let (columns, rows) = grid(width, height, level);
    u64::from(columns) * u64::from(rows)
}

/// Affine transform from stored to upright coordinates: `(a x + c y + e, b x + d y + f)`, as an HTML canvas expects it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// The coefficients a, b, c, d, e and f.
    pub matrix: [f64; 6],
}

impl Turn {
    /// Creates the transform for an image of this stored size and EXIF orientation (CIPA DC-008, 4.6.4 A).
    pub fn new(width: u32, height: u32, orientation: u8) -> Self {
        let (w, h) = (f64::from(width), f64::from(height));
        let matrix = match orientation {
            2 => [-1.0, 0.0, 0.0, 1.0, w, 0.0],
            3 => [-1.0, 0.0, 0.0, -1.0, w, h],
            4 => [1.0, 0.0, 0.0, -1.0, 0.0, h],
            5 => [0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
            6 => [0.0, 1.0, -1.0, 0.0, h, 0.0],
            7 => [0.0, -1.0, -1.0, 0.0, h, w],
            8 => [0.0, -1.0, 1.0, 0.0, 0.0, w],
            _ => [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        };
        Self { matrix }
    }

    /// Maps stored coordinates to upright ones.
    pub fn upright(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.matrix;
        (a * x + c * y + e, b * x + d * y + f)
    }

    /// Maps upright coordinates to stored ones.
    pub fn stored(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.matrix;
        let (x, y) = (x - e, y - f);
        // The linear part is a rotation or reflection, so its inverse is its transpose.
        (a * x + b * y, c * x + d * y)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn pyramid(width: u32, height: u32) -> Pyramid {
        let (media_type, distribution) = ("image/jpeg".to_owned(), Distribution::default());
        Pyramid { width, height, orientation: 1, media_type, distribution }
    }

    #[test]
    fn the_last_level_is_one_tile_and_every_tile_has_a_place_of_its_own() {
        for (width, height) in [(1, 1), (256, 256), (257, 1), (1_000, 600), (100_000, 3)] {
            let last = levels(width, height) - 1;
            assert_eq!(grid(width, height, last), (1, 1), "{width} × {height}");
            assert!(last == 0 || grid(width, height, last - 1) != (1, 1));
            let mut next = 0;
            for level in 0..=last {
                let (columns, rows) = grid(width, height, level);
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    assert_eq!(place(width, height, (level, column, row)), Some(next));
                    next += 1;
                }
                assert_eq!(place(width, height, (level, columns, 0)), None);
            }
            assert_eq!(place(width, height, (last + 1, 0, 0)), None);
        }
    }

    #[test]
    fn a_level_is_never_enlarged_and_never_twice_as_fine_as_needed() {
        let pyramid = pyramid(40_000, 25_000);
        assert_eq!(pyramid.levels(), 9);
        for (scale, level) in [(4.0, 0), (1.0, 0), (0.75, 0), (0.5, 1), (0.3, 1), (0.25, 2), (0.0001, 8)] {
            assert_eq!(pyramid.level_for(scale), level, "{scale}");
        }
    }

    #[test]
    fn what_is_in_sight_is_covered_and_nothing_else() {
        let pyramid = pyramid(1_000, 600);
        assert_eq!(pyramid.tiles_in(0, (0.0, 0.0), (256.0, 257.0)), (0..1, 0..2));
        assert_eq!(pyramid.tiles_in(1, (511.0, 0.0), (2_000.0, 600.0)), (0..2, 0..2));
        assert_eq!(pyramid.tiles_in(0, (-900.0, -5.0), (-1.0, 3.0)), (0..0, 0..1));
    }

    #[test]
    fn every_orientation_is_turned_and_turned_back() {
        let corners = [(0.0, 0.0), (40.0, 0.0), (0.0, 30.0), (40.0, 30.0), (7.0, 11.0)];
        for orientation in 1..=8 {
            let turn = Turn::new(40, 30, orientation);
            let (width, height) = if orientation >= 5 { (30.0, 40.0) } else { (40.0, 30.0) };
            for corner in corners {
                let (x, y) = turn.upright(corner);
                assert!((0.0..=width).contains(&x) && (0.0..=height).contains(&y), "{orientation}: {x}, {y}");
                assert_eq!(turn.stored((x, y)), corner, "{orientation}");
            }
        }
        // 6: the camera was rotated; the stored top is the upright image's right side.
        assert_eq!(Turn::new(40, 30, 6).upright((0.0, 0.0)), (30.0, 0.0));
    }
}

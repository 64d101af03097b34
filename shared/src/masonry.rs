//! Masonry layout: tiles of equal width and different heights, each placed in the column that is shortest so far.
//!
//! Positions are exact for every container width, because they are kept as two parts: a multiple of the column width (the
//! pictures above) and a number of tiles (whose captions and gaps have a fixed height). CSS computes
//! `top: calc(above × column width + tiles × (caption + gap))` without measuring, so server and browser render the same page
//! and nothing shifts.

/// Position of a tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tile {
    /// Its column, from 0.
    pub column: usize,
    /// Total height of the pictures above it in its column, in column widths.
    pub above: f64,
    /// Number of tiles above it in its column.
    pub tiles: usize,
}

/// Positions of all tiles, and the height of each column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// Tiles in the order of the pictures.
    pub tiles: Vec<Tile>,
    /// End of each column: total height of its pictures in column widths, and number of tiles.
    pub columns: Vec<(f64, usize)>,
}

/// Places pictures into `columns` columns (at least one): always in the shortest column, the leftmost if several are equal.
///
/// `heights` are the pictures' heights in column widths (height ÷ width); `extra` is the fixed height of a tile's caption and
/// gap, in column widths at a typical column width. `extra` only affects the choice of columns.
pub fn lay_out(heights: impl IntoIterator<Item = f64>, columns: usize, extra: f64) -> Layout {
    let mut layout = Layout { tiles: Vec::new(), columns: vec![(0.0, 0); columns.max(1)] };
    layout.extend(heights, extra);
    layout
}

impl Layout {
    /// Places further pictures below the existing ones.
    pub fn extend(&mut self, heights: impl IntoIterator<Item = f64>, extra: f64) {
        let ends = &mut self.columns;
        let length = |&(pictures, tiles): &(f64, usize)| pictures + tiles as f64 * extra;
        self.tiles.extend(heights.into_iter().map(|height| {
            let mut column = 0;
            for other in 1..ends.len() {
                if length(&ends[other]) < length(&ends[column]) {
                    column = other;
                }
            }
            let (above, tiles) = ends[column];
            ends[column] = (above + height, tiles + 1);
            Tile { column, above, tiles }
        }));
    }
}

/// Direction of an arrow key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the previous column.
    Before,
    /// To the next column.
    After,
    /// Up within the column.
    Up,
    /// Down within the column.
    Down,
}

impl Layout {
    /// Returns the tile visually next to another: above or below it in its column, or the one in the adjacent column whose
    /// middle is nearest. `middle` returns the vertical middle of a tile.
    pub fn beside(&self, from: usize, direction: Direction, middle: impl Fn(usize) -> f64) -> Option<usize> {
        let column = self.tiles.get(from)?.column;
        let in_column = |wanted: usize| move |&index: &usize| self.tiles[index].column == wanted;
        let (mut before, mut after) = ((0..from).rev(), from + 1..self.tiles.len());
        match direction {
            Direction::Up => before.find(in_column(column)),
            Direction::Down => after.find(in_column(column)),
            Direction::Before | Direction::After => {
                let wanted = if direction == Direction::Before { column.checked_sub(1)? } else { column + 1 };
                // Columns stay within one tile of each other, so the nearest is among these few.
                let few = before.filter(in_column(wanted)).take(3).chain(after.filter(in_column(wanted)).take(3));
                let distance = |index: usize| (middle(index) - middle(from)).abs();
                few.min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
            }
        }
    }
}

/// Aspect ratio of a picture as the gallery shows it, quantized to 92 steps and packed into one character, so that the shapes
/// of a hundred thousand images take as many characters. Extreme ratios are cropped: a tile's height is between a third of its
/// width and 2.5 times its width. The layout uses these steps alone, whether an image has loaded or not, so that nothing moves
/// when one loads. The error is at most 1.4 % of the picture's own ratio.
///
/// The step is `196 h / (w + h) - 49`, rounded, which is 0 at 1/3 and 91 at 5/2. Migration 0003 of the catalog computes the
/// same in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape(u8);

impl Shape {
    const LAST: u8 = 91;
    /// Code point of step 0.
    const FIRST: u32 = 35;

    /// Returns the shape of a picture of this size in pixels.
    pub fn of(width: u32, height: u32) -> Self {
        let (width, height) = (u64::from(width), u64::from(height));
        let both = (width + height).max(1);
        let step = ((392 * height + both) / (2 * both)).saturating_sub(49);
        // At most `LAST`.
        Self(step.min(u64::from(Self::LAST)) as u8)
    }

    /// Returns the tile's height in column widths.
    pub fn height(self) -> f64 {
        f64::from(self.0 + 49) / f64::from(147 - self.0)
    }

    /// Encodes the shape as a character.
    pub fn pack(self) -> char {
        char::from(self.0 + Self::FIRST as u8)
    }

    /// Decodes a string of shapes; an invalid character decodes as a square.
    pub fn unpack(text: &str) -> impl Iterator<Item = Shape> {
        text.chars().map(|c| match u32::from(c).checked_sub(Self::FIRST) {
            Some(step) if step <= u32::from(Self::LAST) => Self(step as u8),
            _ => Self::of(1, 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_row_is_filled_from_left_to_right() {
        let layout = lay_out([1.0, 0.5, 2.0], 3, 0.1);
        let columns: Vec<usize> = layout.tiles.iter().map(|tile| tile.column).collect();
        assert_eq!(columns, [0, 1, 2]);
        assert!(layout.tiles.iter().all(|tile| tile.above == 0.0 && tile.tiles == 0));
    }

    #[test]
    fn the_next_picture_goes_below_the_lowest() {
        let layout = lay_out([1.0, 0.5, 2.0, 0.3], 3, 0.1);
        assert_eq!(layout.tiles[3], Tile { column: 1, above: 0.5, tiles: 1 });
        assert_eq!(layout.columns, [(1.0, 1), (0.8, 2), (2.0, 1)]);
    }

    #[test]
    fn captions_count_when_columns_are_compared() {
        // One picture of 0.9 is shorter than two of 0.4, once each carries a caption of 0.2.
        let layout = lay_out([0.9, 0.4, 0.4, 0.1], 2, 0.2);
        assert_eq!(layout.tiles[3].column, 0);
    }

    #[test]
    fn arrows_lead_to_what_is_seen_there() {
        // 0 1 2
        // 3 1 2     (column 0: heights 1, 1, 1; column 1: 2.2; column 2: 1.5, 1)
        // 5 . 4
        let heights = [1.0, 2.2, 1.5, 1.0, 1.0, 1.0];
        let layout = lay_out(heights, 3, 0.0);
        let columns: Vec<usize> = layout.tiles.iter().map(|tile| tile.column).collect();
        assert_eq!(columns, [0, 1, 2, 0, 2, 0]);
        let go = |from, to| layout.beside(from, to, |index| layout.tiles[index].above + heights[index] / 2.0);
        assert_eq!((go(0, Direction::Down), go(3, Direction::Up), go(5, Direction::Down)), (Some(3), Some(0), None));
        assert_eq!(
            (go(0, Direction::After), go(3, Direction::After), go(1, Direction::After)),
            (Some(1), Some(1), Some(2))
        );
        assert_eq!(
            (go(4, Direction::Before), go(0, Direction::Before), go(2, Direction::After)),
            (Some(1), None, None)
        );
        assert_eq!(go(1, Direction::Before), Some(3), "the nearest middle");
        assert_eq!(go(99, Direction::Up), None);
    }

    #[test]
    fn nothing_needs_no_room() {
        assert_eq!(lay_out([], 4, 0.1).columns, vec![(0.0, 0); 4]);
        assert_eq!(lay_out([1.0], 0, 0.1).columns.len(), 1);
    }

    #[test]
    fn strips_are_cropped() {
        for (width, height, shown) in
            [(100_000, 1, 1.0 / 3.0), (1, 100_000, 2.5), (0, 10, 2.5), (u32::MAX, u32::MAX, 1.0)]
        {
            assert!((Shape::of(width, height).height() / shown - 1.0).abs() < 0.0138, "{width} × {height}");
        }
    }

    #[test]
    fn a_text_that_is_no_shape_is_a_square() {
        assert_eq!(Shape::unpack("#~é\n").map(|shape| shape.0).collect::<Vec<_>>(), [0, 91, 49, 49]);
    }

    proptest! {
        #[test]
        fn a_tile_has_nearly_its_pictures_shape_and_keeps_it_when_it_is_packed(width in 1u32..100_000, height in 1u32..100_000) {
            let (shape, own) = (Shape::of(width, height), (f64::from(height) / f64::from(width)).clamp(1.0 / 3.0, 2.5));
            prop_assert!((shape.height() / own - 1.0).abs() < 0.0138, "{} for {}", shape.height(), own);
            let text = shape.pack().to_string();
            prop_assert_eq!(Shape::unpack(&text).collect::<Vec<_>>(), vec![shape]);
        }

        #[test]
        fn tiles_never_overlap_and_columns_stay_within_one_tile_of_each_other(
            heights in prop::collection::vec(0.33f64..2.5, 0..200),
            columns in 1usize..8,
            extra in 0.0f64..0.5,
        ) {
            let layout = lay_out(heights.iter().copied(), columns, extra);
            let mut ends = vec![(0.0, 0); columns];
            for (tile, height) in layout.tiles.iter().zip(&heights) {
                prop_assert_eq!((tile.above, tile.tiles), ends[tile.column]);
                ends[tile.column] = (tile.above + height, tile.tiles + 1);
            }
            prop_assert_eq!(&ends, &layout.columns);
            let lengths: Vec<f64> = ends.iter().map(|&(pictures, tiles)| pictures + tiles as f64 * extra).collect();
            let longest = lengths.iter().copied().fold(0.0, f64::max);
            let shortest = lengths.iter().copied().fold(f64::INFINITY, f64::min);
            prop_assert!(longest - shortest <= 2.5 + extra + 1e-9);
        }

        #[test]
        fn later_pictures_never_move_earlier_ones(
            heights in prop::collection::vec(0.33f64..2.5, 1..100),
            columns in 1usize..8,
        ) {
            let all = lay_out(heights.iter().copied(), columns, 0.2);
            let first = lay_out(heights[..heights.len() / 2].iter().copied(), columns, 0.2);
            prop_assert_eq!(&all.tiles[..first.tiles.len()], &first.tiles[..]);
        }
    }
}

//! Tile positions for all supported numbers of columns at once: a container query chooses one, so nothing has to be measured.

use std::fmt::Write;

use shared::masonry::{Shape, lay_out};
use shared::number::Decimal;

/// Numbers of columns that `style/6-gallery.css` chooses from.
const COLUMNS: [usize; 5] = [2, 3, 4, 5, 6];

/// Height of a caption and a gap, in column widths at a typical width: 76 of 260 pixels.
pub const EXTRA: f64 = 76.0 / 260.0;

/// Position of a tile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Place {
    /// Index in the gallery's order.
    pub index: usize,
    /// CSS style.
    pub style: String,
}

/// Styles of the container and its tiles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placed {
    /// `--h2` to `--h6`: height of the container.
    pub container: String,
    /// For each tile and each number of columns (3, for example): `--x3` its column, `--y3` the height of the pictures above it
    /// in column widths, `--k3` the number of tiles above it.
    pub tiles: Vec<String>,
}

/// Places pictures of these shapes.
pub fn place_shapes(shapes: &[Shape]) -> Placed {
    let heights: Vec<f64> = shapes.iter().map(|shape| shape.height()).collect();
    let mut placed = Placed {
        container: String::new(),
        tiles: heights.iter().map(|height| format!("--r:{:.4}", Decimal(*height))).collect(),
    };
    for n in COLUMNS {
        let layout = lay_out(heights.iter().copied(), n, EXTRA);
        for (style, tile) in placed.tiles.iter_mut().zip(&layout.tiles) {
            // Writing to a String never fails.
            let _ = write!(style, ";--x{n}:{};--y{n}:{:.4};--k{n}:{}", tile.column, Decimal(tile.above), tile.tiles);
        }
        let ends: Vec<String> = layout
            .columns
            .iter()
            .map(|(pictures, tiles)| format!("var(--col)*{:.4} + var(--row)*{tiles}", Decimal(*pictures)))
            .collect();
        let _ = write!(placed.container, "--h{n}:max({});", ends.join(","));
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_has_a_place_for_every_number_of_columns() {
        let placed =
            place_shapes(&[(400, 300), (300, 400), (100, 100)].map(|(width, height)| Shape::of(width, height)));
        assert_eq!(placed.tiles.len(), 3);
        assert!(placed.tiles[2].starts_with("--r:1.0000;--x2:0;--y2:0.7500;--k2:1;--x3:2;--y3:0.0000;--k3:0"));
        assert!(placed.container.starts_with("--h2:max(var(--col)*1.7500 + var(--row)*2,var(--col)*1.3333"));
        assert!(COLUMNS.iter().all(|n| placed.container.contains(&format!("--h{n}:"))));
    }
}

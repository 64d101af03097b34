//! Virtualization of the gallery: which tiles are in the document, and where.

use std::ops::Range;

#[cfg(feature = "hydrate")]
use shared::masonry::Direction;
use shared::masonry::{Layout, Shape, lay_out};
use shared::number::Decimal;
use shared::scroll::Scroll;

use crate::components::EXTRA;

/// Galleries of at most this many images are completely in the document, placed as by the server.
pub const SMALL: usize = 120;
/// Window heights above and below the window for which tiles are kept in the document.
const AHEAD: f64 = 1.0;

/// Measurements of the container, as laid out by the style sheet. All lengths are in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// Number of columns.
    pub columns: usize,
    /// Width of the container.
    pub width: f64,
    /// Gap between columns.
    pub gap: f64,
    /// Height of a caption.
    pub caption: f64,
    /// Position of the container's top on the page.
    pub top: f64,
    /// Height of the window.
    pub view: f64,
}

/// Positions of all tiles, and which of them are visible.
#[derive(Debug, Clone, Default)]
pub struct Window {
    measured: Measured,
    layout: Layout,
    heights: Vec<f64>,
    scroll: Scroll,
}

impl Window {
    /// Updates the layout. `shapes` is `Some` if they have changed.
    pub fn fit(&mut self, measured: Measured, shapes: Option<&[Shape]>) {
        if let Some(shapes) = shapes {
            self.heights = shapes.iter().map(|shape| shape.height()).collect();
        }
        let (before, columns) = (self.extra(), self.measured.columns);
        self.measured = measured;
        if shapes.is_some() || measured.columns != columns || (self.extra() - before).abs() > 1e-9 {
            // The first tiles are placed as by the server. The others use the captions' real height; otherwise the columns'
            // ends would diverge as the number of images grows.
            let (first, others) = self.heights.split_at(self.heights.len().min(SMALL));
            self.layout = lay_out(first.iter().copied(), measured.columns, EXTRA);
            self.layout.extend(others.iter().copied(), self.extra());
        }
        self.scroll.resize(self.content(), measured.view);
    }

    /// Handles scrolling of the page. Returns the position to scroll to instead, if a correction is needed.
    pub fn scrolled(&mut self, to: f64) -> Option<f64> {
        self.scroll.moved(to - self.measured.top).map(|bar| bar + self.measured.top)
    }

    /// Returns where to scroll so that a tile is completely visible; `None` if it is.
    #[cfg(any(feature = "hydrate", test))]
    pub fn reveal(&mut self, index: usize) -> Option<f64> {
        let (tile, view) = (self.span(index), self.measured.view);
        let seen = self.scroll.seen();
        // The page's header covers the window's top edge.
        let margin = 80.0;
        let to = if tile.start < seen + margin {
            tile.start - margin
        } else if tile.end > seen + view - margin {
            tile.end - view + margin
        } else {
            return None;
        };
        Some(self.put(to))
    }

    /// Returns the position of a tile relative to the window's top edge.
    pub fn place_of(&self, index: usize) -> f64 {
        self.span(index).start - self.scroll.seen()
    }

    /// Returns where to scroll so that a tile is at this position relative to the window's top edge. The result may be beyond
    /// the gallery's end: only the browser knows how long the page is.
    pub fn keep(&mut self, index: usize, place: f64) -> f64 {
        let content = self.span(index).start - place;
        self.put(content) + (content - self.scroll.seen())
    }

    fn put(&mut self, content: f64) -> f64 {
        self.scroll.show(content);
        self.scroll.bar() + self.measured.top
    }

    /// Whether the gallery's beginning is visible.
    pub fn is_at_top(&self) -> bool {
        self.scroll.seen() < self.column()
    }

    /// Returns the first tile that begins in the window; if there is none, the last one that may reach into it.
    pub fn first_seen(&self) -> Option<usize> {
        let seen = self.scroll.seen();
        let mut near = self.near(seen..seen + self.measured.view);
        near.clone().find(|&index| self.span(index).start >= seen).or_else(|| near.next_back())
    }

    /// Returns the tiles that should be in the document.
    pub fn tiles(&self) -> Vec<usize> {
        let (seen, view) = (self.scroll.seen(), self.measured.view);
        let wanted = seen - AHEAD * view..seen + (1.0 + AHEAD) * view;
        let touches = |tile: &Range<f64>| tile.start < wanted.end && tile.end > wanted.start;
        self.near(wanted.clone()).filter(|&index| touches(&self.span(index))).collect()
    }

    /// Returns the container's style: its scrollable height and the content's offset.
    pub fn container(&self) -> String {
        format!("height:{:.2}px;--offset:{:.2}px", Decimal(self.scroll.range()), Decimal(self.scroll.offset()))
    }

    /// Returns a tile's style.
    pub fn style(&self, index: usize) -> String {
        let (Some(tile), Some(height)) = (self.layout.tiles.get(index), self.heights.get(index)) else {
            return String::new();
        };
        let n = self.measured.columns;
        format!(
            "--r:{:.4};--x{n}:{};--y{n}:{:.4};--k{n}:{}",
            Decimal(*height),
            tile.column,
            Decimal(tile.above),
            tile.tiles
        )
    }

    /// Returns the tile that an arrow key leads to.
    #[cfg(feature = "hydrate")]
    pub fn beside(&self, index: usize, direction: Direction) -> Option<usize> {
        self.layout.beside(index, direction, |index| {
            let span = self.span(index);
            (span.start + span.end) / 2.0
        })
    }

    /// Returns the tiles that may overlap this part of the content. Tiles are sorted by their top edges, except for the
    /// difference between a caption's real and its usual height.
    fn near(&self, content: Range<f64>) -> Range<usize> {
        let tallest = 2.5 * self.column() + self.row();
        let above = |limit: f64| self.layout.tiles.partition_point(|tile| self.top(tile) < limit);
        above(content.start - 2.0 * tallest)..above(content.end + tallest)
    }

    fn span(&self, index: usize) -> Range<f64> {
        let Some(tile) = self.layout.tiles.get(index) else { return 0.0..0.0 };
        let top = self.top(tile);
        top..top + self.heights[index] * self.column() + self.measured.caption
    }

    fn top(&self, tile: &shared::masonry::Tile) -> f64 {
        tile.above * self.column() + tile.tiles as f64 * self.row()
    }

    fn content(&self) -> f64 {
        let end = |&(pictures, tiles): &(f64, usize)| pictures * self.column() + tiles as f64 * self.row();
        self.layout.columns.iter().map(end).fold(0.0, f64::max)
    }

    fn column(&self) -> f64 {
        let columns = self.measured.columns.max(1) as f64;
        (self.measured.width - (columns - 1.0) * self.measured.gap) / columns
    }

    /// Returns the height of a caption and a gap, in column widths.
    fn extra(&self) -> f64 {
        self.row() / self.column().max(1.0)
    }

    fn row(&self) -> f64 {
        self.measured.caption + self.measured.gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(images: u32, columns: usize) -> Window {
        let shapes: Vec<Shape> = (0..images).map(|i| Shape::of(100, 40 + i * 37 % 200)).collect();
        let measured = Measured { columns, width: 1_200.0, gap: 16.0, caption: 60.0, top: 300.0, view: 800.0 };
        let mut window = Window::default();
        window.fit(measured, Some(&shapes));
        window
    }

    #[test]
    fn whatever_is_in_the_window_is_in_the_document() {
        for (columns, images) in [(2, 100_000), (5, 100_000), (3, 7)] {
            let mut window = window(images, columns);
            for part in [0.0, 0.1, 0.5, 0.77, 1.0] {
                let to = 300.0 + part * (window.scroll.range() - 800.0).max(0.0);
                window.scrolled(to);
                let seen = window.scroll.seen();
                let tiles = window.tiles();
                assert!(tiles.len() < 120, "{} tiles", tiles.len());
                let all = (0..images as usize).filter(|&index| {
                    let span = window.span(index);
                    span.start < seen + 800.0 && span.end > seen
                });
                assert!(all.into_iter().all(|index| tiles.contains(&index)), "{columns} columns at {part}");
                assert!(tiles.is_sorted());
            }
        }
    }

    #[test]
    fn the_bars_end_shows_the_last_image_even_where_a_browser_cant_scroll_so_far() {
        let mut window = window(100_000, 2);
        assert!(window.content() > shared::scroll::LONGEST);
        window.scrolled(300.0 + window.scroll.range() - 800.0);
        assert!(window.tiles().contains(&99_999));
    }

    #[test]
    fn columns_end_together_however_many_images_there_are_and_however_narrow_they_are() {
        for (columns, width) in [(2, 360.0), (4, 1_200.0), (6, 2_400.0)] {
            let mut window = window(100_000, columns);
            window.fit(Measured { width, ..window.measured }, None);
            let ends = window.layout.columns.iter();
            let ends: Vec<f64> =
                ends.map(|&(pictures, tiles)| pictures * window.column() + tiles as f64 * window.row()).collect();
            let shortest = ends.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(window.content() - shortest <= 2.5 * window.column() + window.row(), "{columns} columns: {ends:?}");
        }
    }

    #[test]
    fn images_added_above_leave_what_is_seen_where_it_is() {
        let mut window = window(5_000, 4);
        window.scrolled(90_000.0);
        let first = window.first_seen().unwrap_or_default();
        let place = window.place_of(first);
        let shapes: Vec<Shape> = std::iter::repeat_n(Shape::of(1, 1), 3)
            .chain((0..5_000).map(|i| Shape::of(100, 40 + i * 37 % 200)))
            .collect();
        window.fit(window.measured, Some(&shapes));
        window.keep(first + 3, place);
        assert!((window.place_of(first + 3) - place).abs() < 0.01);
    }

    #[test]
    fn a_place_below_the_last_image_is_kept() {
        let mut window = window(1_000, 4);
        let end = window.scroll.range() - 800.0 + 300.0;
        window.scrolled(end + 60.0);
        let first = window.first_seen().unwrap_or_default();
        let place = window.place_of(first);
        assert!((window.keep(first, place) - (end + 60.0)).abs() < 0.01);
    }

    #[test]
    fn a_tile_that_is_not_seen_whole_is_brought_into_the_window() {
        let mut window = window(1_000, 4);
        assert!(window.reveal(500).is_some());
        assert_eq!(window.reveal(500), None, "it is seen whole now");
        assert!((0.0..=800.0 - 80.0).contains(&window.place_of(500)));
        assert!(window.reveal(0).is_some());
    }
}

//! Pyramid tiles drawn on a canvas as they load.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use leptos::prelude::*;
use shared::pyramid::{Pyramid, TILE, Turn, size};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlImageElement};

use super::Sight;

/// Maximum number of cached tiles: 64 MiB of pixels.
const MAX_TILES: usize = 256;

/// Level, column and row.
type Which = (u32, u32, u32);

/// Tiles of one picture.
#[derive(Clone)]
pub struct Tiles(Rc<Inner>);

struct Inner {
    pyramid: Pyramid,
    turn: Turn,
    /// A tile's address is the first, then level, column and row, then the second.
    address: (String, String),
    kept: RefCell<HashMap<Which, Tile>>,
    /// Called when a tile has loaded.
    arrived: Closure<dyn Fn()>,
    clock: std::cell::Cell<u64>,
}

struct Tile {
    image: HtmlImageElement,
    used: u64,
}

impl Tiles {
    /// Creates the tiles of a pyramid, from the path and query of its address. `arrived` is called when more can be drawn.
    pub fn new(pyramid: Pyramid, path: String, query: String, arrived: impl Fn() + 'static) -> Self {
        let turn = Turn::new(pyramid.width, pyramid.height, pyramid.orientation);
        Self(Rc::new(Inner {
            pyramid,
            turn,
            address: (path, query),
            kept: RefCell::default(),
            arrived: Closure::new(arrived),
            clock: std::cell::Cell::new(0),
        }))
    }

    /// Draws the visible part on a canvas of the stage's size: from the finest level needed, and from coarser ones until that
    /// has loaded.
    pub fn draw(&self, canvas: &HtmlCanvasElement, context: &CanvasRenderingContext2d, sight: Sight) {
        let Inner { pyramid, turn, clock, .. } = &*self.0;
        clock.set(clock.get() + 1);
        let (wide, high) = (f64::from(canvas.width()), f64::from(canvas.height()));
        let upright = if pyramid.orientation >= 5 { pyramid.height } else { pyramid.width };
        let scale = wide * sight.zoom / f64::from(upright);
        let (left, top) = (-sight.x * wide / scale, -sight.y * high / scale);
        let (one, two) = (turn.stored((left, top)), turn.stored((left + wide / scale, top + high / scale)));
        let (from, to) = ((one.0.min(two.0), one.1.min(two.1)), (one.0.max(two.0), one.1.max(two.1)));
        let [a, b, c, d, e, f] = turn.matrix.map(|number| number * scale);
        // Fails only for a matrix that isn't finite, which ours is.
        let _ = context.set_transform(a, b, c, d, e + sight.x * wide, f + sight.y * high);
        context.set_image_smoothing_enabled(scale < 2.0);
        let finest = pyramid.level_for(scale);
        for level in (finest..pyramid.levels()).rev() {
            let (columns, rows) = pyramid.tiles_in(level, from, to);
            for which in rows.flat_map(|row| columns.clone().map(move |column| (level, column, row))) {
                if let Some(image) = self.tile(which, level == finest) {
                    self.put(context, which, &image);
                }
            }
        }
        self.forget();
    }

    fn put(&self, context: &CanvasRenderingContext2d, (level, column, row): Which, image: &HtmlImageElement) {
        let Pyramid { width, height, .. } = self.0.pyramid;
        let one = f64::from(1 << level);
        let (wide, high) = size(width, height, level);
        let side = |count: u32, at: u32| f64::from(TILE.min(count - at * TILE)) * one;
        let (x, y) = (f64::from(column * TILE) * one, f64::from(row * TILE) * one);
        // Fails only for a broken image, which isn't drawn then.
        let _ =
            context.draw_image_with_html_image_element_and_dw_and_dh(image, x, y, side(wide, column), side(high, row));
    }

    /// Returns a loaded tile; requests a missing one if `wanted`.
    fn tile(&self, which: Which, wanted: bool) -> Option<HtmlImageElement> {
        let inner = &*self.0;
        let mut kept = inner.kept.borrow_mut();
        if let Some(tile) = kept.get_mut(&which) {
            tile.used = inner.clock.get();
            return (tile.image.complete() && tile.image.natural_width() > 0).then(|| tile.image.clone());
        }
        if wanted && let Ok(image) = HtmlImageElement::new() {
            let ((path, query), (level, column, row)) = (&inner.address, which);
            image.set_onload(Some(inner.arrived.as_ref().unchecked_ref()));
            image.set_src(&format!("{path}/{level}/{column}/{row}{query}"));
            kept.insert(which, Tile { image, used: inner.clock.get() });
        }
        None
    }

    /// Evicts the least recently visible tiles.
    fn forget(&self) {
        let mut kept = self.0.kept.borrow_mut();
        if kept.len() <= MAX_TILES {
            return;
        }
        let now = self.0.clock.get();
        let mut used: Vec<u64> = kept.values().map(|tile| tile.used).collect();
        used.sort_unstable();
        let limit = used[used.len() - MAX_TILES].min(now);
        kept.retain(|_, tile| tile.used >= limit);
    }
}

/// Resizes a canvas to its displayed size, clears it, and returns its drawing context.
pub fn fresh(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    let ratio = window().device_pixel_ratio();
    let pixels = |length: i32| (f64::from(length) * ratio).round() as u32;
    let (width, height) = (pixels(canvas.client_width()), pixels(canvas.client_height()));
    // Setting a canvas' size clears it.
    canvas.set_width(width);
    canvas.set_height(height);
    canvas.get_context("2d").ok().flatten()?.dyn_into().ok()
}

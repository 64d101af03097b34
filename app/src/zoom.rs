//! Zoom and pan of a picture. Two pictures of the same size share one visible part.

use shared::number::{Decimal, parse};

#[cfg(feature = "hydrate")]
pub mod tiles;

/// Visible part of a picture. At a zoom of 1, the whole picture fills the stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight {
    /// Size of the picture relative to the stage.
    pub zoom: f64,
    /// Position of the picture's left edge, in widths of the stage: 0 or less.
    pub x: f64,
    /// Position of its top edge, in heights of the stage: 0 or less.
    pub y: f64,
}

impl Default for Sight {
    fn default() -> Self {
        Self { zoom: 1.0, x: 0.0, y: 0.0 }
    }
}

impl Sight {
    /// Zooms by a factor around a point of the stage (0 to 1 across and down), which stays fixed. The zoom is limited to 1 (the
    /// whole picture) up to `most`.
    pub fn zoomed(self, factor: f64, (x, y): (f64, f64), most: f64) -> Self {
        // Not `f64::clamp`: its panic message would link Rust's float formatting.
        let zoom = (self.zoom * factor).min(most).max(1.0);
        let change = zoom / self.zoom;
        Self { zoom, x: x - (x - self.x) * change, y: y - (y - self.y) * change }.within()
    }

    /// Pans by fractions of the stage.
    pub fn moved(self, x: f64, y: f64) -> Self {
        Self { x: self.x + x, y: self.y + y, ..self }.within()
    }

    /// Formats for a page's address: zoom and centre of the visible part, `4,0.25,0.5`.
    pub fn to_address(self) -> String {
        let middle = |edge: f64| Decimal((0.5 - edge) / self.zoom);
        format!("{:.2},{:.4},{:.4}", Decimal(self.zoom), middle(self.x), middle(self.y))
    }

    /// The inverse of [`Sight::to_address`]; returns the whole picture for anything else.
    pub fn from_address(text: &str) -> Self {
        let numbers: Vec<f64> = text.split(',').filter_map(parse).collect();
        match numbers[..] {
            [zoom, x, y] if (1.0..=10_000.0).contains(&zoom) => {
                Self { zoom, x: 0.5 - x * zoom, y: 0.5 - y * zoom }.within()
            }
            _ => Self::default(),
        }
    }

    /// Limits the position so that the picture covers the stage.
    fn within(self) -> Self {
        let least = 1.0 - self.zoom;
        Self { x: self.x.max(least).min(0.0), y: self.y.max(least).min(0.0), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_the_pointer_stays_there() {
        let sight = Sight::default().zoomed(4.0, (0.25, 0.75), 32.0);
        // Picture coordinates under the pointer, unchanged by the zoom.
        assert_eq!(((0.25 - sight.x) / sight.zoom, (0.75 - sight.y) / sight.zoom), (0.25, 0.75));
        assert_eq!(sight.zoomed(100.0, (0.5, 0.5), 32.0).zoom, 32.0);
    }

    #[test]
    fn the_stage_is_always_covered() {
        let sight = Sight::default().zoomed(2.0, (0.5, 0.5), 8.0).moved(5.0, -5.0);
        assert_eq!((sight.x, sight.y), (0.0, -1.0));
        assert_eq!(sight.zoomed(0.01, (0.1, 0.9), 8.0), Sight::default());
    }

    #[test]
    fn an_address_gives_the_sight_back() {
        let sight = Sight::default().zoomed(4.0, (0.5, 0.5), 8.0).moved(-0.5, 0.25);
        assert_eq!(Sight::from_address(&sight.to_address()), sight);
        for bad in ["", "4", "nan,0,0", "0.5,0,0", "inf,0.5,0.5", "4,x,0"] {
            assert_eq!(Sight::from_address(bad), Sight::default(), "{bad}");
        }
    }
}

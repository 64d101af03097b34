//! The reader's place in the gallery, stored in the browser's history so that Back and a reload return to it.
//!
//! A browser restores a scroll position only as far as the document reaches at that moment, and the gallery reaches its height
//! only after the shapes of all images were fetched. A pixel position would also be wrong after an upload, which moves
//! everything below it. So a history entry stores the first visible image and its position in the window.

use std::fmt;

use shared::gallery::Sort;
use shared::id::ImageId;
use shared::number::{Decimal, parse};

/// Place in the gallery. Its text form is stored in the history entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Spot {
    /// The gallery's beginning is visible: scroll position of the page, in pixels.
    Top(f64),
    /// Further down: relative to an image.
    Anchor(Anchor),
}

/// An image and its position in the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchor {
    /// Image id; `None` if it wasn't fetched yet.
    pub image: Option<ImageId>,
    /// Index in the gallery's order.
    pub index: usize,
    /// Number of images in the gallery, if known.
    pub total: Option<usize>,
    /// Distance from the window's top edge to the image's, in pixels.
    pub place: f64,
}

impl Anchor {
    /// Returns its likely index in a gallery of `total` images: if the newest come first, additions shift it.
    pub fn likely_index(&self, total: usize, sort: Sort) -> usize {
        let index = match (sort, self.total) {
            (Sort::Newest, Some(before)) => (self.index + total).saturating_sub(before),
            _ => self.index,
        };
        index.min(total.saturating_sub(1))
    }
}

impl Spot {
    /// Parses the text form; returns `None` if it is something else.
    pub fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        match (words.next()?, words.next()) {
            ("top", Some(scroll)) => Some(Spot::Top(parse(scroll)?)),
            ("at", Some(place)) => {
                let (index, total) = (words.next()?.parse().ok()?, words.next()?.parse().ok());
                let image = words.next().and_then(|id| id.parse().ok());
                Some(Spot::Anchor(Anchor { image, index, total, place: parse(place)? }))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spot::Top(scroll) => write!(formatter, "top {}", Decimal(*scroll)),
            Spot::Anchor(Anchor { image, index, total, place }) => {
                write!(formatter, "at {} {index} ", Decimal(*place))?;
                match total {
                    Some(total) => write!(formatter, "{total}")?,
                    None => formatter.write_str("unknown")?,
                }
                image.as_ref().map_or(Ok(()), |image| write!(formatter, " {image}"))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_spot_is_read_back_as_it_was_written() {
        let image: ImageId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let anchor = |image, total, place| Spot::Anchor(Anchor { image, index: 70_123, total, place });
        let anchors = [
            anchor(Some(image.clone()), Some(100_000), -0.25),
            anchor(Some(image), None, 0.0),
            anchor(None, None, 412.0),
        ];
        for spot in [Spot::Top(0.0), Spot::Top(123.5)].into_iter().chain(anchors) {
            assert_eq!(Spot::read(&spot.to_string()), Some(spot));
        }
        for other in ["", "top", "top x", "at 1", "at 1 x 2", "elsewhere 5"] {
            assert_eq!(Spot::read(other), None, "{other}");
        }
    }

    #[test]
    fn an_image_moves_down_by_what_was_added_before_it() {
        let anchor = Anchor { image: None, index: 10, total: Some(100), place: 0.0 };
        assert_eq!(anchor.likely_index(103, Sort::Newest), 13);
        assert_eq!(anchor.likely_index(95, Sort::Newest), 5);
        assert_eq!(anchor.likely_index(50, Sort::Newest), 0);
        assert_eq!(anchor.likely_index(103, Sort::Oldest), 10);
        assert_eq!(anchor.likely_index(3, Sort::Name), 2);
        assert_eq!(anchor.likely_index(0, Sort::Name), 0);
        assert_eq!(Anchor { total: None, ..anchor }.likely_index(103, Sort::Newest), 10);
    }
}

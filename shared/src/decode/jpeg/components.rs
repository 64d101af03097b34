//! What a JPEG's components mean, and at which resolution they are stored (T.81, A.1.1 and B.2.2).

use super::super::error::{Result, refuse};
use super::segments::{Component, Header, Segment};

/// What a file's components mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colors {
    /// One component.
    Gray,
    /// Luma and two differences of colour.
    YCbCr,
    /// Red, green and blue as they are.
    Rgb,
    /// Four inks, stored as what they let pass of the light: 255 for none, as Adobe's programs write them and all readers expect.
    Cmyk,
    /// The same with cyan, magenta and yellow as YCbCr (YCCK).
    Ycck,
    /// Another number of components.
    Unknown,
}

/// Sampling factors (horizontal, vertical) of a result's components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampling {
    /// For each component.
    pub factors: Vec<(u8, u8)>,
    /// Whether the factors of the original don't fit into a single scan, so that the result has others.
    pub changed: bool,
}

impl Sampling {
    /// Greatest horizontal factor.
    pub fn across(&self) -> u8 {
        self.factors.iter().map(|(across, _)| *across).max().unwrap_or(1)
    }

    /// Greatest vertical factor.
    pub fn down(&self) -> u8 {
        self.factors.iter().map(|(_, down)| *down).max().unwrap_or(1)
    }
}

impl Header {
    /// Returns what the components mean, by libjpeg's rules.
    pub fn colors(&self) -> Colors {
        let is_jfif = |segment: &Segment| segment.marker == 0xe0 && segment.data.starts_with(b"JFIF\0");
        let ids: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        match ids.as_slice() {
            [_] => Colors::Gray,
            [_, _, _] if self.segments.iter().any(is_jfif) => Colors::YCbCr,
            [_, _, _] => match self.adobe_transform() {
                Some(0) => Colors::Rgb,
                None if ids == *b"RGB" => Colors::Rgb,
                _ => Colors::YCbCr,
            },
            [_, _, _, _] => match self.adobe_transform() {
                None | Some(0) => Colors::Cmyk,
                Some(_) => Colors::Ycck,
            },
            _ => Colors::Unknown,
        }
    }

    /// Returns the usual chroma subsampling as (horizontal, vertical) factors; (1, 1) for gray. `None` if the two chroma components
    /// differ, or if their factors don't divide those of luma, or not by a usual number; or of four components.
    pub fn sampling(&self) -> Option<(u8, u8)> {
        let [y, blue, red] = self.components.as_slice() else {
            return (self.components.len() == 1).then_some((1, 1));
        };
        let factors = |component: &Component| (component.horizontal, component.vertical);
        let (across, down) = (y.horizontal / blue.horizontal, y.vertical / blue.vertical);
        let divides = (across * blue.horizontal, down * blue.vertical) == factors(y);
        let usual = matches!((across, down), (1 | 2 | 4, 1) | (1 | 2, 2) | (1, 4));
        (factors(blue) == factors(red) && divides && usual).then_some((across, down))
    }

    /// Returns the sampling factors of a result, which is stored in a single scan.
    ///
    /// # Errors
    /// Refused if the factors don't divide each other.
    pub fn result_sampling(&self) -> Result<Sampling> {
        /// Maximum number of blocks per MCU (T.81, B.2.3).
        const MOST_BLOCKS: u8 = 10;
        let count = self.components.len();
        if let Some(luma) = self.sampling() {
            let factors = (0..count).map(|index| if index == 0 { luma } else { (1, 1) }).collect();
            return Ok(Sampling { factors, changed: false });
        }
        // Equal factors mean what 1 does, but take more blocks.
        let alike = |factor: fn(&Component) -> u8| match self.components.as_slice() {
            [first, others @ ..] if others.len() == 3 && others.iter().all(|one| factor(one) == factor(first)) => {
                factor(first)
            }
            _ => 1,
        };
        let (wide, high) = (alike(|one| one.horizontal), alike(|one| one.vertical));
        let factors: Vec<_> = self.components.iter().map(|one| (one.horizontal / wide, one.vertical / high)).collect();
        let original = Sampling { factors, changed: false };
        let (across, down) = (original.across(), original.down());
        let divide = |(one, other): &(u8, u8)| across.is_multiple_of(*one) && down.is_multiple_of(*other);
        if !original.factors.iter().all(divide) {
            return refuse(
                "This JPEG's sampling factors don't divide each other, which libjpeg can't decode either. Store the image \
                 again from its source.",
            );
        }
        if original.factors.iter().map(|(across, down)| across * down).sum::<u8>() > MOST_BLOCKS {
            return Ok(Sampling { factors: vec![(1, 1); count], changed: true });
        }
        Ok(original)
    }
}

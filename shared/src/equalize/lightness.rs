//! Perceived lightness: the colour spaces in which it can be equalized.

use super::intensity::Color;
use super::kernel::sample::Sample;
use super::srgb::linear;
use super::{lab, oklab};

/// Colour space whose lightness is equalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lightness {
    /// L of Oklab, inside of sRGB.
    Oklab,
    /// L of Oklab, clamped to sRGB.
    OklabClipped,
    /// L* of CIELAB.
    Lab,
}

impl Lightness {
    /// Returns the space of a colour mode; Oklab for those without one.
    pub(super) const fn of(color: Color) -> Self {
        match color {
            Color::Lab => Self::Lab,
            Color::OklabClipped => Self::OklabClipped,
            _ => Self::Oklab,
        }
    }

    /// Computes the lightness of each pixel as a level.
    #[inline(always)]
    pub(super) fn levels<S: Sample, const C: usize>(self, pixels: &[S], values: &mut [S]) {
        let linear = linear::<S>();
        let pixels = pixels.as_chunks::<C>().0.iter().map(|pixel| [pixel[0], pixel[1], pixel[2]]).zip(values);
        match self {
            Self::Oklab | Self::OklabClipped => {
                pixels.for_each(|(pixel, value)| *value = oklab::lightness(linear, pixel));
            }
            Self::Lab => pixels.for_each(|(pixel, value)| *value = lab::lightness(linear, pixel)),
        }
    }

    /// Returns the pixel with its lightness moved from one level to another.
    #[inline(always)]
    pub(super) fn relight<S: Sample>(self, linear: &[f32], pixel: [S; 3], from: S, to: S) -> [S; 3] {
        match self {
            Self::Oklab => oklab::relight(linear, pixel, from, to),
            Self::OklabClipped => oklab::relight_clipped(linear, pixel, from, to),
            Self::Lab => lab::relight(linear, pixel, from, to),
        }
    }
}

//! The formulas for one pixel: what of it is counted, and how its colour follows a changed intensity.
//!
//! Samples of both depths use the same integer formulas; intermediate values are chosen so that 16 bits fit.

use super::Color;
use super::kernel::Sample;
use crate::pixels::Layout;

/// What of a pixel is counted and equalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intensity {
    /// The only colour sample of a gray image.
    Gray,
    /// Y of BT.601 YCbCr.
    Luma,
    /// V of HSV: the largest of red, green and blue.
    Value,
    /// Red, green and blue, each on its own.
    Channels,
}

impl Intensity {
    /// What a way of treating colour counts in an image of this layout.
    pub const fn of(color: Color, layout: Layout) -> Self {
        match (layout.colors(), color) {
            (1, _) => Intensity::Gray,
            (_, Color::Luma | Color::Gray) => Intensity::Luma,
            (_, Color::Hsv) => Intensity::Value,
            (_, Color::Channels) => Intensity::Channels,
        }
    }

    /// How many histograms that takes: 1, or 3 for [`Intensity::Channels`].
    pub const fn planes(self) -> usize {
        match self {
            Intensity::Channels => 3,
            _ => 1,
        }
    }
}

/// Y of BT.601 YCbCr in 16-bit fixed point: `(19595 R + 38470 G + 7471 B + 32768) >> 16`.
///
/// The weights are 0.299, 0.587 and 0.114 × 65,536, rounded (ITU-R BT.601-7 § 2.5.1; the same numbers as libjpeg's
/// `jccolor.c`). They sum to 65,536, so white stays white and gray stays the gray it is; for 16-bit white the sum is
/// 65535 × 65536 + 32768, which fits 32 bits.
#[inline(always)]
pub(super) fn luma<S: Sample>(red: S, green: S, blue: S) -> S {
    let y = 19_595 * red.wide() + 38_470 * green.wide() + 7_471 * blue.wide() + 32_768;
    S::narrow(y >> 16)
}

/// V of HSV: the largest channel.
#[inline(always)]
pub(super) fn value<S: Sample>(red: S, green: S, blue: S) -> S {
    red.max(green).max(blue)
}

/// By how much each channel goes up and by how much down, one of them 0, when a pixel's luma moves from `from` to `to`:
/// `clamp(c + to − from)` is `c` plus the first, saturating, minus the second, saturating.
///
/// In YCbCr, R − Y, G − Y and B − Y depend on the chroma alone; keeping it and replacing Y adds the same difference to
/// all three. This is the YCbCr route without the rounding of chroma to integers.
#[inline(always)]
pub(super) fn shift<S: Sample>(from: S, to: S) -> [S; 2] {
    [to.saturating_sub(from), from.saturating_sub(to)]
}

/// A channel of a pixel whose HSV value moved from `from` to `to`: `(2·c·to + from) / 2·from`, that is `c · to / from`
/// rounded half up. Hue and saturation are ratios of the channels, so scaling all three keeps them
/// (Smith, "Color gamut transform pairs", SIGGRAPH 1978).
///
/// Black (`from` = 0) has neither hue nor saturation: it becomes the gray of value `to`, as the round trip through
/// HSV does with saturation 0. A global table always maps 0 to 0, so black stays black there.
///
/// `c ≤ from`, hence the result never exceeds `to`. Division and remainder instead of the doubled form, because that
/// needs 33 bits at 16-bit depth.
#[inline(always)]
pub(super) fn scale<S: Sample>(channel: S, from: S, to: S) -> S {
    let (from, to) = (from.wide(), to.wide());
    if from == 0 {
        return S::narrow(to);
    }
    let product = channel.wide() * to;
    let (whole, rest) = (product / from, product % from);
    S::narrow(whole + u32::from(2 * rest >= from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_luma_of_a_gray_is_that_gray() {
        assert!((0..=u8::MAX).all(|gray| luma(gray, gray, gray) == gray));
        assert!((0..=u16::MAX).all(|gray| luma(gray, gray, gray) == gray));
    }

    #[test]
    fn black_takes_the_gray_of_its_new_value() {
        assert_eq!(scale(0u8, 0, 17), 17);
        assert_eq!(scale(0u16, 0, 1_700), 1_700);
    }

    proptest! {
        #[test]
        fn luma_is_the_weighted_sum_rounded(red: u16, green: u16, blue: u16) {
            let exact = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
            // The weights' own rounding to 16 bits adds less than half a level.
            prop_assert!((f64::from(luma(red, green, blue)) - exact).abs() <= 1.0);
        }

        #[test]
        fn scaling_is_the_designs_formula(channel: u16, from in 1..=u16::MAX, to: u16) {
            let channel = channel.min(from);
            let (c, v, w) = (u64::from(channel), u64::from(from), u64::from(to));
            prop_assert_eq!(u64::from(scale(channel, from, to)), (2 * c * w + v) / (2 * v));
        }

        #[test]
        fn shifting_is_the_designs_formula(channel: u16, from: u16, to: u16) {
            let exact = i32::from(channel) + i32::from(to) - i32::from(from);
            let [up, down] = shift(from, to);
            prop_assert_eq!(i32::from(channel.saturating_add(up).saturating_sub(down)), exact.clamp(0, 65_535));
        }
    }
}

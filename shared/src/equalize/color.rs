//! Colour formulas for one pixel: its intensity, and its new colour when the intensity changes.
//!
//! Both depths use the same integer formulas; intermediate values are chosen so that 16 bits fit.

use super::kernel::sample::Sample;

/// Y of BT.601 YCbCr in 16-bit fixed point: `(19595 R + 38470 G + 7471 B + 32768) >> 16`.
///
/// The weights are 0.299, 0.587 and 0.114 × 65,536, rounded (ITU-R BT.601-7 § 2.5.1; the same numbers as libjpeg's
/// `jccolor.c`). They sum to 65,536, so white and every gray keep their level; for 16-bit white the sum is 65535 ×
/// 65536 + 32768, which fits 32 bits.
#[inline(always)]
pub(super) fn luma<S: Sample>(red: S, green: S, blue: S) -> S {
    let y = 19_595 * red.wide() + 38_470 * green.wide() + 7_471 * blue.wide() + 32_768;
    S::narrow(y >> 16)
}

/// V of HSV: the largest channel.
#[inline(always)]
pub(super) fn value<S: Sample>(red: S, green: S, blue: S) -> S {
    S::narrow(red.wide().max(green.wide()).max(blue.wide()))
}

/// Returns how far each channel moves up and down (one of them 0) when a pixel's luma changes from `from` to `to`:
/// `clamp(c + to − from)` equals `c` plus the first, saturating, minus the second, saturating.
///
/// In YCbCr, R − Y, G − Y and B − Y depend on the chroma alone, so replacing Y and keeping the chroma adds the same
/// difference to all three. This is the YCbCr round trip without the rounding of chroma to integers.
#[inline(always)]
pub(super) fn shift<S: Sample>(from: S, to: S) -> [S; 2] {
    [to.saturating_sub(from), from.saturating_sub(to)]
}

/// Scaling of a pixel's channels when its HSV value changes from `from` to `to`: `(2·c·to + from) / 2·from`, i.e.
/// `c · to / from` rounded half up. Hue and saturation are ratios of the channels, so scaling all three preserves them
/// (Smith, "Color gamut transform pairs", SIGGRAPH 1978).
///
/// Black (`from` = 0) has neither hue nor saturation: it becomes the gray of value `to`, as in a round trip through HSV
/// with saturation 0. A table of global equalization always maps level 0 to 0, so there black stays black.
///
/// One division serves all three channels: with `s` = 2 · bits + 1 and `r = ⌈to · 2ˢ / from⌉` the result is
/// `(c · r + 2ˢ⁻¹) >> s`. This is exact: `c · r` exceeds `c · to · 2ˢ / from` by less than `c`; the fraction
/// `(2·c·to + from) / 2·from` lies at least `1 / 2·from` below the next integer; and `2 · c · from < 2ˢ`, as
/// `c ≤ from < 2^bits`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    ratio: u64,
    /// Added before shifting: one half; for black, the result plus one half.
    offset: u64,
}

impl Scale {
    #[inline(always)]
    pub(super) fn new<S: Sample>(from: S, to: S) -> Self {
        let s = 2 * S::BITS + 1;
        let (from, to) = (u64::from(from.wide()), u64::from(to.wide()) << s);
        let half = 1 << (s - 1);
        if from == 0 { Self { ratio: 0, offset: to + half } } else { Self { ratio: to.div_ceil(from), offset: half } }
    }

    /// Returns the channel, scaled; `channel` must not exceed `from`.
    #[inline(always)]
    pub(super) fn of<S: Sample>(self, channel: S) -> S {
        let scaled = (u64::from(channel.wide()) * self.ratio + self.offset) >> (2 * S::BITS + 1);
        S::narrow(scaled as u32)
    }
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
        assert_eq!(Scale::new(0u8, 17).of(0u8), 17);
        assert_eq!(Scale::new(0u16, 1_700).of(0u16), 1_700);
    }

    #[test]
    fn scaling_is_exact_for_every_8_bit_channel() {
        for from in 1..=u8::MAX {
            for to in 0..=u8::MAX {
                let scale = Scale::new(from, to);
                for channel in 0..=from {
                    let (c, v, w) = (u32::from(channel), u32::from(from), u32::from(to));
                    assert_eq!(u32::from(scale.of(channel)), (2 * c * w + v) / (2 * v), "{channel} {from} {to}");
                }
            }
        }
    }

    #[test]
    fn scaling_is_exact_for_the_largest_16_bit_channels() {
        let edge = [1u64, 2, 3, 32_767, 32_768, 65_533, 65_534, 65_535];
        for (from, to) in edge.into_iter().flat_map(|from| edge.map(|to| (from, to))) {
            let scale = Scale::new(from as u16, to as u16);
            for channel in 0..=from {
                let exact = (2 * channel * to + from) / (2 * from);
                assert_eq!(u64::from(scale.of(channel as u16)), exact, "{channel} {from} {to}");
            }
        }
    }

    proptest! {
        #[test]
        fn luma_is_the_weighted_sum_rounded(red: u16, green: u16, blue: u16) {
            let exact = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
            // Rounding the weights to 16 bits adds less than half a level.
            prop_assert!((f64::from(luma(red, green, blue)) - exact).abs() <= 1.0);
        }

        #[test]
        fn scaling_is_the_designs_formula(channel: u16, from in 1..=u16::MAX, to: u16) {
            let channel = channel.min(from);
            let (c, v, w) = (u64::from(channel), u64::from(from), u64::from(to));
            prop_assert_eq!(u64::from(Scale::new(from, to).of(channel)), (2 * c * w + v) / (2 * v));
        }

        #[test]
        fn shifting_is_the_designs_formula(channel: u16, from: u16, to: u16) {
            let exact = i32::from(channel) + i32::from(to) - i32::from(from);
            let [up, down] = shift(from, to);
            prop_assert_eq!(i32::from(channel.saturating_add(up).saturating_sub(down)), exact.clamp(0, 65_535));
        }
    }
}

//! Lightness of four inks (CMYK): the colour that they have together, and the inks of a new colour.
//!
//! With `m` the greatest sample, a pixel's red is `(m − C)(m − K) / m`, its green and blue likewise with M and Y: each ink lets its
//! complement of the light pass. This is the conversion of Pillow, ImageMagick, libjpeg-turbo's `djpeg` and browsers for inks
//! without a colour profile. Intensities of inks are those of that red, green and blue.
//!
//! Many inks have the same colour, since black can stand for the other three together. A new colour keeps black's share of the
//! darkness: with `v` the greatest of red, green and blue, K of `m − v` becomes the same part of `m − v′`. So gray that is black
//! ink alone stays black ink alone, inks without black stay without, and the new inks have exactly the new red, green and blue.

use super::kernel::sample::Sample;
use crate::pixels::{Layout, Rows, Samples};

/// Inks of a pixel.
const INKS: usize = 4;

/// Returns the red, green and blue of inks.
#[inline(always)]
pub(super) fn color<S: Sample>(inks: [S; INKS]) -> [S; 3] {
    let most = S::LEVELS as u32 - 1;
    let light = most - inks[3].wide();
    // The greatest sample is odd, so there are no halves to round; the sum is below 2³² at 16 bits.
    [inks[0], inks[1], inks[2]].map(|ink| S::narrow(((most - ink.wide()) * light + most / 2) / most))
}

/// Returns the luma of inks.
pub(super) fn luma<S: Sample>(inks: &[S]) -> S {
    let [red, green, blue] = color([inks[0], inks[1], inks[2], inks[3]]);
    super::color::luma(red, green, blue)
}

/// Returns the inks of a new red, green and blue; `inks` were those of the old ones.
#[inline(always)]
fn recolored<S: Sample>(inks: [S; INKS], old: [S; 3], new: [S; 3]) -> [S; INKS] {
    if old == new {
        return inks;
    }
    let most = S::LEVELS as u32 - 1;
    let darkness = |color: [S; 3]| most - color.map(S::wide).into_iter().max().unwrap_or(0);
    let (before, after) = (darkness(old), darkness(new));
    // K is at most the darkness, since black alone is no lighter than all inks together. Without darkness there is no black.
    let black = (inks[3].wide() * after + before / 2).checked_div(before).unwrap_or(0);
    let light = most - black;
    let [cyan, magenta, yellow] = match light {
        // Under full black, the other inks make no difference.
        0 => [inks[0], inks[1], inks[2]],
        _ => new.map(|sample| S::narrow(most - (sample.wide() * most + light / 2) / light)),
    };
    [cyan, magenta, yellow, S::narrow(black)]
}

/// Writes the red, green and blue of each pixel; `colors` has three samples for each four of `inks`.
#[inline(always)]
pub(super) fn colors<S: Sample>(inks: &[S], colors: &mut [S]) {
    for (inks, color_of_them) in inks.as_chunks::<INKS>().0.iter().zip(colors.as_chunks_mut::<3>().0) {
        *color_of_them = color(*inks);
    }
}

/// Replaces the inks of each pixel by those of its new red, green and blue.
#[inline(always)]
pub(super) fn recolor<S: Sample>(inks: &mut [S], new: &[S]) {
    for (inks, new) in inks.as_chunks_mut::<INKS>().0.iter_mut().zip(new.as_chunks::<3>().0) {
        *inks = recolored(*inks, color(*inks), *new);
    }
}

/// Converts rows of inks to red, green and blue. Other rows stay as they are.
///
/// # Panics
/// Panics for inks without levels, which no decoder outputs.
pub fn inks_to_rgb(rows: Rows) -> Rows {
    fn converted<S: Sample>(inks: &[S]) -> Vec<S> {
        let mut rgb = vec![S::default(); inks.len() / INKS * 3];
        colors(inks, &mut rgb);
        rgb
    }
    if rows.layout != Layout::Cmyk {
        return rows;
    }
    let samples = match rows.samples {
        Samples::U8(inks) => Samples::U8(converted(&inks)),
        Samples::U16(inks) => Samples::U16(converted(&inks)),
        _ => panic!("inks have levels"),
    };
    Rows { width: rows.width, layout: Layout::Rgb, samples }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_are_those_of_pillow() {
        // Image.frombytes("CMYK", (1, 1), bytes(inks)).convert("RGB")
        for (inks, rgb) in [
            ([0, 0, 0, 0], [255, 255, 255]),
            ([0, 0, 0, 255], [0, 0, 0]),
            ([255, 0, 0, 0], [0, 255, 255]),
            ([55, 60, 68, 0], [200, 195, 187]),
            ([1, 10, 19, 53], [201, 194, 187]),
            ([100, 150, 200, 77], [108, 73, 38]),
            ([13, 200, 99, 254], [1, 0, 1]),
        ] {
            assert_eq!(color::<u8>(inks), rgb, "{inks:?}");
        }
    }

    #[test]
    fn black_alone_stays_alone_and_none_stays_none() {
        for level in 0..=255_u8 {
            let [c, m, y, k] = recolored([0, 0, 0, 100], [155; 3], [level; 3]);
            assert_eq!([c, m, y, k], [0, 0, 0, 255 - level]);
            let [.., k] = recolored([100, 30, 20, 0], color([100, 30, 20, 0]), [level; 3]);
            assert_eq!(k, 0);
        }
    }

    #[test]
    fn the_share_of_black_is_kept() {
        // Darkness 110 with black 55: half of it; darkness 200 has black 100.
        assert_eq!(recolored([70_u8, 90, 100, 55], [145, 129, 122], [55, 40, 30])[3], 100);
    }

    fn exact<S: Sample>(inks: [S; 4], new: [S; 3]) -> bool {
        color(recolored(inks, color(inks), new)) == new
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn new_inks_have_exactly_the_new_colour(inks: [u8; 4], new: [u8; 3], wide: [u16; 4], new_wide: [u16; 3]) {
            prop_assert!(exact(inks, new), "{:?}", recolored(inks, color(inks), new));
            prop_assert!(exact(wide, new_wide), "{:?}", recolored(wide, color(wide), new_wide));
        }

        #[test]
        fn inks_of_an_unchanged_colour_stay(inks: [u8; 4]) {
            prop_assert_eq!(recolored(inks, color(inks), color(inks)), inks);
        }

        #[test]
        fn colours_are_the_exact_products_rounded(inks: [u16; 4]) {
            let light = |ink: u16| 65_535.0 - f64::from(ink);
            for (found, ink) in color(inks).into_iter().zip(inks) {
                prop_assert_eq!(f64::from(found), (light(ink) * light(inks[3]) / 65_535.0).round());
            }
        }
    }
}

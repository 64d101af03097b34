//! Perceived lightness: L of Oklab (Björn Ottosson, "A perceptual color space for image processing", 2020, with the
//! matrices of 2021). Samples are interpreted as sRGB (IEC 61966-2-1), whatever the image's profile.
//!
//! Another L may move a colour out of sRGB. There the chroma is compressed at the same L and hue, so that saturated colours
//! stay apart and don't end at black or white.

use super::kernel::sample::Sample;
use super::srgb::{cube_root, dot, encoded, level};

/// Matrix from linear RGB to LMS (cone responses).
const RGB_TO_LMS: [[f32; 3]; 3] = [
    [0.412_221_47, 0.536_332_54, 0.051_445_993],
    [0.211_903_5, 0.680_699_5, 0.107_396_96],
    [0.088_302_46, 0.281_718_84, 0.629_978_7],
];

/// Inverse of [`RGB_TO_LMS`]: from LMS to linear RGB.
const LMS_TO_RGB: [[f32; 3]; 3] = [
    [4.076_741_7, -3.307_711_6, 0.230_969_94],
    [-1.268_438, 2.609_757_4, -0.341_319_38],
    [-0.004_196_086_3, -0.703_418_6, 1.707_614_7],
];

/// Weights of the cube roots of LMS in L.
const LIGHTNESS: [f32; 3] = [0.210_454_26, 0.793_617_8, -0.004_072_047];

/// Returns L of a pixel, as a level.
#[inline(always)]
pub(super) fn lightness<S: Sample>(linear: &[f32], pixel: [S; 3]) -> S {
    S::narrow(level::<S>(dot(LIGHTNESS, roots(linear, pixel))))
}

/// Returns the pixel with L moved from the level `from` to the level `to`, inside of sRGB.
///
/// L, a and b are linear in the cube roots of LMS, and conversely each root is L plus a term in a and b alone. So
/// adding a difference to L while keeping a and b adds it to all three roots. If the level stays, so does the pixel.
#[inline(always)]
pub(super) fn relight<S: Sample>(linear: &[f32], pixel: [S; 3], from: S, to: S) -> [S; 3] {
    if from == to {
        return pixel;
    }
    let roots = roots(linear, pixel);
    let before = dot(LIGHTNESS, roots);
    let after = (before + difference(from, to)).clamp(0.0, 1.0);
    let chroma = roots.map(|root| root - before);
    let factor = factor(chroma, before, after);
    let cones = chroma.map(|term| {
        let root = after + term * factor;
        root * root * root
    });
    LMS_TO_RGB.map(|row| S::narrow(level::<S>(encoded(dot(row, cones)))))
}

/// As [`relight`] up to version 9 of the job's arithmetic: a and b are kept, and colours outside of sRGB are clamped.
#[inline(always)]
pub(super) fn relight_clipped<S: Sample>(linear: &[f32], pixel: [S; 3], from: S, to: S) -> [S; 3] {
    let difference = difference(from, to);
    let cones = roots(linear, pixel).map(|root| {
        let root = root + difference;
        root * root * root
    });
    let moved = LMS_TO_RGB.map(|row| S::narrow(level::<S>(encoded(dot(row, cones)))));
    if from == to { pixel } else { moved }
}

#[inline(always)]
fn difference<S: Sample>(from: S, to: S) -> f32 {
    (to.wide() as f32 - from.wide() as f32) / (S::LEVELS as u32 - 1) as f32
}

/// Chroma up to this share of the greatest one inside of sRGB is kept.
const KNEE: f32 = 0.75;

/// Returns the factor by which the chroma of a colour changes when its L moves from `before` to `after`; `chroma` are the terms
/// of its roots in a and b.
///
/// With `old` and `new` the factors at which the colour would leave sRGB at either L, a share `1 / new` of the greatest chroma
/// up to [`KNEE`] is kept. Where the new L has less room, shares from there to `old / new`, that of the most saturated
/// colour before, are mapped linearly to those from there to 1, that of the most saturated one now.
#[inline(always)]
fn factor(chroma: [f32; 3], before: f32, after: f32) -> f32 {
    const MOST: f32 = 1.0 / KNEE;
    // More than this is gray.
    const GRAY: f32 = 16.0;
    let room = Room::new(chroma, after);
    if room.has(MOST) {
        return 1.0;
    }
    // The colour itself is inside; the boundary of blue is hollow, so that less chroma may not be.
    let (old, new) = (Room::new(chroma, before).reach(GRAY).max(1.0), room.reach(MOST));
    let factor = if old <= new {
        1.0
    } else {
        // New times the mapped share.
        KNEE * new + (1.0 - KNEE) * new * (1.0 - KNEE * new) / (old - KNEE * new)
    };
    room.reach(factor)
}

/// Linear red, green and blue of a colour as cubic polynomials of a factor on its chroma, from the constant term up.
struct Room([[f32; 4]; 3]);

impl Room {
    /// Steps of bisection: enough for 8 bits, and the curve is smooth.
    const STEPS: u32 = 14;

    #[inline(always)]
    fn new(chroma: [f32; 3], lightness: f32) -> Self {
        let squares = chroma.map(|term| term * term);
        let cubes = [0, 1, 2].map(|index| chroma[index] * squares[index]);
        let square = lightness * lightness;
        // The rows' weights add up to 1.
        Self(LMS_TO_RGB.map(|row| {
            [square * lightness, 3.0 * square * dot(row, chroma), 3.0 * lightness * dot(row, squares), dot(row, cubes)]
        }))
    }

    /// Returns whether the colour is inside of sRGB with its chroma times this factor.
    #[inline(always)]
    fn has(&self, factor: f32) -> bool {
        self.0.iter().all(|[a, b, c, d]| (0.0..=1.0).contains(&(a + factor * (b + factor * (c + factor * d)))))
    }

    /// Returns the factor at which the colour leaves sRGB, at most `most`.
    #[inline(always)]
    fn reach(&self, most: f32) -> f32 {
        if self.has(most) {
            return most;
        }
        let (mut inside, mut outside) = (0.0, most);
        for _ in 0..Self::STEPS {
            let middle = 0.5 * (inside + outside);
            if self.has(middle) { inside = middle } else { outside = middle }
        }
        inside
    }
}

/// Returns the cube roots of LMS.
#[inline(always)]
fn roots<S: Sample>(linear: &[f32], pixel: [S; 3]) -> [f32; 3] {
    let light = pixel.map(|sample| linear[sample.wide() as usize & (S::LEVELS - 1)]);
    RGB_TO_LMS.map(|row| cube_root(dot(row, light)))
}

#[cfg(test)]
mod tests {
    use super::super::srgb::linear;
    use super::*;

    /// Oklab by the published formulas, in f64 with the platform's math library.
    fn by_the_book(rgb: [f64; 3]) -> [f64; 3] {
        let light = rgb.map(|part| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) });
        let dot = |row: [f64; 3], of: [f64; 3]| row[0] * of[0] + row[1] * of[1] + row[2] * of[2];
        let roots = [
            dot([0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9], light).cbrt(),
            dot([0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6], light).cbrt(),
            dot([0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5], light).cbrt(),
        ];
        [
            dot([0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8], roots),
            dot([1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9], roots),
            dot([0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0], roots),
        ]
    }

    fn back(lab: [f64; 3]) -> [f64; 3] {
        let [l, a, b] = lab;
        let cones = [
            l + 0.396_337_777_4 * a + 0.215_803_757_3 * b,
            l - 0.105_561_345_8 * a - 0.063_854_172_8 * b,
            l - 0.089_484_177_5 * a - 1.291_485_548_0 * b,
        ]
        .map(|root| root * root * root);
        let dot = |row: [f64; 3]| row[0] * cones[0] + row[1] * cones[1] + row[2] * cones[2];
        [
            dot([4.076_741_662_1, -3.307_711_591_3, 0.230_969_929_2]),
            dot([-1.268_438_004_6, 2.609_757_401_1, -0.341_319_396_5]),
            dot([-0.004_196_086_3, -0.703_418_614_7, 1.707_614_701_0]),
        ]
        .map(|light| light.clamp(0.0, 1.0))
        .map(|light| if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 })
    }

    /// Colours whose channels are multiples of 17 in 8 bits, from 0 to 255.
    fn colors() -> impl Iterator<Item = [u16; 3]> {
        let steps = || (0..=15u16).map(|step| step * 17);
        steps().flat_map(move |r| steps().flat_map(move |g| steps().map(move |b| [r, g, b])))
    }

    #[test]
    fn lightness_is_the_textbooks() {
        for rgb in colors() {
            let exact = by_the_book(rgb.map(|sample| f64::from(sample) / 255.0))[0];
            let eight = lightness(linear::<u8>(), rgb.map(|sample| sample as u8));
            assert!((f64::from(eight) - exact * 255.0).abs() < 0.5 + 1e-3, "{rgb:?}: {eight}, {exact}");
            let sixteen = lightness(linear::<u16>(), rgb.map(|sample| sample * 257));
            assert!((f64::from(sixteen) - exact * 65_535.0).abs() < 0.6, "{rgb:?}: {sixteen}, {exact}");
        }
    }

    #[test]
    fn another_lightness_clipped_is_the_textbooks_within_a_level() {
        for rgb in colors() {
            let lab = by_the_book(rgb.map(|sample| f64::from(sample) / 255.0));
            let from = lightness(linear::<u16>(), rgb.map(|sample| sample * 257));
            for to in [0u16, 9_000, 33_333, 50_000, 65_535] {
                let difference = (f64::from(to) - f64::from(from)) / 65_535.0;
                let exact = back([lab[0] + difference, lab[1], lab[2]]);
                let made = relight_clipped(linear::<u16>(), rgb.map(|sample| sample * 257), from, to);
                for (made, exact) in made.into_iter().zip(exact) {
                    if from != to {
                        assert!((f64::from(made) - exact * 65_535.0).abs() < 2.0, "{rgb:?} to {to}: {made}, {exact}");
                    }
                }
            }
        }
    }

    #[test]
    fn black_is_the_lowest_level_and_white_the_highest() {
        assert_eq!(lightness(linear::<u8>(), [0u8; 3]), 0);
        assert_eq!(lightness(linear::<u8>(), [255u8; 3]), 255);
        assert_eq!(lightness(linear::<u16>(), [0u16; 3]), 0);
        assert_eq!(lightness(linear::<u16>(), [65_535u16; 3]), 65_535);
        assert_eq!(relight(linear::<u16>(), [0u16; 3], 0, 65_535), [65_535; 3]);
    }

    #[test]
    fn grays_stay_gray() {
        for gray in 0..=255u8 {
            for to in [0, 64, 128, 255] {
                let [r, g, b] = relight(linear::<u8>(), [gray; 3], lightness(linear::<u8>(), [gray; 3]), to);
                assert!(r.abs_diff(g) <= 1 && g.abs_diff(b) <= 1, "{gray} to {to}: {r} {g} {b}");
            }
        }
    }

    #[test]
    fn another_lightness_keeps_lightness_and_hue_and_never_adds_chroma() {
        for rgb in colors() {
            let lab = by_the_book(rgb.map(|sample| f64::from(sample) / 255.0));
            let from = lightness(linear::<u16>(), rgb.map(|sample| sample * 257));
            for to in [6_000u16, 9_000, 33_333, 50_000, 62_000].into_iter().filter(|to| *to != from) {
                let made = relight(linear::<u16>(), rgb.map(|sample| sample * 257), from, to);
                let after = by_the_book(made.map(|sample| f64::from(sample) / 65_535.0));
                assert!((after[0] - f64::from(to) / 65_535.0).abs() < 1e-3, "{rgb:?} to {to}: {after:?}");
                let cross = lab[1] * after[2] - lab[2] * after[1];
                assert!(cross.abs() < 2e-3 * lab[1].hypot(lab[2]) + 1e-6, "{rgb:?} to {to}: {lab:?} {after:?}");
                assert!(after[1].hypot(after[2]) < lab[1].hypot(lab[2]) + 1e-3, "{rgb:?} to {to}: {lab:?} {after:?}");
            }
        }
    }

    #[test]
    fn colours_far_from_the_boundary_keep_their_chroma() {
        for rgb in [[120u16, 110, 100], [90, 100, 95], [130, 120, 140]] {
            let rgb = rgb.map(|sample| sample * 257);
            let from = lightness(linear::<u16>(), rgb);
            for to in [from - 9_000, from + 9_000] {
                let (kept, made) =
                    (relight_clipped(linear::<u16>(), rgb, from, to), relight(linear::<u16>(), rgb, from, to));
                assert!(kept.into_iter().zip(made).all(|(kept, made)| kept.abs_diff(made) <= 1), "{rgb:?} to {to}");
            }
        }
    }

    #[test]
    fn a_small_step_changes_a_saturated_colour_little() {
        let lab = |rgb: [u16; 3]| by_the_book(rgb.map(|sample| f64::from(sample) / 65_535.0));
        for rgb in [[65_535u16, 0, 0], [0, 65_535, 0], [0, 0, 65_535], [65_535, 65_535, 0], [0, 15_000, 65_535]] {
            let from = lightness(linear::<u16>(), rgb);
            for to in [from - 100, from + 100] {
                let (before, after) = (lab(rgb), lab(relight(linear::<u16>(), rgb, from, to)));
                let apart = (before[1] - after[1]).hypot(before[2] - after[2]);
                // The boundary is hollow beside pure blue.
                let most = if rgb == [0, 0, 65_535] { 0.06 } else { 0.03 };
                assert!(apart < most, "{rgb:?} to {to}: {before:?} {after:?}");
            }
        }
    }

    /// FNV-1a hash of results at both depths. Fails on a machine whose results differ.
    #[test]
    fn results_are_the_same_on_every_machine() {
        assert_eq!(hash(relight_clipped, relight_clipped), 15_003_088_036_006_335_939);
        assert_eq!(hash(relight, relight), 14_016_951_353_759_921_548);
    }

    /// Moves a pixel's lightness between two levels.
    type Relight<S> = fn(&[f32], [S; 3], S, S) -> [S; 3];

    fn hash(relight_8: Relight<u8>, relight_16: Relight<u16>) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut add =
            |bytes: &[u8]| bytes.iter().for_each(|byte| hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        for rgb in colors() {
            let eight = rgb.map(|sample| sample as u8);
            let sixteen = rgb.map(|sample| sample * 251 + 7);
            let (from, to) = (lightness(linear::<u8>(), eight), eight[0] ^ 0x55);
            add(&[from]);
            add(&relight_8(linear::<u8>(), eight, from, to));
            let (from, to) = (lightness(linear::<u16>(), sixteen), sixteen[1] ^ 0x5555);
            add(&from.to_le_bytes());
            relight_16(linear::<u16>(), sixteen, from, to).iter().for_each(|sample| add(&sample.to_le_bytes()));
        }
        hash
    }
}

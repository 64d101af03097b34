//! Perceived lightness: L of Oklab (Björn Ottosson, "A perceptual color space for image processing", 2020, with the
//! matrices of 2021). Samples are interpreted as sRGB (IEC 61966-2-1), whatever the image's profile.
//!
//! Additions, multiplications, divisions and square roots of IEEE 754 have the same result on every machine, in
//! WebAssembly too; the platform's `powf` and `cbrt` don't. So the roots here use only those four operations, each
//! rounded once, and sRGB's transfer function is a table, computed with them on first use.

use std::sync::OnceLock;

use super::kernel::sample::Sample;

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

/// 2²³. Adding it to a number from 0 to 2²³ rounds that to an integer, ties to even; the sum's bits, as an integer, are
/// those of 2²³ plus it.
const ROUNDING_BIAS: f32 = 8_388_608.0;

/// Returns the linear light of each level, from 0 to 1, with as many entries as there are levels.
pub(super) fn linear<S: Sample>() -> &'static [f32] {
    static EIGHT: OnceLock<Vec<f32>> = OnceLock::new();
    static SIXTEEN: OnceLock<Vec<f32>> = OnceLock::new();
    let table = if S::BITS == 8 { &EIGHT } else { &SIXTEEN };
    table.get_or_init(|| {
        let highest = f64::from(S::LEVELS as u32 - 1);
        (0..S::LEVELS as u32).map(|level| decoded(f64::from(level) / highest) as f32).collect()
    })
}

/// Returns L of a pixel, as a level.
#[inline(always)]
pub(super) fn lightness<S: Sample>(linear: &[f32], pixel: [S; 3]) -> S {
    S::narrow(level::<S>(dot(LIGHTNESS, roots(linear, pixel))))
}

/// Returns the pixel with L moved from the level `from` to the level `to`; colours outside of sRGB are clamped.
///
/// L, a and b are linear in the cube roots of LMS, and conversely each root is L plus a term in a and b alone. So
/// adding a difference to L while keeping a and b adds it to all three roots. If the level stays, so does the pixel.
#[inline(always)]
pub(super) fn relight<S: Sample>(linear: &[f32], pixel: [S; 3], from: S, to: S) -> [S; 3] {
    let difference = (to.wide() as f32 - from.wide() as f32) / (S::LEVELS as u32 - 1) as f32;
    let cones = roots(linear, pixel).map(|root| {
        let root = root + difference;
        root * root * root
    });
    let moved = LMS_TO_RGB.map(|row| S::narrow(level::<S>(encoded(dot(row, cones)))));
    if from == to { pixel } else { moved }
}

/// Returns the cube roots of LMS.
#[inline(always)]
fn roots<S: Sample>(linear: &[f32], pixel: [S; 3]) -> [f32; 3] {
    let light = pixel.map(|sample| linear[sample.wide() as usize & (S::LEVELS - 1)]);
    RGB_TO_LMS.map(|row| cube_root(dot(row, light)))
}

#[inline(always)]
fn dot(row: [f32; 3], of: [f32; 3]) -> f32 {
    row[0] * of[0] + row[1] * of[1] + row[2] * of[2]
}

/// Returns the level nearest to a number from 0 to 1.
#[inline(always)]
fn level<S: Sample>(part: f32) -> u32 {
    let highest = S::LEVELS as u32 - 1;
    let rounded = (part * highest as f32 + ROUNDING_BIAS).to_bits().wrapping_sub(ROUNDING_BIAS.to_bits());
    rounded.min(highest)
}

/// sRGB's transfer function from linear light to encoded value, 0 to 1; input outside of 0 to 1 is clamped.
#[inline(always)]
fn encoded(light: f32) -> f32 {
    let light = light.clamp(0.0, 1.0);
    // x^(1/2.4) = x^(5/12) is the cube root of x^(5/4).
    let power = cube_root(light * light.sqrt().sqrt());
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * power - 0.055 }
}

/// The inverse of sRGB's transfer function: from encoded value to linear light.
fn decoded(part: f64) -> f64 {
    if part <= 0.040_45 {
        return part / 12.92;
    }
    let base = (part + 0.055) / 1.055;
    // x^2.4 is x² times the fifth root of x².
    base * base * fifth_root(base * base)
}

/// Returns the cube root of a number that isn't negative, within a few units of its last place. The estimate divides
/// the exponent by three (as in FreeBSD's `s_cbrtf.c`); two steps of Halley's method each triple the correct digits.
#[inline(always)]
fn cube_root(number: f32) -> f32 {
    let mut root = f32::from_bits(number.to_bits() / 3 + 709_958_130);
    for _ in 0..2 {
        let cube = root * root * root;
        root = root * (cube + (number + number)) / ((cube + cube) + number);
    }
    // Below, cubes would underflow.
    if number < 1e-30 { 0.0 } else { root }
}

/// Returns the fifth root of a number from 0.001 to 1, by Newton's method from above.
fn fifth_root(number: f64) -> f64 {
    let mut root = 1.0;
    for _ in 0..32 {
        let fourth = root * root * root * root;
        root -= (fourth * root - number) / (5.0 * fourth);
    }
    root
}

#[cfg(test)]
mod tests {
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
    fn another_lightness_is_the_textbooks_within_a_level() {
        for rgb in colors() {
            let lab = by_the_book(rgb.map(|sample| f64::from(sample) / 255.0));
            let from = lightness(linear::<u16>(), rgb.map(|sample| sample * 257));
            for to in [0u16, 9_000, 33_333, 50_000, 65_535] {
                let difference = (f64::from(to) - f64::from(from)) / 65_535.0;
                let exact = back([lab[0] + difference, lab[1], lab[2]]);
                let made = relight(linear::<u16>(), rgb.map(|sample| sample * 257), from, to);
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
    fn roots_are_right_to_their_last_places() {
        for step in 1..=100_000u32 {
            let number = step as f32 / 100_000.0;
            let exact = f64::from(number).cbrt();
            assert!((f64::from(cube_root(number)) - exact).abs() < 4e-7 * exact, "{number}");
        }
        for level in 1..=65_535u32 {
            let part = f64::from(level) / 65_535.0;
            let exact = if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
            assert!((decoded(part) - exact).abs() < 1e-15, "{level}");
        }
    }

    /// FNV-1a hash of results at both depths. Fails on a machine whose results differ.
    #[test]
    fn results_are_the_same_on_every_machine() {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut add =
            |bytes: &[u8]| bytes.iter().for_each(|byte| hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        for rgb in colors() {
            let eight = rgb.map(|sample| sample as u8);
            let sixteen = rgb.map(|sample| sample * 251 + 7);
            let (from, to) = (lightness(linear::<u8>(), eight), eight[0] ^ 0x55);
            add(&[from]);
            add(&relight(linear::<u8>(), eight, from, to));
            let (from, to) = (lightness(linear::<u16>(), sixteen), sixteen[1] ^ 0x5555);
            add(&from.to_le_bytes());
            relight(linear::<u16>(), sixteen, from, to).iter().for_each(|sample| add(&sample.to_le_bytes()));
        }
        assert_eq!(hash, 15_003_088_036_006_335_939);
    }
}

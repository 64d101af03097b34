//! L* of CIELAB (CIE 15, § 8.2.1) under D65. Samples are interpreted as sRGB, whatever the image's profile.
//!
//! The matrix is that of OpenCV and scikit-image, with its rows divided by the white point.

use super::kernel::sample::Sample;
use super::srgb::{cube_root, dot, encoded, level};

/// Matrix from linear RGB to X / Xn, Y and Z / Zn.
const RGB_TO_XYZ: [[f32; 3]; 3] = [
    [0.433_952_76, 0.376_219_4, 0.189_827_83],
    [0.212_671, 0.715_16, 0.072_169],
    [0.017_757_91, 0.109_476_52, 0.872_765_6],
];

/// Inverse of [`RGB_TO_XYZ`].
const XYZ_TO_RGB: [[f32; 3]; 3] = [
    [3.079_935, -1.537_151_5, -0.542_783_4],
    [-0.921_234_2, 1.875_99, 0.045_244_18],
    [0.052_889_68, -0.204_041_34, 1.151_151_7],
];

/// L* of a pixel, as a level: 0 to 100 become 0 to the highest level.
#[inline(always)]
pub(super) fn lightness<S: Sample>(linear: &[f32], pixel: [S; 3]) -> S {
    let [_, y, _] = curved(linear, pixel);
    S::narrow(level::<S>((116.0 * y - 16.0) / 100.0))
}

/// Returns the pixel with L* moved from the level `from` to the level `to`, and a* and b* kept; colours outside of sRGB are
/// clamped.
///
/// a* and b* are differences of f(X / Xn), f(Y) and f(Z / Zn). So adding one difference to all three keeps them.
#[inline(always)]
pub(super) fn relight<S: Sample>(linear: &[f32], pixel: [S; 3], from: S, to: S) -> [S; 3] {
    let difference = (to.wide() as f32 - from.wide() as f32) / (S::LEVELS as u32 - 1) as f32 * (100.0 / 116.0);
    let xyz = curved(linear, pixel).map(|part| inverse(part + difference));
    let moved = XYZ_TO_RGB.map(|row| S::narrow(level::<S>(encoded(dot(row, xyz)))));
    if from == to { pixel } else { moved }
}

/// Returns f(X / Xn), f(Y) and f(Z / Zn).
#[inline(always)]
fn curved<S: Sample>(linear: &[f32], pixel: [S; 3]) -> [f32; 3] {
    let light = pixel.map(|sample| linear[sample.wide() as usize & (S::LEVELS - 1)]);
    RGB_TO_XYZ.map(|row| {
        let part = dot(row, light);
        // (6/29)³ and (29/6)² / 3.
        if part > 0.008_856_452 { cube_root(part) } else { 7.787_037 * part + 16.0 / 116.0 }
    })
}

/// The inverse of f.
#[inline(always)]
fn inverse(part: f32) -> f32 {
    if part > 6.0 / 29.0 { part * part * part } else { (part - 16.0 / 116.0) / 7.787_037 }
}

#[cfg(test)]
mod tests {
    use super::super::srgb::linear;
    use super::*;

    /// CIELAB by the published formulas, in f64 with the platform's math library.
    fn by_the_book(rgb: [f64; 3]) -> [f64; 3] {
        let light = rgb.map(|part| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) });
        let white = [0.950_456, 1.0, 1.088_754];
        let rows =
            [[0.412_453, 0.357_58, 0.180_423], [0.212_671, 0.715_16, 0.072_169], [0.019_334, 0.119_193, 0.950_227]];
        let part = |index: usize| {
            let row: [f64; 3] = rows[index];
            let part = (row[0] * light[0] + row[1] * light[1] + row[2] * light[2]) / white[index];
            if part > (6f64 / 29.0).powi(3) { part.cbrt() } else { part * (29f64 / 6.0).powi(2) / 3.0 + 4.0 / 29.0 }
        };
        let [x, y, z] = [part(0), part(1), part(2)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn colors() -> impl Iterator<Item = [u16; 3]> {
        let steps = || (0..=15u16).map(|step| step * 4_369);
        steps().flat_map(move |r| steps().flat_map(move |g| steps().map(move |b| [r, g, b])))
    }

    #[test]
    fn lightness_is_the_textbooks() {
        for rgb in colors() {
            let exact = by_the_book(rgb.map(|sample| f64::from(sample) / 65_535.0))[0] / 100.0;
            let made = lightness(linear::<u16>(), rgb);
            assert!((f64::from(made) - exact * 65_535.0).abs() < 1.0, "{rgb:?}: {made}, {exact}");
        }
        assert_eq!((lightness(linear::<u8>(), [0u8; 3]), lightness(linear::<u8>(), [255u8; 3])), (0, 255));
    }

    #[test]
    fn another_lightness_keeps_a_and_b_inside_of_srgb() {
        let mut inside = 0;
        for rgb in colors() {
            let from = lightness(linear::<u16>(), rgb);
            let lab = by_the_book(rgb.map(|sample| f64::from(sample) / 65_535.0));
            for to in [9_000u16, 33_333, 50_000] {
                let made = relight(linear::<u16>(), rgb, from, to);
                if from == to || made.iter().any(|sample| matches!(*sample, 0 | u16::MAX)) {
                    continue;
                }
                inside += 1;
                let after = by_the_book(made.map(|sample| f64::from(sample) / 65_535.0));
                assert!((after[0] - f64::from(to) / 655.35).abs() < 0.02, "{rgb:?} to {to}: {after:?}");
                assert!(
                    (after[1] - lab[1]).abs() < 0.05 && (after[2] - lab[2]).abs() < 0.05,
                    "{rgb:?} to {to}: {after:?}"
                );
            }
        }
        assert!(inside > 3_000, "{inside}");
    }

    #[test]
    fn the_same_level_is_the_same_pixel_and_grays_stay_gray() {
        for rgb in colors() {
            let from = lightness(linear::<u16>(), rgb);
            assert_eq!(relight(linear::<u16>(), rgb, from, from), rgb);
        }
        for gray in 0..=255u8 {
            let [r, g, b] = relight(linear::<u8>(), [gray; 3], lightness(linear::<u8>(), [gray; 3]), 100u8);
            assert!(r.abs_diff(g) <= 1 && g.abs_diff(b) <= 1, "{gray}: {r} {g} {b}");
        }
    }

    /// FNV-1a hash of results at both depths. Fails on a machine whose results differ.
    #[test]
    fn results_are_the_same_on_every_machine() {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut add =
            |bytes: &[u8]| bytes.iter().for_each(|byte| hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        for rgb in colors() {
            let eight = rgb.map(|sample| (sample >> 8) as u8);
            let (from, to) = (lightness(linear::<u8>(), eight), eight[0] ^ 0x55);
            add(&[from]);
            add(&relight(linear::<u8>(), eight, from, to));
            let (from, to) = (lightness(linear::<u16>(), rgb), rgb[1] ^ 0x5555);
            add(&from.to_le_bytes());
            relight(linear::<u16>(), rgb, from, to).iter().for_each(|sample| add(&sample.to_le_bytes()));
        }
        assert_eq!(hash, 3_119_905_225_044_393_672);
    }
}

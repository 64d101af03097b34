//! sRGB (IEC 61966-2-1) without the platform's math library.
//!
//! Additions, multiplications, divisions and square roots of IEEE 754 have the same result on every machine, in
//! WebAssembly too; the platform's `powf` and `cbrt` don't. So the roots here use only those four operations, each
//! rounded once, and sRGB's transfer function is a table, computed with them on first use.

use std::sync::OnceLock;

use super::kernel::sample::Sample;

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

/// Returns the scalar product.
#[inline(always)]
pub(super) fn dot(row: [f32; 3], of: [f32; 3]) -> f32 {
    row[0] * of[0] + row[1] * of[1] + row[2] * of[2]
}

/// Returns the level nearest to a number from 0 to 1.
#[inline(always)]
pub(super) fn level<S: Sample>(part: f32) -> u32 {
    let highest = S::LEVELS as u32 - 1;
    let rounded = (part * highest as f32 + ROUNDING_BIAS).to_bits().wrapping_sub(ROUNDING_BIAS.to_bits());
    rounded.min(highest)
}

/// sRGB's transfer function from linear light to encoded value, 0 to 1; input outside of 0 to 1 is clamped.
#[inline(always)]
pub(super) fn encoded(light: f32) -> f32 {
    let light = light.clamp(0.0, 1.0);
    // x^(1/2.4) = x^(5/12) is the cube root of x^(5/4).
    let power = cube_root(light * light.sqrt().sqrt());
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * power - 0.055 }
}

/// Returns the cube root of a number that isn't negative, within a few units of its last place. The estimate divides
/// the exponent by three (as in FreeBSD's `s_cbrtf.c`); two steps of Halley's method each triple the correct digits.
#[inline(always)]
pub(super) fn cube_root(number: f32) -> f32 {
    let mut root = f32::from_bits(number.to_bits() / 3 + 709_958_130);
    for _ in 0..2 {
        let cube = root * root * root;
        root = root * (cube + (number + number)) / ((cube + cube) + number);
    }
    // Below, cubes would underflow.
    if number < 1e-30 { 0.0 } else { root }
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
}

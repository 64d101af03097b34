//! Conversion between samples as stored in the file and samples as equalized, for files in which the two differ.

use super::palette::Palette;
use super::structure::{Meaning, Structure};
use crate::for_samples;
use crate::pixels::{Layout, Rows, SampleType, Samples};

/// Converts stored samples of whole rows to samples for equalization.
pub(super) fn present(structure: &Structure, palette: Option<&Palette>, mut samples: Samples) -> Samples {
    match (structure.meaning, palette) {
        (Meaning::Palette, Some(palette)) => {
            let Samples::U8(indices) = &samples else { return samples };
            return palette.colors(indices);
        }
        (Meaning::Associated, _) => divide(&mut samples, structure.channels),
        (meaning, _) => turn(meaning, &mut samples),
    }
    samples
}

/// Converts rows of a result to samples as the file stores them: with the original's encoding, and without the mask.
pub fn store(structure: &Structure, rows: &Rows) -> Samples {
    let masked = structure.mask.is_some() && rows.layout.has_alpha();
    let mut samples = if masked { without_alpha(rows) } else { rows.samples.clone() };
    match structure.meaning {
        Meaning::Associated => multiply(&mut samples, rows.layout.channels()),
        meaning => turn(meaning, &mut samples),
    }
    samples
}

/// Inverts samples, or shifts them by half their range. It is its own inverse.
fn turn(meaning: Meaning, samples: &mut Samples) {
    match (meaning, samples) {
        (Meaning::Inverted, Samples::U8(samples)) => samples.iter_mut().for_each(|sample| *sample = !*sample),
        (Meaning::Inverted, Samples::U16(samples)) => samples.iter_mut().for_each(|sample| *sample = !*sample),
        (Meaning::Inverted, Samples::U32(samples)) => samples.iter_mut().for_each(|sample| *sample = !*sample),
        (Meaning::Signed, Samples::U8(samples)) => samples.iter_mut().for_each(|sample| *sample ^= 1 << 7),
        (Meaning::Signed, Samples::U16(samples)) => samples.iter_mut().for_each(|sample| *sample ^= 1 << 15),
        _ => {}
    }
}

/// Divides colours by alpha, rounded. Pixels with alpha 0 are unchanged.
fn divide(samples: &mut Samples, channels: usize) {
    let whole = |color: u32, alpha: u32, most: u32| ((2 * color * most + alpha) / (2 * alpha)).min(most);
    match samples {
        Samples::U8(samples) => {
            each_pixel(
                samples,
                channels,
                |color, alpha| {
                    if alpha > 0 { whole(color.into(), alpha.into(), 255) as u8 } else { color }
                },
            )
        }
        Samples::U16(samples) => each_pixel(samples, channels, |color, alpha| match u64::from(alpha) {
            0 => color,
            alpha => ((2 * u64::from(color) * 65_535 + alpha) / (2 * alpha)).min(65_535) as u16,
        }),
        Samples::U32(samples) => each_pixel(samples, channels, |color, alpha| match u128::from(alpha) {
            0 => color,
            alpha => ((2 * u128::from(color) * MOST_U32 + alpha) / (2 * alpha)).min(MOST_U32) as u32,
        }),
        Samples::F16(samples) => each_pixel(samples, channels, divided),
        Samples::F32(samples) => each_pixel(samples, channels, divided),
        Samples::F64(samples) => each_pixel(samples, channels, divided),
        // Refused: only unsigned and floating-point samples have associated alpha.
        Samples::I32(_) => {}
    }
}

/// Multiplies colours by alpha, rounded: the inverse of [`divide`] for colours not above alpha. Pixels with alpha 0 are
/// unchanged.
fn multiply(samples: &mut Samples, channels: usize) {
    match samples {
        Samples::U8(samples) => each_pixel(samples, channels, |color, alpha| match u32::from(alpha) {
            0 => color,
            alpha => ((2 * u32::from(color) * alpha + 255) / 510) as u8,
        }),
        Samples::U16(samples) => each_pixel(samples, channels, |color, alpha| match u64::from(alpha) {
            0 => color,
            alpha => ((2 * u64::from(color) * alpha + 65_535) / 131_070) as u16,
        }),
        Samples::U32(samples) => each_pixel(samples, channels, |color, alpha| match u128::from(alpha) {
            0 => color,
            alpha => ((2 * u128::from(color) * alpha + MOST_U32) / (2 * MOST_U32)) as u32,
        }),
        Samples::F16(samples) => each_pixel(samples, channels, multiplied),
        Samples::F32(samples) => each_pixel(samples, channels, multiplied),
        Samples::F64(samples) => each_pixel(samples, channels, multiplied),
        Samples::I32(_) => {}
    }
}

const MOST_U32: u128 = u32::MAX as u128;

/// Quotient of floating-point samples, as their type's own division rounds it.
fn divided<S: SampleType>(color: S, alpha: S) -> S {
    if alpha.value() > 0.0 { S::nearest(color.value() / alpha.value()) } else { color }
}

/// Product of floating-point samples, as their type's own multiplication rounds it.
fn multiplied<S: SampleType>(color: S, alpha: S) -> S {
    if alpha.value() > 0.0 { S::nearest(color.value() * alpha.value()) } else { color }
}

/// Applies a function of colour and alpha to each colour sample. Alpha is a pixel's last sample.
fn each_pixel<S: Copy>(samples: &mut [S], channels: usize, change: impl Fn(S, S) -> S) {
    for pixel in samples.chunks_exact_mut(channels) {
        let Some((&mut alpha, colors)) = pixel.split_last_mut() else { continue };
        colors.iter_mut().for_each(|color| *color = change(*color, alpha));
    }
}

/// Adds a mask with one sample per pixel as an alpha channel: transparent where the mask is 0, else opaque.
pub(super) fn add_mask(samples: Samples, mask: &Samples) -> Samples {
    let Samples::U8(mask) = mask else { return samples };
    for_samples!(samples, samples => with_alpha(&samples, mask).into())
}

fn with_alpha<S: SampleType>(samples: &[S], mask: &[u8]) -> Vec<S> {
    let channels = samples.len() / mask.len().max(1);
    let mut all = Vec::with_capacity(samples.len() + mask.len());
    for (pixel, mask) in samples.chunks_exact(channels.max(1)).zip(mask) {
        all.extend_from_slice(pixel);
        all.push(if *mask == 0 { S::default() } else { S::OPAQUE });
    }
    all
}

fn without_alpha(rows: &Rows) -> Samples {
    fn cut<S: Copy>(samples: &[S], layout: Layout) -> Vec<S> {
        samples.chunks_exact(layout.channels()).flat_map(|pixel| &pixel[..layout.colors()]).copied().collect()
    }
    for_samples!(&rows.samples, samples => cut(samples, rows.layout).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dividing_by_alpha_and_multiplying_again_changes_nothing() {
        for alpha in 0..=u8::MAX {
            let pixels: Vec<u8> = (0..=alpha).flat_map(|color| [color, alpha]).collect();
            let mut samples = Samples::U8(pixels.clone());
            divide(&mut samples, 2);
            multiply(&mut samples, 2);
            assert_eq!(samples, Samples::U8(pixels), "alpha {alpha}");
        }
        for alpha in [0, 1, 2, 255, 256, 32_767, 32_768, 65_534, 65_535] {
            let pixels: Vec<u16> = (0..=alpha).flat_map(|color| [color, alpha]).collect();
            let mut samples = Samples::U16(pixels.clone());
            divide(&mut samples, 2);
            multiply(&mut samples, 2);
            assert_eq!(samples, Samples::U16(pixels), "alpha {alpha}");
        }
    }
}

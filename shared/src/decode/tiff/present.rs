//! Conversion between samples as stored in the file and samples as equalized, for files in which the two differ.

use super::palette::Palette;
use super::structure::{Meaning, Structure};
use crate::for_samples;
use crate::packed::Packed;
use crate::pixels::{Layout, Rows, SampleType, Samples};

/// Converts stored samples of whole rows to samples for equalization.
pub(super) fn present(structure: &Structure, palette: Option<&Palette>, mut samples: Samples) -> Samples {
    match (structure.meaning, palette) {
        (Meaning::Palette, Some(palette)) => {
            let Samples::U8(indices) = &samples else { return samples };
            return palette.colors(indices);
        }
        (Meaning::Associated, _) => divide(&mut samples, structure.channels),
        (meaning, _) => {
            let layout = if structure.mask.is_some() { structure.layout.without_alpha() } else { structure.layout };
            samples = with_alpha_moved(samples, layout, structure.alpha, Way::In);
            turn(meaning, layout, &mut samples, Way::In);
        }
    }
    samples
}

/// Direction of a conversion: from stored samples, or to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Converts rows of a result to samples as the file stores them: with the original's encoding, and without the mask. Packed samples
/// are narrowed to their own levels.
pub fn store(structure: &Structure, rows: &Rows) -> Samples {
    let masked = structure.mask.is_some() && rows.layout.has_alpha();
    let mut samples = if masked { without_alpha(rows) } else { rows.samples.clone() };
    match structure.meaning {
        Meaning::Associated => multiply(&mut samples, rows.layout.channels()),
        meaning => {
            let layout = if masked { rows.layout.without_alpha() } else { rows.layout };
            turn(meaning, layout, &mut samples, Way::Out);
            samples = with_alpha_moved(samples, layout, structure.alpha, Way::Out);
        }
    }
    if let (Some(packed), Samples::U16(samples)) = (structure.packed(), &mut samples) {
        narrow(packed, samples);
    }
    samples
}

fn narrow(packed: Packed, samples: &mut [u16]) {
    samples.iter_mut().for_each(|sample| *sample = packed.narrow(*sample));
}

/// Inverts colours, or shifts them by half their range, which is its own inverse.
///
/// Signed alpha is rotated by a bit: 0 stays 0, opaque (the highest positive number) becomes nearly the highest unsigned one, and
/// every number has one of its own.
fn turn(meaning: Meaning, layout: Layout, samples: &mut Samples, way: Way) {
    match (meaning, samples) {
        (Meaning::Inverted, Samples::U8(samples)) => each_sample(samples, layout, |color| !color, |alpha| alpha),
        (Meaning::Inverted, Samples::U16(samples)) => each_sample(samples, layout, |color| !color, |alpha| alpha),
        (Meaning::Inverted, Samples::U32(samples)) => each_sample(samples, layout, |color| !color, |alpha| alpha),
        (Meaning::Signed, Samples::U8(samples)) => each_sample(
            samples,
            layout,
            |color| color ^ 1 << 7,
            |alpha: u8| if way == Way::In { alpha.rotate_left(1) } else { alpha.rotate_right(1) },
        ),
        (Meaning::Signed, Samples::U16(samples)) => each_sample(
            samples,
            layout,
            |color| color ^ 1 << 15,
            |alpha: u16| if way == Way::In { alpha.rotate_left(1) } else { alpha.rotate_right(1) },
        ),
        _ => {}
    }
}

/// Maps each sample by one of two functions: that for colours, or that for alpha, a pixel's last sample if there is one.
fn each_sample<S: Copy>(samples: &mut [S], layout: Layout, of_color: impl Fn(S) -> S, of_alpha: impl Fn(S) -> S) {
    if !layout.has_alpha() {
        samples.iter_mut().for_each(|sample| *sample = of_color(*sample));
        return;
    }
    for pixel in samples.chunks_exact_mut(layout.channels()) {
        let Some((alpha, colors)) = pixel.split_last_mut() else { continue };
        *alpha = of_alpha(*alpha);
        colors.iter_mut().for_each(|color| *color = of_color(*color));
    }
}

/// Moves the alpha of pixels with bands from its stored place to the last one, or back.
fn with_alpha_moved(mut samples: Samples, layout: Layout, alpha: Option<usize>, way: Way) -> Samples {
    fn moved<S>(samples: &mut [S], channels: usize, alpha: usize, way: Way) {
        for pixel in samples.chunks_exact_mut(channels) {
            match way {
                Way::In => pixel[alpha..].rotate_left(1),
                Way::Out => pixel[alpha..].rotate_right(1),
            }
        }
    }
    if let (Layout::BandsAlpha(_), Some(alpha)) = (layout, alpha) {
        for_samples!(&mut samples, samples => moved(samples, layout.channels(), alpha, way));
    }
    samples
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
    fn signed_alpha_has_a_number_for_each_and_zero_stays_transparent() {
        let signed = |value: i16| value as u16;
        let stored = Samples::U16((i16::MIN..=i16::MAX).flat_map(|value| [signed(value), signed(value)]).collect());
        let mut turned = stored.clone();
        turn(Meaning::Signed, Layout::GrayAlpha, &mut turned, Way::In);
        let Samples::U16(samples) = &turned else { panic!("the depth changed") };
        let pixel = |value: i16| samples[2 * (i32::from(value) + 32_768) as usize..][..2].to_vec();
        assert_eq!(
            (pixel(0), pixel(i16::MAX), pixel(-1)),
            (vec![32_768, 0], vec![65_535, 65_534], vec![32_767, 65_535])
        );
        assert_eq!(samples.chunks(2).filter(|pixel| pixel[1] == 0).count(), 1);
        turn(Meaning::Signed, Layout::GrayAlpha, &mut turned, Way::Out);
        assert_eq!(turned, stored);
    }

    #[test]
    fn white_as_zero_leaves_alpha_as_it_is() {
        let mut samples = Samples::U8(vec![10, 255, 20, 0]);
        turn(Meaning::Inverted, Layout::GrayAlpha, &mut samples, Way::In);
        assert_eq!(samples, Samples::U8(vec![245, 255, 235, 0]));
    }

    #[test]
    fn alpha_among_bands_is_last_in_memory() {
        let stored = Samples::U8(vec![1, 2, 9, 3, 4, 5, 8, 6]);
        let moved = with_alpha_moved(stored.clone(), Layout::BandsAlpha(3), Some(2), Way::In);
        assert_eq!(moved, Samples::U8(vec![1, 2, 3, 9, 4, 5, 6, 8]));
        assert_eq!(with_alpha_moved(moved, Layout::BandsAlpha(3), Some(2), Way::Out), stored);
    }

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

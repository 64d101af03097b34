//! Kernel in plain Rust, for every machine; also the oracle for the other kernels.
//!
//! A pixel has `C` samples: 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA). Alpha, if present, is the last one. The
//! loops are `inline(always)`, so that a vector kernel can compile them with its own target features where
//! auto-vectorization is enough.

use super::sample::Sample;
use crate::equalize::color;
use crate::equalize::lightness::Lightness;
use crate::equalize::srgb::linear;

/// Computes Y of each pixel.
#[inline(always)]
pub(super) fn luma<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) {
    for (pixel, value) in pixels.as_chunks::<C>().0.iter().zip(values) {
        *value = color::luma(pixel[0], pixel[1], pixel[2]);
    }
}

/// Computes V of each pixel.
#[inline(always)]
pub(super) fn value<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) {
    for (pixel, value) in pixels.as_chunks::<C>().0.iter().zip(values) {
        *value = color::value(pixel[0], pixel[1], pixel[2]);
    }
}

/// Computes the lightness of each pixel.
#[inline(always)]
pub(super) fn lightness<S: Sample, const C: usize>(space: Lightness, pixels: &[S], values: &mut [S]) {
    space.levels::<S, C>(pixels, values);
}

/// Moves the lightness of every visible pixel from `from` to `to`.
#[inline(always)]
pub(super) fn relight<S: Sample, const C: usize>(space: Lightness, pixels: &mut [S], from: &[S], to: &[S]) {
    let linear = linear::<S>();
    for ((pixel, from), to) in pixels.as_chunks_mut::<C>().0.iter_mut().zip(from).zip(to) {
        if is_visible(pixel) {
            let moved = space.relight(linear, [pixel[0], pixel[1], pixel[2]], *from, *to);
            pixel[..3].copy_from_slice(&moved);
        }
    }
}

/// Extracts one sample of each pixel.
#[inline(always)]
pub(super) fn plane<S: Sample, const C: usize>(pixels: &[S], index: usize, values: &mut [S]) {
    for (pixel, value) in pixels.as_chunks::<C>().0.iter().zip(values) {
        *value = pixel[index];
    }
}

/// Replaces one sample of each visible pixel.
#[inline(always)]
pub(super) fn put<S: Sample, const C: usize>(pixels: &mut [S], index: usize, values: &[S]) {
    for (pixel, value) in pixels.as_chunks_mut::<C>().0.iter_mut().zip(values) {
        if is_visible(pixel) {
            pixel[index] = *value;
        }
    }
}

/// Sets the value of each fully transparent pixel to 0, and returns the number of such pixels.
#[inline(always)]
pub(super) fn hide<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) -> usize {
    let mut hidden = 0;
    for (pixel, value) in pixels.as_chunks::<C>().0.iter().zip(values) {
        if !is_visible(pixel) {
            *value = S::default();
            hidden += 1;
        }
    }
    hidden
}

/// Looks up each colour sample of every visible pixel, the first in the first table and so on.
#[inline(always)]
pub(super) fn look_up<S: Sample, const C: usize>(tables: [&S::Table; 3], pixels: &mut [S]) {
    for pixel in pixels.as_chunks_mut::<C>().0 {
        if is_visible(pixel) {
            for (sample, table) in pixel[..colors(C)].iter_mut().zip(tables) {
                *sample = sample.look_up(table);
            }
        }
    }
}

/// Adds `to − from` to the three colours of every visible pixel, clamped.
///
/// Works in two passes over short blocks: first the steps, then the samples. Clamping pixel by pixel compiles to
/// branches, which noise makes unpredictable; the second pass has none, and compiles to saturating vector instructions.
#[inline(always)]
pub(super) fn shift<S: Sample, const C: usize>(pixels: &mut [S], from: &[S], to: &[S]) {
    const PIXELS: usize = 32;
    let levels = from.chunks(PIXELS).zip(to.chunks(PIXELS));
    for (block, (from, to)) in pixels.chunks_mut(PIXELS * C).zip(levels) {
        // The steps of alpha stay 0.
        let mut up = [[S::default(); C]; PIXELS];
        let mut down = up;
        for (index, pixel) in block.as_chunks::<C>().0.iter().enumerate() {
            if is_visible(pixel) {
                let [more, less] = color::shift(from[index], to[index]);
                up[index][..3].fill(more);
                down[index][..3].fill(less);
            }
        }
        for ((sample, up), down) in block.iter_mut().zip(up.as_flattened()).zip(down.as_flattened()) {
            *sample = sample.saturating_add(*up).saturating_sub(*down);
        }
    }
}

/// Scales the three colours of every visible pixel by `to / from`.
#[inline(always)]
pub(super) fn scale<S: Sample, const C: usize>(pixels: &mut [S], from: &[S], to: &[S]) {
    for ((pixel, from), to) in pixels.as_chunks_mut::<C>().0.iter_mut().zip(from).zip(to) {
        if is_visible(pixel) {
            let scale = color::Scale::new(*from, *to);
            for sample in &mut pixel[..3] {
                *sample = scale.of(*sample);
            }
        }
    }
}

/// Replaces each value by interpolating bilinearly between four tables, at the position `across` from left to right and
/// `down` from top to bottom, each from 0 to 1.
///
/// The order of the operations is that of OpenCV's CLAHE. All are in f32, each rounded once; the last addition, of 2²³,
/// rounds to an integer, ties to even, as f32 has no fractions there.
#[inline(always)]
pub(super) fn blend<S: Sample>(corners: &S::Corners<'_>, down: f32, across: &[f32], values: &mut [S]) {
    // 2²³; the bits of an integer above it, in f32, are those of 2²³ plus the difference.
    const WHOLE: f32 = 8_388_608.0;
    // Two passes over short blocks, so that the second one is auto-vectorized.
    const BLOCK: usize = 256;
    let up = 1.0 - down;
    for (values, across) in values.chunks_mut(BLOCK).zip(across.chunks(BLOCK)) {
        let mut entries = [0; BLOCK];
        S::look_up_corners(corners, values, &mut entries[..values.len()]);
        for ((value, right), entries) in values.iter_mut().zip(across).zip(&entries) {
            let entry = |corner: u32| f32::from((entries >> (16 * corner)) as u16);
            let left = 1.0 - right;
            let top = entry(0) * left + entry(1) * right;
            let bottom = entry(2) * left + entry(3) * right;
            let level = (top * up + bottom * down + WHOLE).to_bits() - WHOLE.to_bits();
            *value = S::narrow(level.min(S::LEVELS as u32 - 1));
        }
    }
}

/// As [`blend`], between the edges of bins: `place` returns the bin of a level and its position between the bin's edges, from
/// 0 to 1.
///
/// The four tables are interpolated at both edges, then between the two. All operations are in f32, each rounded once, in
/// this order; there is no other implementation.
#[inline(always)]
pub(in super::super) fn blend_edges<S: Sample>(
    corners: &[&[f32]; 4],
    place: impl Fn(u32) -> (usize, f32),
    down: f32,
    across: &[f32],
    values: &mut [S],
) {
    let highest = (S::LEVELS - 1) as f32;
    let up = 1.0 - down;
    for (value, right) in values.iter_mut().zip(across) {
        let (bin, part) = place(value.wide());
        let left = 1.0 - right;
        let edge = |bin: usize| {
            let [a, b, c, d] = corners.map(|edges| edges[bin]);
            (a * left + b * right) * up + (c * left + d * right) * down
        };
        let (below, above) = (edge(bin), edge(bin + 1));
        let level = below * (1.0 - part) + above * part;
        *value = S::narrow(level.round_ties_even().clamp(0.0, highest) as u32);
    }
}

/// Returns how many of a pixel's `channels` samples carry colour.
pub(super) const fn colors(channels: usize) -> usize {
    if channels < 3 { 1 } else { 3 }
}

/// Returns whether a pixel has no alpha channel, or an alpha above 0.
#[inline(always)]
pub(super) fn is_visible<S: Sample, const C: usize>(pixel: &[S; C]) -> bool {
    C % 2 == 1 || pixel[C - 1] != S::default()
}

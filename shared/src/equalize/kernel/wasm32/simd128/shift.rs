//! Shifting the colours of 8-bit pixels by the change of their luma.

#![allow(unsafe_code)]

use std::arch::wasm32::*;

use super::super::super::scalar;

/// Adds `to − from` to the colours of RGB (`C` = 3) or visible RGBA (`C` = 4) pixels, clamped; 16 at a time.
///
/// Of the steps up and down one is always 0, so a saturating addition followed by a saturating subtraction clamps
/// exactly.
#[target_feature(enable = "simd128")]
pub(super) fn shift_u8<const C: usize>(pixels: &mut [u8], from: &[u8], to: &[u8]) {
    const PIXELS: usize = 16;
    // SAFETY: 16 bytes are read from 16.
    let load = |bytes: &[u8; 16]| unsafe { v128_load(bytes.as_ptr().cast()) };
    // For each byte of vector `k`, the index of the pixel whose step applies; for alpha, an index that selects 0.
    let mut places = [u8x16_splat(0); C];
    for (k, place) in places.iter_mut().enumerate() {
        *place = load(&std::array::from_fn(|byte| {
            let sample = 16 * k + byte;
            if sample % C == 3 { 99 } else { (sample / C) as u8 }
        }));
    }
    let blocks = from.len().min(to.len()).min(pixels.len() / C) / PIXELS;
    let (moved, rest) = pixels.split_at_mut(blocks * PIXELS * C);
    let levels = from.as_chunks::<PIXELS>().0.iter().zip(to.as_chunks::<PIXELS>().0);
    for (block, (from, to)) in moved.chunks_exact_mut(PIXELS * C).zip(levels) {
        let (from, to) = (load(from), load(to));
        let (up, down) = (u8x16_sub_sat(to, from), u8x16_sub_sat(from, to));
        for (bytes, place) in block.as_chunks_mut::<16>().0.iter_mut().zip(places) {
            let mut samples = load(bytes);
            let mut place = place;
            if C == 4 {
                // A fully transparent pixel is not shifted: an index above 15 selects 0.
                place = v128_or(place, i32x4_eq(u32x4_shr(samples, 24), i32x4_splat(0)));
            }
            samples = u8x16_add_sat(samples, u8x16_swizzle(up, place));
            samples = u8x16_sub_sat(samples, u8x16_swizzle(down, place));
            // SAFETY: 16 bytes are written to 16.
            unsafe { v128_store(bytes.as_mut_ptr().cast(), samples) };
        }
    }
    let done = blocks * PIXELS;
    scalar::shift::<u8, C>(rest, &from[done..], &to[done..]);
}

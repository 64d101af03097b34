//! Shifting the colours of 8-bit pixels by the change of their luma.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::super::scalar;

/// Adds `to − from` to the colours of RGB (`C` = 3) or visible RGBA (`C` = 4) pixels, clamped; 16 at a time.
///
/// Of the steps up and down one is always 0, so a saturating addition followed by a saturating subtraction clamps
/// exactly.
#[target_feature(enable = "avx2")]
pub(super) fn shift_u8<const C: usize>(pixels: &mut [u8], from: &[u8], to: &[u8]) {
    const PIXELS: usize = 16;
    // For each byte of vector `k`, the index of the pixel whose step applies; for alpha, an index that selects 0.
    let mut places = [_mm_setzero_si128(); C];
    for (k, place) in places.iter_mut().enumerate() {
        let index: [i8; 16] = std::array::from_fn(|byte| {
            let sample = 16 * k + byte;
            if sample % C == 3 { -1 } else { (sample / C) as i8 }
        });
        // SAFETY: 16 bytes are read from 16.
        *place = unsafe { _mm_loadu_si128(index.as_ptr().cast()) };
    }
    // SAFETY: 16 bytes are read from 16.
    let load = |bytes: &[u8; 16]| unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let blocks = from.len().min(to.len()).min(pixels.len() / C) / PIXELS;
    let (moved, rest) = pixels.split_at_mut(blocks * PIXELS * C);
    let levels = from.as_chunks::<PIXELS>().0.iter().zip(to.as_chunks::<PIXELS>().0);
    for (block, (from, to)) in moved.chunks_exact_mut(PIXELS * C).zip(levels) {
        let (from, to) = (load(from), load(to));
        let (up, down) = (_mm_subs_epu8(to, from), _mm_subs_epu8(from, to));
        for (bytes, place) in block.as_chunks_mut::<16>().0.iter_mut().zip(places) {
            let mut samples = load(bytes);
            let mut place = place;
            if C == 4 {
                // A fully transparent pixel is not shifted: an index with its highest bit set selects 0.
                let alpha = _mm_srli_epi32::<24>(samples);
                place = _mm_or_si128(place, _mm_cmpeq_epi32(alpha, _mm_setzero_si128()));
            }
            samples = _mm_adds_epu8(samples, _mm_shuffle_epi8(up, place));
            samples = _mm_subs_epu8(samples, _mm_shuffle_epi8(down, place));
            // SAFETY: 16 bytes are written to 16.
            unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), samples) };
        }
    }
    let done = blocks * PIXELS;
    scalar::shift::<u8, C>(rest, &from[done..], &to[done..]);
}

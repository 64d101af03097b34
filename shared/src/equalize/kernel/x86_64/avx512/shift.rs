//! Shifting the colours of pixels by the change of their luma.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::super::sample::Le16;
use super::super::super::scalar;

/// Adds `to − from` to the colours of 8-bit RGB (`C` = 3) or visible RGBA (`C` = 4) pixels, clamped; 64 at a time.
///
/// Of the steps up and down one is always 0, so a saturating addition followed by a saturating subtraction clamps
/// exactly.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn shift_u8<const C: usize>(pixels: &mut [u8], from: &[u8], to: &[u8]) {
    const PIXELS: usize = 64;
    // For each byte of vector `k`, the index of the pixel whose step applies.
    let mut places = [_mm512_setzero_si512(); C];
    for (k, place) in places.iter_mut().enumerate() {
        let index: [u8; 64] = std::array::from_fn(|byte| ((64 * k + byte) / C) as u8);
        // SAFETY: 64 bytes are read from 64.
        *place = unsafe { _mm512_loadu_si512(index.as_ptr().cast()) };
    }
    let blocks = from.len().min(to.len()).min(pixels.len() / C) / PIXELS;
    let (moved, rest) = pixels.split_at_mut(blocks * PIXELS * C);
    let levels = from.as_chunks::<PIXELS>().0.iter().zip(to.as_chunks::<PIXELS>().0);
    for (block, (from, to)) in moved.chunks_exact_mut(PIXELS * C).zip(levels) {
        // SAFETY: 64 bytes are read from 64, twice.
        let (from, to) = unsafe { (_mm512_loadu_si512(from.as_ptr().cast()), _mm512_loadu_si512(to.as_ptr().cast())) };
        let (up, down) = (_mm512_subs_epu8(to, from), _mm512_subs_epu8(from, to));
        for (bytes, place) in block.as_chunks_mut::<64>().0.iter_mut().zip(places) {
            // SAFETY: 64 bytes are read from 64.
            let samples = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
            let mut moves = u64::MAX;
            if C == 4 {
                // The colour bytes of pixels that aren't fully transparent.
                let alpha = _mm512_set1_epi32(0xff00_0000_u32.cast_signed());
                let visible = _mm512_test_epi32_mask(samples, alpha);
                moves = _mm512_movepi8_mask(_mm512_maskz_set1_epi32(visible, 0x0080_8080));
            }
            let (up, down) = (_mm512_permutexvar_epi8(place, up), _mm512_permutexvar_epi8(place, down));
            let samples = _mm512_mask_adds_epu8(samples, moves, samples, up);
            let samples = _mm512_mask_subs_epu8(samples, moves, samples, down);
            // SAFETY: 64 bytes are written to 64.
            unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), samples) };
        }
    }
    let done = blocks * PIXELS;
    scalar::shift::<u8, C>(rest, &from[done..], &to[done..]);
}

/// As [`shift_u8`], for 16-bit pixels, 32 at a time.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn shift_u16<const C: usize>(pixels: &mut [Le16], from: &[Le16], to: &[Le16]) {
    const PIXELS: usize = 32;
    let mut places = [_mm512_setzero_si512(); C];
    for (k, place) in places.iter_mut().enumerate() {
        let index: [u16; 32] = std::array::from_fn(|sample| ((32 * k + sample) / C) as u16);
        // SAFETY: 64 bytes are read from 64.
        *place = unsafe { _mm512_loadu_si512(index.as_ptr().cast()) };
    }
    let blocks = from.len().min(to.len()).min(pixels.len() / C) / PIXELS;
    let (moved, rest) = pixels.split_at_mut(blocks * PIXELS * C);
    let levels = from.as_chunks::<PIXELS>().0.iter().zip(to.as_chunks::<PIXELS>().0);
    for (block, (from, to)) in moved.chunks_exact_mut(PIXELS * C).zip(levels) {
        // SAFETY: 64 bytes are read from 32 samples, twice.
        let (from, to) = unsafe { (_mm512_loadu_si512(from.as_ptr().cast()), _mm512_loadu_si512(to.as_ptr().cast())) };
        let (up, down) = (_mm512_subs_epu16(to, from), _mm512_subs_epu16(from, to));
        for (vector, place) in block.as_chunks_mut::<32>().0.iter_mut().zip(places) {
            // SAFETY: 64 bytes are read from 32 samples.
            let samples = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
            let mut moves = u32::MAX;
            if C == 4 {
                let alpha = _mm512_set1_epi64(0xffff_0000_0000_0000_u64.cast_signed());
                let visible = _mm512_test_epi64_mask(samples, alpha);
                moves = _mm512_movepi16_mask(_mm512_maskz_set1_epi64(visible, 0x8000_8000_8000));
            }
            let (up, down) = (_mm512_permutexvar_epi16(place, up), _mm512_permutexvar_epi16(place, down));
            let samples = _mm512_mask_adds_epu16(samples, moves, samples, up);
            let samples = _mm512_mask_subs_epu16(samples, moves, samples, down);
            // SAFETY: 64 bytes are written to 32 samples.
            unsafe { _mm512_storeu_si512(vector.as_mut_ptr().cast(), samples) };
        }
    }
    let done = blocks * PIXELS;
    scalar::shift::<Le16, C>(rest, &from[done..], &to[done..]);
}

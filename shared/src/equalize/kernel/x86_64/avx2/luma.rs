//! Luma of 8-bit pixels.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::super::scalar;

/// Computes Y of RGB (`C` = 3) or RGBA (`C` = 4) pixels, 32 at a time.
///
/// The weighted sum takes two `vpmaddwd`, whose weights are signed 16-bit. Green's weight, 38,470, doesn't fit, so half
/// of it goes beside red and half beside blue: 19595 R + 19235 G, and 7471 B + 19235 G.
#[target_feature(enable = "avx2")]
pub(super) fn luma_u8<const C: usize>(pixels: &[u8], values: &mut [u8]) {
    const PIXELS: usize = 32;
    // In each half of a vector, expands four pixels from its first byte on to 16-bit pairs (channel `first`, green); −1
    // selects a zero byte.
    let pairs = |first: i8| {
        let at = |pixel: i8, channel: i8| C as i8 * pixel + channel;
        _mm256_broadcastsi128_si256(_mm_setr_epi8(
            at(0, first),
            -1,
            at(0, 1),
            -1,
            at(1, first),
            -1,
            at(1, 1),
            -1,
            at(2, first),
            -1,
            at(2, 1),
            -1,
            at(3, first),
            -1,
            at(3, 1),
            -1,
        ))
    };
    let (red_green, blue_green) = (pairs(0), pairs(2));
    let weights = |first: i32| _mm256_set1_epi32(first | 19_235 << 16);
    let (red, blue) = (weights(19_595), weights(7_471));
    let half = _mm256_set1_epi32(32_768);
    // Y of the eight pixels from `start` on, in 32 bits each.
    let eight = |bytes: &[u8], start: usize| {
        let four = |pixel: usize| -> __m128i {
            let bytes: &[u8; 16] = bytes[(start + pixel) * C..].first_chunk().expect("the loop leaves bytes to spare");
            // SAFETY: 16 bytes are read from 16.
            unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
        };
        let bytes = _mm256_set_m128i(four(4), four(0));
        let sum = _mm256_add_epi32(
            _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, red_green), red),
            _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, blue_green), blue),
        );
        _mm256_srli_epi32::<16>(_mm256_add_epi32(sum, half))
    };
    // Packing works within each half of a vector, so groups of four pixels come out in the order 0 2 4 6 1 3 5 7.
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let mut done = 0;
    // The load of the last four pixels reads 16 bytes, of which RGB uses 12.
    while values.len() - done >= PIXELS && (pixels.len() - done * C) >= PIXELS * C + 4 {
        let bytes = &pixels[done * C..];
        let low = _mm256_packus_epi32(eight(bytes, 0), eight(bytes, 8));
        let high = _mm256_packus_epi32(eight(bytes, 16), eight(bytes, 24));
        let packed = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
        let out: &mut [u8; PIXELS] = values[done..].first_chunk_mut().expect("as many values as the loop asks for");
        // SAFETY: 32 bytes are written to 32.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), packed) };
        done += PIXELS;
    }
    scalar::luma::<u8, C>(&pixels[done * C..], &mut values[done..]);
}

//! Intensity of pixels: luma, HSV value or one channel.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::super::sample::{Le16, Sample};
use super::super::super::scalar;

/// Computes Y of 8-bit RGB (`C` = 3) or RGBA (`C` = 4) pixels.
///
/// The weighted sum takes two `vpmaddwd`, whose weights are signed 16-bit. Green's weight, 38,470, doesn't fit, so half
/// of it goes beside red and half beside blue: 19595 R + 19235 G, and 7471 B + 19235 G.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn luma_u8<const C: usize>(pixels: &[u8], values: &mut [u8]) {
    // In the 32 bits of each pixel: channel `first`, 0, green, 0.
    let pairs = |first: usize| lanes(|pixel, byte| [C * pixel + first, 0, C * pixel + 1, 0][byte] as u8);
    let (red_green, blue_green) = (pairs(0), pairs(2));
    let weights = |first: i32| _mm512_set1_epi32(first | 19_235 << 16);
    let (red, blue) = (weights(19_595), weights(7_471));
    let half = _mm512_set1_epi32(32_768);
    // Y is the third byte of the sum.
    each_u8::<C, 2>(pixels, values, |bytes| {
        let sum = _mm512_add_epi32(
            _mm512_madd_epi16(_mm512_maskz_permutexvar_epi8(EVEN, red_green, bytes), red),
            _mm512_madd_epi16(_mm512_maskz_permutexvar_epi8(EVEN, blue_green, bytes), blue),
        );
        _mm512_add_epi32(sum, half)
    });
    let done = values.len() / 64 * 64;
    scalar::luma::<u8, C>(&pixels[done * C..], &mut values[done..]);
}

/// Computes V of 8-bit RGB or RGBA pixels.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn value_u8<const C: usize>(pixels: &[u8], values: &mut [u8]) {
    let colors = lanes(|pixel, byte| (C * pixel + byte.min(2)) as u8);
    each_u8::<C, 0>(pixels, values, |bytes| {
        let colors = _mm512_permutexvar_epi8(colors, bytes);
        let larger = _mm512_max_epu8(colors, _mm512_srli_epi32::<8>(colors));
        _mm512_max_epu8(larger, _mm512_srli_epi32::<16>(colors))
    });
    let done = values.len() / 64 * 64;
    scalar::value::<u8, C>(&pixels[done * C..], &mut values[done..]);
}

/// Extracts one sample of each 8-bit pixel.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn plane_u8<const C: usize>(pixels: &[u8], index: usize, values: &mut [u8]) {
    let sample = lanes(|pixel, _| (C * pixel + index) as u8);
    each_u8::<C, 0>(pixels, values, |bytes| _mm512_permutexvar_epi8(sample, bytes));
    let done = values.len() / 64 * 64;
    scalar::plane::<u8, C>(&pixels[done * C..], index, &mut values[done..]);
}

/// Mask of the elements with an even index.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// Returns a vector of `byte(pixel, index)`: four bytes for each of 16 pixels.
#[target_feature(enable = "avx512f")]
fn lanes(byte: impl Fn(usize, usize) -> u8) -> __m512i {
    let bytes: [u8; 64] = std::array::from_fn(|index| byte(index / 4, index % 4));
    // SAFETY: 64 bytes are read from 64.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Computes `values` in whole groups of 64 pixels; the caller handles the rest. `number` receives a vector that begins
/// with 16 pixels and returns a 32-bit number for each, whose byte `BYTE` is the value.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn each_u8<const C: usize, const BYTE: u8>(pixels: &[u8], values: &mut [u8], number: impl Fn(__m512i) -> __m512i) {
    // Byte `BYTE` of each of the 32 numbers in two vectors.
    let both = lanes(|four, byte| 4 * ((4 * four + byte) as u8 % 32) + BYTE);
    let present = u64::MAX >> (64 - 16 * C);
    let groups = pixels.chunks_exact(64 * C).zip(values.as_chunks_mut::<64>().0);
    for (pixels, values) in groups {
        let sixteen = |index: usize| {
            let pixels = &pixels[16 * C * index..][..16 * C];
            // SAFETY: only the 16 × C bytes of the slice are read.
            number(unsafe { _mm512_maskz_loadu_epi8(present, pixels.as_ptr().cast()) })
        };
        let lower = _mm512_permutex2var_epi8(sixteen(0), both, sixteen(1));
        let upper = _mm512_permutex2var_epi8(sixteen(2), both, sixteen(3));
        let all = _mm512_inserti64x4::<1>(lower, _mm512_castsi512_si256(upper));
        // SAFETY: 64 bytes are written to 64.
        unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), all) };
    }
}

/// Computes Y of 16-bit RGB or RGBA pixels.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn luma_u16<const C: usize>(pixels: &[Le16], values: &mut [Le16]) {
    let weight = |weight: i32| _mm512_set1_epi32(weight);
    let (red, green, blue, half) = (weight(19_595), weight(38_470), weight(7_471), weight(32_768));
    each_u16::<C>(pixels, values, |[r, g, b]| {
        // At most 65,535 × 65,536 + 32,768, which 32 bits hold.
        let red_green = _mm512_add_epi32(_mm512_mullo_epi32(r, red), _mm512_mullo_epi32(g, green));
        let sum = _mm512_add_epi32(red_green, _mm512_add_epi32(_mm512_mullo_epi32(b, blue), half));
        _mm512_srli_epi32::<16>(sum)
    });
    let done = values.len() / 16 * 16;
    scalar::luma::<Le16, C>(&pixels[done * C..], &mut values[done..]);
}

/// Computes V of 16-bit RGB or RGBA pixels.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn value_u16<const C: usize>(pixels: &[Le16], values: &mut [Le16]) {
    each_u16::<C>(pixels, values, |[r, g, b]| _mm512_max_epu32(_mm512_max_epu32(r, g), b));
    let done = values.len() / 16 * 16;
    scalar::value::<Le16, C>(&pixels[done * C..], &mut values[done..]);
}

/// Computes `values` in whole groups of 16 pixels; the caller handles the rest. `number` receives their reds, greens
/// and blues, in 32 bits each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn each_u16<const C: usize>(pixels: &[Le16], values: &mut [Le16], number: impl Fn([__m512i; 3]) -> __m512i) {
    // The pixels lie in one vector and (part of) a second one; each channel goes to the lower 16 of 32 bits.
    let channel = |channel: usize| {
        let places: [u16; 32] = std::array::from_fn(|place| (place / 2 * C + channel) as u16);
        // SAFETY: 64 bytes are read from 64.
        unsafe { _mm512_loadu_si512(places.as_ptr().cast()) }
    };
    let channels = [channel(0), channel(1), channel(2)];
    let present = u32::MAX >> (64 - 16 * C);
    let groups = pixels.chunks_exact(16 * C).zip(values.as_chunks_mut::<16>().0);
    for (pixels, values) in groups {
        let (first, second) = pixels.split_at(32);
        // SAFETY: 64 bytes are read from 32 samples, and only the 16 × C − 32 samples of the rest.
        let (first, second) = unsafe {
            let second = _mm512_maskz_loadu_epi16(present, second.as_ptr().cast());
            (_mm512_loadu_si512(first.as_ptr().cast()), second)
        };
        let [r, g, b] = channels;
        let pick = |places| _mm512_maskz_permutex2var_epi16(EVEN as u32, first, places, second);
        let numbers = _mm512_cvtepi32_epi16(number([pick(r), pick(g), pick(b)]));
        // SAFETY: 32 bytes are written to 16 samples.
        unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), numbers) };
    }
}

/// The plain loop, auto-vectorized.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn hide<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) -> usize {
    scalar::hide::<S, C>(pixels, values)
}

//! Luma of 8-bit pixels.

#![allow(unsafe_code)]

use std::arch::wasm32::*;

use super::super::super::scalar;

/// Computes Y of RGB (`C` = 3) or RGBA (`C` = 4) pixels, 16 at a time.
///
/// The weighted sum takes two `i32x4.dot_i16x8_s`, whose weights are signed 16-bit. Green's weight, 38,470, doesn't
/// fit, so half of it goes beside red and half beside blue: 19595 R + 19235 G, and 7471 B + 19235 G.
#[target_feature(enable = "simd128")]
pub(super) fn luma_u8<const C: usize>(pixels: &[u8], values: &mut [u8]) {
    const PIXELS: usize = 16;
    // Expands four pixels from a vector's first byte on to 16-bit pairs (channel `first`, green); an index above 15
    // selects a zero byte.
    let pairs = |first: u8| {
        let at = |pixel: u8, channel: u8| C as u8 * pixel + channel;
        u8x16(
            at(0, first),
            99,
            at(0, 1),
            99,
            at(1, first),
            99,
            at(1, 1),
            99,
            at(2, first),
            99,
            at(2, 1),
            99,
            at(3, first),
            99,
            at(3, 1),
            99,
        )
    };
    let (red_green, blue_green) = (pairs(0), pairs(2));
    let weights = |first: i32| i32x4_splat(first | 19_235 << 16);
    let (red, blue) = (weights(19_595), weights(7_471));
    let half = i32x4_splat(32_768);
    // Y of the four pixels from `start` on, in 32 bits each.
    let four = |bytes: &[u8], start: usize| {
        let bytes: &[u8; 16] = bytes[start * C..].first_chunk().expect("the loop leaves bytes to spare");
        // SAFETY: 16 bytes are read from 16.
        let bytes = unsafe { v128_load(bytes.as_ptr().cast()) };
        let sum = i32x4_add(
            i32x4_dot_i16x8(u8x16_swizzle(bytes, red_green), red),
            i32x4_dot_i16x8(u8x16_swizzle(bytes, blue_green), blue),
        );
        u32x4_shr(i32x4_add(sum, half), 16)
    };
    let mut done = 0;
    // The load of the last four pixels reads 16 bytes, of which RGB uses 12.
    while values.len() - done >= PIXELS && (pixels.len() - done * C) >= PIXELS * C + 4 {
        let bytes = &pixels[done * C..];
        let low = u16x8_narrow_i32x4(four(bytes, 0), four(bytes, 4));
        let high = u16x8_narrow_i32x4(four(bytes, 8), four(bytes, 12));
        let out: &mut [u8; PIXELS] = values[done..].first_chunk_mut().expect("as many values as the loop asks for");
        // SAFETY: 16 bytes are written to 16.
        unsafe { v128_store(out.as_mut_ptr().cast(), u8x16_narrow_i16x8(low, high)) };
        done += PIXELS;
    }
    scalar::luma::<u8, C>(&pixels[done * C..], &mut values[done..]);
}

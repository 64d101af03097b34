//! Bilinear interpolation between four tables.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::super::sample::{Corners, Le16};
use super::super::super::scalar;
use super::look_up::Table;

/// Replaces each 8-bit value by interpolating between four tables, 64 values at a time. The four tables take half of
/// the registers; the f32 operations are those of the plain kernel, in the same order.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn blend_u8(corners: &[&[u8; 256]; 4], down: f32, across: &[f32], values: &mut [u8]) {
    let [top_left, top_right, bottom_left, bottom_right] =
        [Table::load(corners[0]), Table::load(corners[1]), Table::load(corners[2]), Table::load(corners[3])];
    let (one, up, below) = (_mm512_set1_ps(1.0), _mm512_set1_ps(1.0 - down), _mm512_set1_ps(down));
    let (vectors, rest) = values.as_chunks_mut::<64>();
    let (weights, rest_across) = across.as_chunks::<64>();
    for (vector, weights) in vectors.iter_mut().zip(weights) {
        // SAFETY: 64 bytes are read from 64.
        let from = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
        let entries = [top_left, top_right, bottom_left, bottom_right].map(|table| {
            let mut bytes = [0u8; 64];
            // SAFETY: 64 bytes are written to 64.
            unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), table.look_up(from)) };
            bytes
        });
        let sixteens = vector.as_chunks_mut::<16>().0.iter_mut().zip(weights.as_chunks::<16>().0);
        for (index, (out, right)) in sixteens.enumerate() {
            let entry = |table: usize| {
                let bytes = &entries[table].as_chunks::<16>().0[index];
                // SAFETY: 16 bytes are read from 16.
                _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }))
            };
            // SAFETY: 64 bytes are read from 16 numbers of 32 bits.
            let right = unsafe { _mm512_loadu_ps(right.as_ptr()) };
            let left = _mm512_sub_ps(one, right);
            let top = _mm512_add_ps(_mm512_mul_ps(entry(0), left), _mm512_mul_ps(entry(1), right));
            let bottom = _mm512_add_ps(_mm512_mul_ps(entry(2), left), _mm512_mul_ps(entry(3), right));
            let level = _mm512_add_ps(_mm512_mul_ps(top, up), _mm512_mul_ps(bottom, below));
            // Rounds to the nearest integer, ties to even, regardless of the thread's rounding mode; then saturates at
            // 255.
            let level = _mm512_cvt_roundps_epi32::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(level);
            let bytes = _mm512_cvtusepi32_epi8(level);
            // SAFETY: 16 bytes are written to 16.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), bytes) };
        }
    }
    scalar::blend::<u8>(corners, down, rest_across, rest);
}

/// The plain loop for 16 bits, whose second pass is auto-vectorized.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn blend_u16(corners: &Corners<'_>, down: f32, across: &[f32], values: &mut [Le16]) {
    scalar::blend::<Le16>(corners, down, across, values);
}

//! Table look-up of bytes, with the byte permutes of AVX-512 VBMI.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::super::scalar;

/// Size in bytes from which [`look_up_into`] bypasses the caches (non-temporal stores): an ordinary store first reads
/// the cache line that it overwrites, which would cost a third of the memory bandwidth. No second-level cache holds
/// this much.
const STREAM: usize = 4 << 20;

/// A table of 256 bytes in four registers.
#[derive(Clone, Copy)]
pub(super) struct Table([__m512i; 4]);

impl Table {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load(table: &[u8; 256]) -> Self {
        let mut quarters = [_mm512_setzero_si512(); 4];
        for (quarter, entries) in quarters.iter_mut().zip(table.as_chunks::<64>().0) {
            // SAFETY: 64 bytes are read from 64.
            *quarter = unsafe { _mm512_loadu_si512(entries.as_ptr().cast()) };
        }
        Self(quarters)
    }

    /// Returns the entries for 64 values: the low seven bits select within two registers, the highest between two such
    /// results.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) fn look_up(self, values: __m512i) -> __m512i {
        let [a, b, c, d] = self.0;
        let lower = _mm512_permutex2var_epi8(a, values, b);
        let upper = _mm512_permutex2var_epi8(c, values, d);
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(values), lower, upper)
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are read from 64.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(bytes: &mut [u8; 64], vector: __m512i) {
    // SAFETY: 64 bytes are written to 64.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) };
}

/// Looks up each colour sample of every visible pixel; gray samples in the first table.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn look_up<const C: usize>(tables: [&[u8; 256]; 3], pixels: &mut [u8]) {
    let [red, green, blue] = [Table::load(tables[0]), Table::load(tables[1]), Table::load(tables[2])];
    // A multiple of both the vector and the pixel size.
    let step = if C == 3 { 192 } else { 64 };
    let (whole, rest) = pixels.split_at_mut(pixels.len() / step * step);
    for (index, bytes) in whole.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let samples = load(bytes);
        let first = red.look_up(samples);
        let changed = match C {
            1 => first,
            2 => {
                let gray = _mm512_mask_blend_epi8(0x5555_5555_5555_5555, samples, first);
                let visible = _mm512_test_epi16_mask(samples, _mm512_set1_epi16(0xff00_u16.cast_signed()));
                _mm512_mask_blend_epi16(visible, samples, gray)
            }
            3 => {
                // `EVERY_THIRD[n]` selects bytes n, n + 3, n + 6 and so on. Green is at bytes 1, 4, 7… of the first
                // vector; as 64 = 3 · 21 + 1, each further vector begins one channel later.
                const EVERY_THIRD: [u64; 3] = [0x9249_2492_4924_9249, 0x2492_4924_9249_2492, 0x4924_9249_2492_4924];
                let phase = index % 3;
                let changed = _mm512_mask_blend_epi8(EVERY_THIRD[(4 - phase) % 3], first, green.look_up(samples));
                _mm512_mask_blend_epi8(EVERY_THIRD[(5 - phase) % 3], changed, blue.look_up(samples))
            }
            _ => {
                let changed = _mm512_mask_blend_epi8(0x2222_2222_2222_2222, first, green.look_up(samples));
                let changed = _mm512_mask_blend_epi8(0x4444_4444_4444_4444, changed, blue.look_up(samples));
                let changed = _mm512_mask_blend_epi8(0x8888_8888_8888_8888, changed, samples);
                let visible = _mm512_test_epi32_mask(samples, _mm512_set1_epi32(0xff00_0000_u32.cast_signed()));
                _mm512_mask_blend_epi32(visible, samples, changed)
            }
        };
        store(bytes, changed);
    }
    scalar::look_up::<u8, C>(tables, rest);
}

/// Looks up each byte of `from` and writes the entry to the same position of `to`.
///
/// # Panics
/// Panics if they differ in length.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn look_up_into(table: &[u8; 256], from: &[u8], to: &mut [u8]) {
    assert_eq!(from.len(), to.len(), "a look-up gives as many entries as there are values");
    let streams = to.len() >= STREAM;
    // Non-temporal stores must be aligned.
    let before = if streams { to.as_ptr().align_offset(64).min(to.len()) } else { 0 };
    let (from_before, from) = from.split_at(before);
    let (to_before, to) = to.split_at_mut(before);
    let one_by_one = |from: &[u8], to: &mut [u8]| {
        to.copy_from_slice(from);
        scalar::look_up::<u8, 1>([table; 3], to);
    };
    one_by_one(from_before, to_before);

    let entries = Table::load(table);
    let (from, from_after) = from.as_chunks::<64>();
    let (to, to_after) = to.as_chunks_mut::<64>();
    if streams {
        for (from, to) in from.iter().zip(to) {
            let found = entries.look_up(load(from));
            // SAFETY: 64 bytes are written to 64, at an address that is a multiple of 64, and no other code reads them
            // before the fence.
            unsafe { _mm512_stream_si512(to.as_mut_ptr().cast(), found) };
        }
        _mm_sfence();
    } else {
        for (from, to) in from.iter().zip(to) {
            store(to, entries.look_up(load(from)));
        }
    }
    one_by_one(from_after, to_after);
}

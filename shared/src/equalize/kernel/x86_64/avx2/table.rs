//! Table look-up of bytes.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::super::scalar;

/// Looks up each byte in a table of 256, 32 at a time.
///
/// `vpshufb` looks up the low four bits of an index in a row of 16 entries, and returns 0 if the highest bit of the index
/// is set. Row `r` is stored as its difference (xor) from row `r − 1`, and 16 is subtracted from the index, saturating,
/// before each further row. So exactly the rows up to the index's own contribute, and the xor of their differences is
/// the entry. The upper half of the table works the same way with the index's highest bit flipped.
///
/// After Wojciech Muła, "SIMD byte lookup" (0x80.pl).
#[target_feature(enable = "avx2")]
pub(super) fn look_up(table: &[u8; 256], values: &mut [u8]) {
    let (rows, _) = table.as_chunks::<16>();
    let mut differences = [_mm256_setzero_si256(); 16];
    for (row, difference) in differences.iter_mut().enumerate() {
        // SAFETY: 16 bytes are read from 16.
        let load = |row: &[u8; 16]| unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(row.as_ptr().cast())) };
        let before = if row % 8 == 0 { _mm256_setzero_si256() } else { load(&rows[row - 1]) };
        *difference = _mm256_xor_si256(load(&rows[row]), before);
    }
    let sixteen = _mm256_set1_epi8(16);
    let flip = _mm256_set1_epi8(i8::MIN);
    let (vectors, rest) = values.as_chunks_mut::<32>();
    for vector in vectors {
        // SAFETY: 32 bytes are read from 32.
        let mut low = unsafe { _mm256_loadu_si256(vector.as_ptr().cast()) };
        let mut high = _mm256_xor_si256(low, flip);
        let mut entries = _mm256_setzero_si256();
        for row in 0..8 {
            let found = _mm256_xor_si256(
                _mm256_shuffle_epi8(differences[row], low),
                _mm256_shuffle_epi8(differences[row + 8], high),
            );
            entries = _mm256_xor_si256(entries, found);
            low = _mm256_subs_epi8(low, sixteen);
            high = _mm256_subs_epi8(high, sixteen);
        }
        // SAFETY: 32 bytes are written to 32.
        unsafe { _mm256_storeu_si256(vector.as_mut_ptr().cast(), entries) };
    }
    scalar::look_up::<u8, 1>([table; 3], rest);
}

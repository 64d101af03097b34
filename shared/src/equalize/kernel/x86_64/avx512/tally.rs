//! Histogram of bytes, without a table in memory.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::super::super::sample::tally_u8;

/// Values in a vector.
const VECTOR: usize = 64;
/// Vectors per round; their masks take 6 KiB.
const ROUND: usize = 32;

/// Masks over the values of one vector, with a bit for each of the 64 values.
#[derive(Clone, Copy)]
struct Masks {
    /// Lane `t` of vector `k`: the values whose lower four bits are `8k + t`.
    low: [__m512i; 2],
    /// The values whose upper two bits are 00, 01, 10, 11, then those whose next two bits are.
    high: [u64; 8],
}

/// Adds the counts of each value to 256 bins.
///
/// With a table in memory, each value takes an increment, and the increments of equal neighbours wait for each other.
/// Here 64 values at a time are converted to bit planes, and these to masks of the values with certain upper and lower
/// bits. The number of bits in `upper AND lower` is the count of one level. A vector holds the counts of eight levels
/// and takes three instructions, whatever the values are.
///
/// # Panics
/// Panics if there are fewer than 256 bins.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vpopcntdq,gfni")]
pub(super) fn tally(values: &[u8], bins: &mut [u64]) {
    // For fewer vectors, setting up the constants costs more than it saves.
    if values.len() < 4 * VECTOR {
        return tally_u8(values, bins);
    }
    let bins: &mut [u64; 256] = bins.first_chunk_mut().expect("256 bins for 256 levels");
    let planes = Planes::new();
    let mut masks = [Masks { low: [_mm512_setzero_si512(); 2], high: [0; 8] }; ROUND];
    let (vectors, rest) = values.as_chunks::<VECTOR>();
    for round in vectors.chunks(ROUND) {
        for (vector, masks) in round.iter().zip(&mut masks) {
            *masks = planes.masks(vector);
        }
        let masks = &masks[..round.len()];
        let (lower, upper) = bins.split_at_mut(128);
        count_half::<0>(masks, lower);
        count_half::<2>(masks, upper);
    }
    for value in rest {
        bins[usize::from(*value)] += 1;
    }
}

/// Counts the 128 levels whose upper two bits are `FIRST` or `FIRST + 1`, in sixteen vectors of eight counts, which
/// just fit the registers.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn count_half<const FIRST: usize>(masks: &[Masks], bins: &mut [u64]) {
    let mut counts = [_mm512_setzero_si512(); 16];
    for Masks { low, high } in masks {
        let begins = |index: usize| _mm512_set1_epi64(high[index].cast_signed());
        let first = [begins(FIRST), begins(FIRST + 1)];
        let second = [begins(4), begins(5), begins(6), begins(7)];
        for (index, count) in counts.iter_mut().enumerate() {
            // 0x80: the AND of all three.
            let these = _mm512_ternarylogic_epi64::<0x80>(first[index / 8], second[index / 2 % 4], low[index % 2]);
            *count = _mm512_add_epi64(*count, _mm512_popcnt_epi64(these));
        }
    }
    for (bins, count) in bins.as_chunks_mut::<8>().0.iter_mut().zip(counts) {
        // SAFETY: 64 bytes are read from and written to 64.
        unsafe {
            let sum = _mm512_add_epi64(_mm512_loadu_si512(bins.as_ptr().cast()), count);
            _mm512_storeu_si512(bins.as_mut_ptr().cast(), sum);
        }
    }
}

/// Constants that convert bytes to bit planes and masks.
struct Planes {
    /// Permutation that moves byte `p` of each group of eight to group `p`.
    transpose: __m512i,
    /// For each of the three lowest bits: all ones in the lanes whose index has that bit clear.
    clear: [__m512i; 3],
}

impl Planes {
    #[target_feature(enable = "avx512f,avx512bw")]
    fn new() -> Self {
        let transpose: [u8; 64] = std::array::from_fn(|byte| (byte % 8 * 8 + byte / 8) as u8);
        let clear = |bit: usize| {
            let lanes: [u64; 8] = std::array::from_fn(|lane| if lane >> bit & 1 == 0 { u64::MAX } else { 0 });
            // SAFETY: 64 bytes are read from 64.
            unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
        };
        // SAFETY: 64 bytes are read from 64.
        let transpose = unsafe { _mm512_loadu_si512(transpose.as_ptr().cast()) };
        Self { transpose, clear: [clear(0), clear(1), clear(2)] }
    }

    /// Returns the masks of 64 values. All masks have the values in the same order, which isn't that of memory.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
    fn masks(&self, values: &[u8; VECTOR]) -> Masks {
        // SAFETY: 64 bytes are read from 64.
        let values = unsafe { _mm512_loadu_si512(values.as_ptr().cast()) };
        // Multiplying the identity by each eight bytes, as an 8 × 8 matrix of bits, transposes them: byte `p` of the
        // eight then holds bit `p` of each.
        let identity = _mm512_set1_epi64(0x8040_2010_0804_0201_u64.cast_signed());
        let bits = _mm512_gf2p8affine_epi64_epi8::<0>(identity, values);
        let planes = _mm512_permutexvar_epi8(self.transpose, bits);

        let plane = |bit: i64| _mm512_permutexvar_epi64(_mm512_set1_epi64(bit), planes);
        let agrees = |bit: i64| _mm512_xor_si512(plane(bit), self.clear[bit as usize]);
        let ends = _mm512_ternarylogic_epi64::<0x80>(agrees(0), agrees(1), agrees(2));
        let low = [_mm512_andnot_si512(plane(3), ends), _mm512_and_si512(plane(3), ends)];

        let mut bit = [0u64; 8];
        // SAFETY: 64 bytes are written to 64.
        unsafe { _mm512_storeu_si512(bit.as_mut_ptr().cast(), planes) };
        let pairs = |high: u64, low: u64| [!high & !low, !high & low, high & !low, high & low];
        let [a, b, c, d] = pairs(bit[7], bit[6]);
        let [e, f, g, h] = pairs(bit[5], bit[4]);
        Masks { low, high: [a, b, c, d, e, f, g, h] }
    }
}

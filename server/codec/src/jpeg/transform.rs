//! Forward DCT and quantization of 8 × 8 blocks in integers: the same result on every machine.
//!
//! Every step works on eight numbers at once, which compilers vectorize.

use shared::dct::{
    C0_298, C0_390, C0_541, C0_765, C0_899, C1_175, C1_501, C1_847, C1_961, C2_053, C2_562, C3_072, FRACTION, KEPT,
};

/// Columns transformed at once: sixteen blocks.
pub(super) const COLUMNS: usize = 128;
/// Blocks transformed at once.
pub(super) const BLOCKS: usize = COLUMNS / 8;

/// Returns the 8-point DCT × √8: `even` finishes the outputs without a factor, `odd` those with `FRACTION` more bits.
///
/// C. Loeffler, A. Ligtenberg, G. Moschytz: Practical fast 1-D DCT algorithms with 11 multiplications (ICASSP 1989), as
/// in the Independent JPEG Group's `jfdctint.c`.
#[inline(always)]
fn frequencies(v: [i32; 8], even: impl Fn(i32) -> i32, odd: impl Fn(i32) -> i32) -> [i32; 8] {
    let [s0, s1, s2, s3] = [v[0] + v[7], v[1] + v[6], v[2] + v[5], v[3] + v[4]];
    let [d0, d1, d2, d3] = [v[0] - v[7], v[1] - v[6], v[2] - v[5], v[3] - v[4]];

    let [a, b, c, d] = [s0 + s3, s1 + s2, s1 - s2, s0 - s3];
    let z = (c + d) * C0_541;

    let z1 = (d3 + d0) * -C0_899;
    let z2 = (d2 + d1) * -C2_562;
    let (z3, z4) = (d3 + d1, d2 + d0);
    let z5 = (z3 + z4) * C1_175;
    let (z3, z4) = (z3 * -C1_961 + z5, z4 * -C0_390 + z5);
    [
        even(a + b),
        odd(d0 * C1_501 + z1 + z4),
        odd(z + d * C0_765),
        odd(d1 * C3_072 + z2 + z3),
        even(a - b),
        odd(d2 * C2_053 + z2 + z4),
        odd(z - c * C1_847),
        odd(d3 * C0_298 + z1 + z3),
    ]
}

/// Divides by 2 to the power of `bits`, rounding to nearest, halves upwards.
#[inline(always)]
fn rounded(number: i32, bits: u32) -> i32 {
    (number + (1 << (bits - 1))) >> bits
}

/// Transforms each column.
#[inline(always)]
fn columns(
    rows: [&[i16; COLUMNS]; 8],
    out: &mut [[i16; COLUMNS]; 8],
    even: impl Fn(i32) -> i32,
    odd: impl Fn(i32) -> i32,
) {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    for column in 0..COLUMNS {
        let numbers = [r0[column], r1[column], r2[column], r3[column], r4[column], r5[column], r6[column], r7[column]]
            .map(i32::from);
        let found = frequencies(numbers, &even, &odd);
        for frequency in 0..8 {
            out[frequency][column] = found[frequency] as i16;
        }
    }
}

/// Transposes each block.
#[inline(always)]
fn transpose(from: &[[i16; COLUMNS]; 8], to: &mut [[i16; COLUMNS]; 8]) {
    for block in 0..BLOCKS {
        for (row, column) in [(0, 0), (0, 4), (4, 0), (4, 4)] {
            let at = 8 * block + column;
            let four = [0, 1, 2, 3].map(|index| packed(&from[row + index][at..at + 4]));
            let at = 8 * block + row;
            for (index, four) in transposed(four).into_iter().enumerate() {
                to[column + index][at..at + 4].copy_from_slice(&unpacked(four));
            }
        }
    }
}

#[inline(always)]
fn packed(four: &[i16]) -> u64 {
    four.iter().rev().fold(0, |packed, number| packed << 16 | u64::from(*number as u16))
}

#[inline(always)]
fn unpacked(four: u64) -> [i16; 4] {
    [0, 16, 32, 48].map(|at| (four >> at) as i16)
}

/// Transposes a 4 × 4 matrix; each row is packed into one word, the first number lowest.
#[inline(always)]
fn transposed([a, b, c, d]: [u64; 4]) -> [u64; 4] {
    const EVEN: u64 = 0x0000_ffff_0000_ffff;
    const LOW: u64 = 0xffff_ffff;
    let pair = |a: u64, b: u64| (a & EVEN | (b & EVEN) << 16, a >> 16 & EVEN | b & !EVEN);
    let ((even_ab, odd_ab), (even_cd, odd_cd)) = (pair(a, b), pair(c, d));
    let halves = |ab: u64, cd: u64| (ab & LOW | cd << 32, ab >> 32 | cd & !LOW);
    let ((first, third), (second, fourth)) = (halves(even_ab, even_cd), halves(odd_ab, odd_cd));
    [first, second, third, fourth]
}

/// Quantized blocks, each coefficient at `8 × across + down`.
pub(super) type Blocks = [[i16; 64]; BLOCKS];
/// Zeroed blocks, to be filled.
pub(super) const NO_BLOCKS: Blocks = [[0; 64]; BLOCKS];

/// A quantization table prepared for division, repeated for every block.
#[derive(Debug, Clone)]
pub(super) struct Quantizer(Box<[Divisors; 8]>);

/// Divisors as factors and shifts.
#[derive(Debug, Clone)]
struct Divisors {
    half: [u32; COLUMNS],
    factor: [u32; COLUMNS],
    shift: [u32; COLUMNS],
}

impl Divisors {
    /// Prepares division by `step`.
    ///
    /// Numerators are below 2¹⁵. With `factor = ⌈2ˢ / step⌉` and `2ˢ ≥ 2¹⁵ × step`, `numerator × factor` exceeds the
    /// exact product by less than `2ˢ / step`, which the quotient's fraction leaves room for. Factors are at most 2¹⁶,
    /// so everything fits in 32 bits.
    fn set(&mut self, lane: usize, step: u32) {
        let shift = 15 + step.next_power_of_two().ilog2();
        self.half[lane] = step / 2;
        self.factor[lane] = (1_u64 << shift).div_ceil(u64::from(step)) as u32;
        self.shift[lane] = shift;
    }

    /// Divides, rounding to nearest, halves away from 0.
    #[inline(always)]
    fn divide(&self, numbers: &mut [i16; COLUMNS]) {
        let steps = self.half.iter().zip(&self.factor).zip(&self.shift);
        for (place, ((half, factor), shift)) in numbers.iter_mut().zip(steps) {
            let number = i32::from(*place);
            let quotient = (((number.unsigned_abs() + half) * factor) >> shift) as i32;
            let sign = number >> 31;
            *place = ((quotient ^ sign) - sign) as i16;
        }
    }
}

impl Quantizer {
    /// Creates a quantizer from a table in row order.
    pub(super) fn new(table: &[u16; 64]) -> Self {
        let none = Divisors { half: [0; COLUMNS], factor: [0; COLUMNS], shift: [0; COLUMNS] };
        let mut divisors = Box::new(std::array::from_fn(|_| none.clone()));
        for (place, step) in table.iter().enumerate() {
            let (down, across) = (place / 8, place % 8);
            for block in 0..BLOCKS {
                // The DCT's coefficients are scaled by 8.
                divisors[across].set(8 * block + down, 8 * u32::from(*step));
            }
        }
        Self(divisors)
    }

    /// Transforms and quantizes adjacent blocks of level-shifted samples.
    #[inline(always)]
    pub(super) fn blocks(&self, rows: [&[i16; COLUMNS]; 8], out: &mut Blocks) {
        let mut numbers = [[0; COLUMNS]; 8];
        columns(rows, &mut numbers, |even| even << KEPT, |odd| rounded(odd, FRACTION - KEPT));
        let mut turned = [[0; COLUMNS]; 8];
        transpose(&numbers, &mut turned);
        let [r0, r1, r2, r3, r4, r5, r6, r7] = &turned;
        let rows = [r0, r1, r2, r3, r4, r5, r6, r7];
        columns(rows, &mut numbers, |even| rounded(even, KEPT), |odd| rounded(odd, FRACTION + KEPT));
        for (numbers, divisors) in numbers.iter_mut().zip(self.0.iter()) {
            divisors.divide(numbers);
        }
        for (block, out) in out.iter_mut().enumerate() {
            for (eight, row) in out.as_chunks_mut::<8>().0.iter_mut().zip(&numbers) {
                eight.copy_from_slice(&row[8 * block..8 * block + 8]);
            }
        }
    }
}

/// Position in a block (`8 × across + down`) of each zigzag index (T.81, figure A.6).
pub(super) const ZIGZAG: [usize; 64] = zigzag();

const fn zigzag() -> [usize; 64] {
    let mut order = [0; 64];
    let (mut across, mut down, mut index) = (0_usize, 0_usize, 0);
    while index < 64 {
        order[index] = 8 * across + down;
        index += 1;
        // Up and to the right on even diagonals, down and to the left on odd ones.
        if (across + down) % 2 == 0 {
            if across == 7 {
                down += 1;
            } else {
                across += 1;
                down = down.saturating_sub(1);
            }
        } else if down == 7 {
            across += 1;
        } else {
            down += 1;
            across = across.saturating_sub(1);
        }
    }
    order
}

//! PNG row filters, chosen by the standard's heuristic (PNG third edition, 12.7): the minimum sum of absolute
//! differences. A part's first row may not use the row above, which another worker has.

/// Filter types as numbered in the file.
const NONE: u8 = 0;
const SUB: u8 = 1;
const UP: u8 = 2;
const AVERAGE: u8 = 3;
const PAETH: u8 = 4;

/// Bytes processed at once, which compilers vectorize.
const LANES: usize = 32;

/// Filters rows; each is preceded by its filter type. `step` is the distance to the pixel on the left, in bytes.
pub(super) fn filter(bytes: &[u8], row_bytes: usize, step: usize) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    if wide::available() {
        return wide::filter(bytes, row_bytes, step);
    }
    each_row(bytes, row_bytes, step)
}

#[inline(always)]
fn each_row(bytes: &[u8], row_bytes: usize, step: usize) -> Vec<u8> {
    let mut filtered = vec![0; bytes.len() + bytes.len() / row_bytes];
    let nothing = vec![0; row_bytes];
    let mut above = None;
    for (row, out) in bytes.chunks_exact(row_bytes).zip(filtered.chunks_exact_mut(row_bytes + 1)) {
        let lines = Lines { row, above: above.unwrap_or(&nothing), step: step.min(row_bytes) };
        let costs = lines.costs();
        let allowed = if above.is_some() { &costs[..] } else { &costs[..=usize::from(SUB)] };
        // The first of the minima.
        let kind = (0..).zip(allowed).min_by_key(|(_, cost)| **cost).map_or(NONE, |(kind, _)| kind);
        let (number, out) = out.split_first_mut().expect("a row has its filter's number");
        *number = kind;
        match kind {
            NONE => out.copy_from_slice(row),
            SUB => lines.put::<SUB>(out),
            UP => lines.put::<UP>(out),
            AVERAGE => lines.put::<AVERAGE>(out),
            _ => lines.put::<PAETH>(out),
        }
        above = Some(row);
    }
    filtered
}

/// A row and the one above it.
struct Lines<'a> {
    row: &'a [u8],
    above: &'a [u8],
    step: usize,
}

impl Lines<'_> {
    /// Returns, for each filter, the sum of the absolute values of its differences, taken as signed bytes.
    #[inline(always)]
    fn costs(&self) -> [u64; 5] {
        let mut costs = [0; 5];
        let mut add = |[row, left, up, up_left]: [&[u8]; 4]| {
            for (((byte, left), up), up_left) in row.iter().zip(left).zip(up).zip(up_left) {
                let distances = distances(*byte, *left, *up, *up_left);
                costs.iter_mut().zip(distances).for_each(|(cost, distance)| *cost += u64::from(distance));
            }
        };
        let (first, others) = self.split();
        add(first);
        let [row, left, up, up_left] = others.map(|line| line.as_chunks::<LANES>());
        add([row.1, left.1, up.1, up_left.1]);
        // The sum of this many values of at most 128 fits in 16 bits.
        const AT_ONCE: usize = 511;
        let [row, left, up, up_left] = [row.0, left.0, up.0, up_left.0].map(|line| line.chunks(AT_ONCE));
        for (((row, left), up), up_left) in row.zip(left).zip(up).zip(up_left) {
            let mut sums = [[0_u16; LANES]; 5];
            for (((row, left), up), up_left) in row.iter().zip(left).zip(up).zip(up_left) {
                for lane in 0..LANES {
                    let distances = distances(row[lane], left[lane], up[lane], up_left[lane]);
                    for (sums, distance) in sums.iter_mut().zip(distances) {
                        sums[lane] += u16::from(distance);
                    }
                }
            }
            for (cost, sums) in costs.iter_mut().zip(&sums) {
                *cost += sums.iter().map(|sum| u64::from(*sum)).sum::<u64>();
            }
        }
        costs
    }

    /// Returns the row, its left neighbours, the row above and the upper left neighbours: for the first pixel, whose
    /// left neighbours count as 0, and for all others.
    #[inline(always)]
    fn split(&self) -> ([&[u8]; 4], [&[u8]; 4]) {
        const NOTHING: [u8; 16] = [0; 16];
        let Self { row, above, step } = *self;
        let rest = row.len() - step;
        let first = [&row[..step], &NOTHING[..step], &above[..step], &NOTHING[..step]];
        (first, [&row[step..], &row[..rest], &above[step..], &above[..rest]])
    }

    /// Writes a filter's differences.
    #[inline(always)]
    fn put<const KIND: u8>(&self, out: &mut [u8]) {
        let (first, others) = self.split();
        let (out_first, out_others) = out.split_at_mut(self.step);
        for (out, [row, left, up, up_left]) in [(out_first, first), (out_others, others)] {
            for ((((out, byte), left), up), up_left) in out.iter_mut().zip(row).zip(left).zip(up).zip(up_left) {
                *out = byte.wrapping_sub(predicted::<KIND>(*left, *up, *up_left));
            }
        }
    }
}

/// Returns the absolute value of each filter's difference.
#[inline(always)]
fn distances(byte: u8, left: u8, up: u8, up_left: u8) -> [u8; 5] {
    let predicted = [
        predicted::<NONE>(left, up, up_left),
        predicted::<SUB>(left, up, up_left),
        predicted::<UP>(left, up, up_left),
        predicted::<AVERAGE>(left, up, up_left),
        predicted::<PAETH>(left, up, up_left),
    ];
    predicted.map(|predicted| (byte.wrapping_sub(predicted) as i8).unsigned_abs())
}

/// Returns a filter's prediction (PNG third edition, 9.2).
#[inline(always)]
fn predicted<const KIND: u8>(left: u8, up: u8, up_left: u8) -> u8 {
    match KIND {
        NONE => 0,
        SUB => left,
        UP => up,
        AVERAGE => ((u16::from(left) + u16::from(up)) / 2) as u8,
        _ => paeth(left, up, up_left),
    }
}

/// Returns whichever of left, up and up-left is nearest to left + up − up-left (PNG third edition, 9.4).
#[inline(always)]
fn paeth(left: u8, up: u8, up_left: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(up_left));
    let (to_a, to_b, to_c) = ((b - c).abs(), (a - c).abs(), (a + b - 2 * c).abs());
    let of_b_and_c = if to_b <= to_c { up } else { up_left };
    if to_a <= to_b.min(to_c) { left } else { of_b_and_c }
}

/// AVX2 version (processors since 2013), three times as fast.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::is_x86_feature_detected;

    pub(super) fn available() -> bool {
        is_x86_feature_detected!("avx2")
    }

    #[allow(unsafe_code)]
    pub(super) fn filter(bytes: &[u8], row_bytes: usize, step: usize) -> Vec<u8> {
        assert!(available());
        // SAFETY: `available` has just confirmed that the processor has AVX2.
        unsafe { enabled(bytes, row_bytes, step) }
    }

    #[target_feature(enable = "avx2")]
    fn enabled(bytes: &[u8], row_bytes: usize, step: usize) -> Vec<u8> {
        super::each_row(bytes, row_bytes, step)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_machine_filters_alike(
            row_bytes in 1..40_000_usize,
            step in 1..=8_usize,
            rows in 1..4_usize,
            seed in any::<u32>(),
            smooth in 0..8_u32,
        ) {
            let mut state = seed;
            let bytes: Vec<u8> = (0..row_bytes * rows)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24 >> smooth) as u8
                })
                .collect();
            if wide::available() {
                prop_assert!(wide::filter(&bytes, row_bytes, step) == each_row(&bytes, row_bytes, step));
            }
        }
    }
}

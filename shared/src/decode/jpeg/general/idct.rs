//! Inverse DCT in integers, bit for bit libjpeg's (`jidctint.c`), so that both decode to the same samples.
//!
//! C. Loeffler, A. Ligtenberg, G. Moschytz: Practical fast 1-D DCT algorithms with 11 multiplications (ICASSP 1989).

use super::frame::{Block, Coefficients};
use crate::dct::{
    C0_298, C0_390, C0_541, C0_765, C0_899, C1_175, C1_501, C1_847, C1_961, C2_053, C2_562, C3_072, FRACTION, KEPT,
};

/// Returns the 8-point inverse DCT × √8 × 2¹³, divided by 2 to the power of `shift`, rounded. Coefficients of hostile files
/// may overflow; their samples don't matter.
fn samples(f: [i32; 8], shift: u32) -> [i32; 8] {
    let mul = i32::wrapping_mul;
    let add = i32::wrapping_add;
    let sub = i32::wrapping_sub;
    // Even part.
    let z = mul(add(f[2], f[6]), C0_541);
    let (low, high) = (sub(z, mul(f[6], C1_847)), add(z, mul(f[2], C0_765)));
    let (sum, difference) = (add(f[0], f[4]) << FRACTION, sub(f[0], f[4]) << FRACTION);
    let even = [add(sum, high), add(difference, low), sub(difference, low), sub(sum, high)];
    // Odd part.
    let (z1, z2, z3, z4) = (add(f[7], f[1]), add(f[5], f[3]), add(f[7], f[3]), add(f[5], f[1]));
    let z5 = mul(add(z3, z4), C1_175);
    let (z1, z2) = (mul(z1, -C0_899), mul(z2, -C2_562));
    let (z3, z4) = (add(mul(z3, -C1_961), z5), add(mul(z4, -C0_390), z5));
    let odd = [
        add(add(mul(f[1], C1_501), z1), z4),
        add(add(mul(f[3], C3_072), z2), z3),
        add(add(mul(f[5], C2_053), z2), z4),
        add(add(mul(f[7], C0_298), z1), z3),
    ];
    let rounded = |number: i32| add(number, 1 << (shift - 1)) >> shift;
    std::array::from_fn(|place| {
        rounded(if place < 4 { add(even[place], odd[place]) } else { sub(even[7 - place], odd[7 - place]) })
    })
}

/// Returns the samples of a block, row by row, 0 to 255.
fn block(coefficients: &Block, steps: &[u16; 64]) -> [u8; 64] {
    let columns: [[i32; 8]; 8] = std::array::from_fn(|column| {
        let frequencies = std::array::from_fn(|row| {
            let at = 8 * row + column;
            i32::from(coefficients[at]).wrapping_mul(steps[at].into())
        });
        samples(frequencies, FRACTION - KEPT)
    });
    let mut found = [0; 64];
    for (row, to) in found.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *to = samples(columns.map(|column| column[row]), FRACTION + KEPT + 3)
            .map(|sample| sample.saturating_add(128).clamp(0, 255) as u8);
    }
    found
}

/// Samples of a component, in whole blocks.
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    pub(super) stride: usize,
    /// Size without the padding.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pixels per sample, horizontally and vertically.
    pub(super) pixels: (usize, usize),
}

impl Plane {
    /// Transforms a component's coefficients.
    pub(super) fn new(component: &Coefficients, steps: &[u16; 64]) -> Self {
        let stride = 8 * component.stride;
        let mut samples = vec![0; component.blocks.len() * 64];
        for (index, coefficients) in component.blocks.iter().enumerate() {
            let at = index / component.stride * 8 * stride + index % component.stride * 8;
            for (row, eight) in block(coefficients, steps).as_chunks::<8>().0.iter().enumerate() {
                samples[at + row * stride..][..8].copy_from_slice(eight);
            }
        }
        Self { samples, stride, width: component.width, height: component.height, pixels: component.pixels }
    }

    /// Returns a row without padding; rows beyond the edges are those at the edges.
    pub(super) fn row(&self, row: isize) -> &[u8] {
        let row = row.clamp(0, self.height as isize - 1) as usize;
        &self.samples[row * self.stride..][..self.width]
    }
}

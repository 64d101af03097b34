//! The encoder's steps compared with their definitions.
#![allow(clippy::unwrap_used)]

use std::f64::consts::PI;

use proptest::prelude::*;

use super::transform::{BLOCKS, COLUMNS, NO_BLOCKS, Quantizer, ZIGZAG};

/// T.81, A.3.3: the DCT of a block of level-shifted samples, at `8 × across + down`, unrounded.
fn defined(samples: &[[i16; 8]; 8]) -> [f64; 64] {
    let scale = |frequency: usize| if frequency == 0 { 0.5_f64.sqrt() } else { 1.0 };
    let wave = |place: usize, frequency: usize| ((2 * place + 1) as f64 * frequency as f64 * PI / 16.0).cos();
    std::array::from_fn(|index| {
        let (across, down) = (index / 8, index % 8);
        let mut sum = 0.0;
        for (y, row) in samples.iter().enumerate() {
            for (x, sample) in row.iter().enumerate() {
                sum += f64::from(*sample) * wave(x, across) * wave(y, down);
            }
        }
        sum * scale(across) * scale(down) / 4.0
    })
}

fn strip(blocks: &[[[i16; 8]; 8]; BLOCKS]) -> [[i16; COLUMNS]; 8] {
    std::array::from_fn(|row| std::array::from_fn(|column| blocks[column / 8][row][column % 8]))
}

fn quantized(blocks: &[[[i16; 8]; 8]; BLOCKS], table: &[u16; 64]) -> [[i16; 64]; BLOCKS] {
    let strip = strip(blocks);
    let mut found = NO_BLOCKS;
    Quantizer::new(table).blocks(std::array::from_fn(|row| &strip[row]), &mut found);
    found
}

fn some_blocks() -> impl Strategy<Value = [[[i16; 8]; 8]; BLOCKS]> {
    let sample = prop_oneof![Just(-128), Just(127), -128..=127_i16];
    prop::collection::vec(sample, BLOCKS * 64).prop_map(|all| {
        std::array::from_fn(|block| std::array::from_fn(|y| std::array::from_fn(|x| all[block * 64 + y * 8 + x])))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frequencies_are_those_of_the_standard_to_the_nearest_step(
        blocks in some_blocks(), table in prop::collection::vec(1..=255_u16, 64),
    ) {
        let table: [u16; 64] = table.try_into().unwrap();
        for (block, found) in blocks.iter().zip(quantized(&blocks, &table)) {
            let exact = defined(block);
            for (place, step) in table.into_iter().enumerate() {
                let place = 8 * (place % 8) + place / 8;
                // The fixed-point transform is off by less than a quarter of a level; the division rounds to nearest.
                let (found, exact) = (f64::from(found[place]), exact[place] / f64::from(step));
                prop_assert!((found - exact).abs() <= 0.5 + 0.25 / f64::from(step), "{found} for {exact}, step {step}");
            }
        }
    }
}

#[test]
fn zigzag_order_is_the_standards() {
    // T.81, figure A.6, at `8 × across + down`.
    assert_eq!(ZIGZAG[..10], [0, 8, 1, 2, 9, 16, 24, 17, 10, 3]);
    assert_eq!(ZIGZAG[62..], [55, 63]);
    let mut all = ZIGZAG;
    all.sort_unstable();
    assert!(all.into_iter().eq(0..64));
}

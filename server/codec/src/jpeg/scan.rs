//! JPEG scan encoder: the file's only scan, in pieces of whole rows of MCUs; baseline, Huffman-coded, interleaved
//! (ITU-T T.81).
//!
//! This is our own encoder because a part is a piece of a scan, and because the bytes must be the same on every
//! machine: it uses only integers.

use shared::decode::jpeg::{Colors, Sampling};
use shared::job::ImageInfo;
use shared::pixels::{Rows, Samples};

use super::super::{Part, PartIndex, Result, refuse};
use super::Head;
use super::huffman::{self, Codes, Writer};
use super::planes::{Plane, Planes};
use super::transform::{BLOCKS, Blocks, NO_BLOCKS, Quantizer};

impl Head {
    /// Encodes the rows from `first_row` on: their piece of the scan, including the restart marker before it.
    pub(crate) fn part(&self, info: &ImageInfo, first_row: u32, rows: &Rows) -> Result<Part> {
        let Samples::U8(samples) = &rows.samples else {
            return refuse(format!("A JPEG has 8 bits a sample, not {}.", rows.samples.depth().bits()));
        };
        let bytes = Scan::new(self, info).rows(first_row / self.mcu_height(), samples);
        let index = PartIndex {
            bytes: bytes.len() as u64,
            rows: rows.height() as u32,
            pieces: Vec::new(),
            overviews: Vec::new(),
            adler32: None,
            raw_bytes: samples.len() as u64,
        };
        Ok(Part { index, bytes })
    }

    fn mcu_height(&self) -> u32 {
        8 * u32::from(self.sampling.down())
    }

    /// Whether a component is coded by the codes for chroma.
    pub(super) fn has_chroma_codes(&self, component: usize) -> bool {
        matches!(self.colors, Colors::YCbCr | Colors::Ycck) && matches!(component, 1 | 2)
    }

    /// Returns the number of MCUs per row.
    pub(super) fn mcus(&self, info: &ImageInfo) -> u32 {
        info.width.div_ceil(8 * u32::from(self.sampling.across()))
    }
}

/// Parameters for encoding rows.
struct Scan {
    components: Vec<Component>,
    sampling: Sampling,
    mcus: usize,
    width: usize,
    colors: Colors,
}

/// Parameters of a component.
struct Component {
    quantizer: Quantizer,
    codes: &'static Codes,
    /// Blocks per MCU.
    across: usize,
    down: usize,
}

impl Scan {
    fn new(head: &Head, info: &ImageInfo) -> Self {
        let component = |(index, (across, down)): (usize, &(u8, u8))| Component {
            quantizer: Quantizer::new(&head.tables[usize::from(head.table_of[index])]),
            codes: if head.has_chroma_codes(index) { &huffman::CHROMA } else { &huffman::LUMA },
            across: (*across).into(),
            down: (*down).into(),
        };
        Self {
            components: head.sampling.factors.iter().enumerate().map(component).collect(),
            sampling: head.sampling.clone(),
            mcus: head.mcus(info) as usize,
            width: info.width as usize,
            colors: head.colors,
        }
    }

    /// Encodes rows of pixels that are preceded by `before` rows of MCUs.
    fn rows(&self, before: u32, rows: &[u8]) -> Vec<u8> {
        #[cfg(target_arch = "x86_64")]
        if wide::available() {
            return wide::rows(self, before, rows);
        }
        self.each_row(before, rows)
    }

    /// Portable implementation; inlined into `wide::rows` where more instructions are available.
    #[inline(always)]
    fn each_row(&self, before: u32, rows: &[u8]) -> Vec<u8> {
        let mut scan = Vec::with_capacity(rows.len() / 4 + 1_024);
        let mut planes = Planes::new(self.mcus, &self.sampling, self.colors);
        let blocks = self.components.iter().zip(&planes.components);
        let mut blocks: Vec<_> = blocks.map(|(one, plane)| vec![NO_BLOCKS; plane.strips() * one.down]).collect();
        let row_bytes = self.width * self.components.len();
        for (number, rows) in (before..).zip(rows.chunks(row_bytes * 8 * usize::from(self.sampling.down()))) {
            if number > 0 {
                // Restart markers count modulo 8 (T.81, B.2.1).
                scan.extend([0xff, 0xd0 + ((number - 1) % 8) as u8]);
            }
            planes.fill(rows, self.width);
            for ((component, plane), blocks) in self.components.iter().zip(&planes.components).zip(&mut blocks) {
                quantize(&component.quantizer, plane, blocks);
            }
            self.write(&blocks, &mut scan);
        }
        scan
    }

    /// Writes a row of MCUs.
    #[inline(always)]
    fn write(&self, blocks: &[Vec<Blocks>], scan: &mut Vec<u8>) {
        let mut writer = Writer::new(scan);
        let components = self.components.iter().zip(blocks);
        let mut components: Vec<_> =
            components.map(|(one, blocks)| (one, blocks.chunks_exact(blocks.len() / one.down), 0)).collect();
        for mcu in 0..self.mcus {
            for (component, rows, mean) in &mut components {
                for row in rows.clone() {
                    for place in mcu * component.across..(mcu + 1) * component.across {
                        let block = &row[place / BLOCKS][place % BLOCKS];
                        writer.block(component.codes, block, *mean);
                        *mean = block[0];
                    }
                }
            }
        }
        writer.finish();
    }
}

/// Transforms and quantizes a plane's blocks, strip by strip, one row of blocks after the other.
#[inline(always)]
fn quantize(quantizer: &Quantizer, plane: &Plane, blocks: &mut [Blocks]) {
    let strips = plane.strips();
    for (index, blocks) in blocks.iter_mut().enumerate() {
        quantizer.blocks(plane.strip(index % strips, index / strips), blocks);
    }
}

/// Version for AVX2, BMI and LZCNT (processors since 2013), three times as fast.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::is_x86_feature_detected;

    use super::Scan;

    pub(super) fn available() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
    }

    #[allow(unsafe_code)]
    pub(super) fn rows(scan: &Scan, before: u32, rows: &[u8]) -> Vec<u8> {
        assert!(available());
        // SAFETY: `available` has just confirmed that the processor has these instructions.
        unsafe { enabled(scan, before, rows) }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn enabled(scan: &Scan, before: u32, rows: &[u8]) -> Vec<u8> {
        scan.each_row(before, rows)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn wider_instructions_make_the_same_bytes(
            (width, factors, kind) in (1..300_usize, prop::collection::vec((1..=2_u8, 1..=2_u8), 4), 0..5_usize),
            height in 1..40_usize, seed: u32, before in 0..20_u32,
        ) {
            let colors = [Colors::Gray, Colors::YCbCr, Colors::Rgb, Colors::Cmyk, Colors::Ycck][kind];
            let factors = match kind {
                0 => vec![(1, 1)],
                1 | 2 => factors[..3].to_vec(),
                _ => factors,
            };
            let mut state = seed;
            let rows: Vec<u8> = (0..width * height * factors.len())
                .map(|index| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (index % 256) as u8 ^ (state >> 27) as u8
                })
                .collect();
            let table = std::array::from_fn(|index| 1 + index as u16);
            let component = |(across, down): &(u8, u8)| Component {
                quantizer: Quantizer::new(&table), codes: &huffman::LUMA, across: (*across).into(), down: (*down).into(),
            };
            let components = factors.iter().map(component).collect();
            let sampling = Sampling { factors, changed: false };
            let mcus = width.div_ceil(8 * usize::from(sampling.across()));
            let scan = Scan { components, sampling, mcus, width, colors };
            if wide::available() {
                prop_assert_eq!(wide::rows(&scan, before, &rows), scan.each_row(before, &rows));
            }
        }
    }
}

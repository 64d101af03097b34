//! JPEG scan encoder: the file's only scan, in pieces of whole rows of MCUs; baseline, Huffman-coded, interleaved
//! (ITU-T T.81).
//!
//! This is our own encoder because a part is a piece of a scan, and because the bytes must be the same on every
//! machine: it uses only integers.

use shared::job::ImageInfo;
use shared::pixels::{Rows, Samples};

use super::super::{Part, PartIndex, Result, refuse};
use super::Head;
use super::huffman::{self, Writer};
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
        8 * u32::from(self.sampling.1)
    }

    /// Returns the number of MCUs per row.
    pub(super) fn mcus(&self, info: &ImageInfo) -> u32 {
        info.width.div_ceil(8 * u32::from(self.sampling.0))
    }
}

/// Parameters for encoding rows.
struct Scan {
    luma: Quantizer,
    chroma: Quantizer,
    /// Luma blocks per MCU.
    across: usize,
    down: usize,
    mcus: usize,
    width: usize,
    colors: bool,
}

impl Scan {
    fn new(head: &Head, info: &ImageInfo) -> Self {
        Self {
            luma: Quantizer::new(&head.luma),
            chroma: Quantizer::new(&head.chroma),
            across: usize::from(head.sampling.0),
            down: usize::from(head.sampling.1),
            mcus: head.mcus(info) as usize,
            width: info.width as usize,
            colors: info.layout.channels() == 3,
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
        let mut planes = Planes::new(self.mcus, self.across, self.down, self.colors);
        let mut luma = vec![NO_BLOCKS; planes.luma.strips() * self.down];
        let mut chroma = [(); 2].map(|()| vec![NO_BLOCKS; planes.chroma[0].strips()]);
        let row_bytes = self.width * if self.colors { 3 } else { 1 };
        for (number, rows) in (before..).zip(rows.chunks(row_bytes * 8 * self.down)) {
            if number > 0 {
                // Restart markers count modulo 8 (T.81, B.2.1).
                scan.extend([0xff, 0xd0 + ((number - 1) % 8) as u8]);
            }
            if self.colors {
                planes.rgb(rows, self.width);
            } else {
                planes.gray(rows, self.width);
            }
            quantize(&self.luma, &planes.luma, &mut luma);
            for (plane, blocks) in planes.chroma.iter().zip(&mut chroma) {
                quantize(&self.chroma, plane, blocks);
            }
            self.write(&luma, &chroma, &mut scan);
        }
        scan
    }

    /// Writes a row of MCUs.
    #[inline(always)]
    fn write(&self, luma: &[Blocks], chroma: &[Vec<Blocks>; 2], scan: &mut Vec<u8>) {
        let strips = luma.len() / self.down;
        let mut writer = Writer::new(scan);
        let mut means = [0; 3];
        for mcu in 0..self.mcus {
            for down in 0..self.down {
                for across in 0..self.across {
                    let place = mcu * self.across + across;
                    let block = &luma[down * strips + place / BLOCKS][place % BLOCKS];
                    writer.block(&huffman::LUMA, block, means[0]);
                    means[0] = block[0];
                }
            }
            if self.colors {
                for (blocks, mean) in chroma.iter().zip(&mut means[1..]) {
                    let block = &blocks[mcu / BLOCKS][mcu % BLOCKS];
                    writer.block(&huffman::CHROMA, block, *mean);
                    *mean = block[0];
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
            (width, across, down, colors) in (1..300_usize, 1..=2_usize, 1..=2_usize, any::<bool>()), height in 1..40_usize, seed: u32, before in 0..20_u32,
        ) {
            let mut state = seed;
            let rows: Vec<u8> = (0..width * height * if colors { 3 } else { 1 })
                .map(|index| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (index % 256) as u8 ^ (state >> 27) as u8
                })
                .collect();
            let table = std::array::from_fn(|index| 1 + index as u16);
            let (across, down) = if colors { (across, down) } else { (1, 1) };
            let mcus = width.div_ceil(8 * across);
            let scan = Scan { luma: Quantizer::new(&table), chroma: Quantizer::new(&table), across, down, mcus, width, colors };
            if wide::available() {
                prop_assert_eq!(wide::rows(&scan, before, &rows), scan.each_row(before, &rows));
            }
        }
    }
}

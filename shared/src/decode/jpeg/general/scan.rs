//! Decoding of a scan's MCUs, by Huffman or arithmetic codes (T.81, B.2.3, E.2.4 and annexes F and G).

use super::super::super::error::{Result, damaged};
use super::arithmetic::{AcStatistics, DcStatistics, Decoder};
use super::bits::{Bits, Next};
use super::frame::{Coefficients, Geometry};
use super::huffman::{self, Band};
use super::tables::Tables;
use crate::job::Format;

/// Parameters of a scan.
pub(super) struct Scan {
    /// For each component: its index in the frame, and its tables for DC and AC coefficients.
    pub(super) components: Vec<(usize, usize, usize)>,
    pub(super) band: Band,
    /// Whether the scan refines coefficients by a bit.
    pub(super) refines: bool,
    pub(super) progressive: bool,
}

/// State of a component that a restart marker resets.
#[derive(Default, Clone, Copy)]
struct Before {
    dc: i32,
    context: usize,
}

/// Entropy decoder of a scan.
enum Coder<'a, 'b> {
    Huffman { bits: &'b mut Bits<'a>, run: u32 },
    Arithmetic { decoder: Decoder<'a, 'b>, statistics: Box<([DcStatistics; 4], [AcStatistics; 4])> },
}

impl<'a, 'b> Coder<'a, 'b> {
    fn new(bits: &'b mut Bits<'a>, arithmetic: bool) -> Self {
        if !arithmetic {
            return Self::Huffman { bits, run: 0 };
        }
        Self::Arithmetic { decoder: Decoder::new(bits), statistics: Box::default() }
    }

    /// Whether the data ended before the last block.
    fn exhausted(&self) -> bool {
        match self {
            Self::Huffman { bits, .. } => bits.exhausted(),
            // Zeros at the end of the data may be omitted (T.81, D.1.7).
            Self::Arithmetic { .. } => false,
        }
    }

    /// Starts the interval after the restart marker of this number.
    fn restart(&mut self, number: u8) -> Next {
        match self {
            Self::Huffman { bits, run } => {
                *run = 0;
                bits.restart(number)
            }
            Self::Arithmetic { decoder, statistics } => {
                let next = decoder.bits().restart(number);
                decoder.restart();
                **statistics = Default::default();
                next
            }
        }
    }

    /// Decodes what the scan has of a block; `None` if its data are wrong.
    fn block(
        &mut self,
        scan: &Scan,
        tables: &Tables,
        (dc_table, ac_table): (usize, usize),
        before: &mut Before,
        block: &mut [i16; 64],
    ) -> Option<()> {
        let band = scan.band;
        let has_dc = band.first == 0;
        if has_dc && scan.refines {
            let bit = match self {
                Self::Huffman { bits, .. } => bits.take(1) == 1,
                Self::Arithmetic { decoder, .. } => decoder.refine_dc(),
            };
            block[0] |= i16::from(bit) << band.shift;
            return Some(());
        }
        if has_dc {
            let difference = match self {
                Self::Huffman { bits, .. } => huffman::dc(bits, tables.dc[dc_table].as_ref()?)?,
                Self::Arithmetic { decoder, statistics } => {
                    decoder.dc(&mut statistics.0[dc_table], tables.conditioning[dc_table].dc, &mut before.context)?
                }
            };
            before.dc = before.dc.wrapping_add(difference);
            block[0] = (before.dc << band.shift) as i16;
        }
        if band.last == 0 {
            return Some(());
        }
        match self {
            Self::Huffman { bits, run } => {
                let table = tables.ac[ac_table].as_ref()?;
                match (scan.progressive, scan.refines) {
                    (false, _) => huffman::ac(bits, table, block),
                    (true, false) => huffman::first_ac(bits, table, band, run, block),
                    (true, true) => huffman::refine_ac(bits, table, band, run, block),
                }
            }
            Self::Arithmetic { decoder, statistics } => {
                let statistics = &mut statistics.1[ac_table];
                if scan.refines {
                    return decoder.refine_ac(statistics, band, block);
                }
                let band = Band { first: band.first.max(1), ..band };
                decoder.ac(statistics, tables.conditioning[ac_table].low_frequencies, band, block)
            }
        }
    }
}

impl Scan {
    /// Decodes the scan's data, and returns the numbers of MCUs that are missing and of all MCUs. The blocks of missing ones stay
    /// as they are.
    pub(super) fn decode(
        &self,
        bits: &mut Bits<'_>,
        tables: &Tables,
        geometry: &Geometry,
        frame: &mut [Coefficients],
    ) -> Result<(usize, usize)> {
        let mut coder = Coder::new(bits, tables.arithmetic);
        let single = self.components.len() == 1;
        let (across, rows) = if single { frame[self.components[0].0].size() } else { geometry.mcus() };
        for (index, ..) in &self.components {
            frame[*index].lowest[self.band.first..=self.band.last].fill(self.band.shift as u8);
        }
        let all = across * rows;
        let mut missing = 0;
        let mut before = [Before::default(); 4];
        for mcu in 0..all {
            if tables.interval > 0 && mcu > 0 && mcu % tables.interval == 0 {
                match coder.restart(((mcu / tables.interval - 1) % 8) as u8) {
                    Next::Expected => before = [Before::default(); 4],
                    Next::Wrong => return Err(damaged(Format::Jpeg, "its restart markers are out of order")),
                    Next::Over => return Ok((missing + all - mcu, all)),
                }
            }
            if coder.exhausted() {
                missing += 1;
                continue;
            }
            let place = (mcu % across, mcu / across);
            for ((index, dc, ac), before) in self.components.iter().zip(&mut before) {
                let component = &mut frame[*index];
                let (wide, high) = if single { (1, 1) } else { (component.across, component.down) };
                for block in 0..wide * high {
                    let (x, y) = (place.0 * wide + block % wide, place.1 * high + block / wide);
                    let at = y * component.stride + x;
                    // Where the data end within an MCU, its further blocks are decoded from zeros, as by libjpeg.
                    let done = coder.block(self, tables, (*dc, *ac), before, &mut component.blocks[at]);
                    if done.is_none() && !coder.exhausted() {
                        return Err(damaged(Format::Jpeg, "the data of a scan are wrong"));
                    }
                }
            }
            if coder.exhausted() {
                if tables.interval == 0 {
                    return Ok((all - mcu, all));
                }
                missing += 1;
            }
        }
        Ok((missing, all))
    }
}

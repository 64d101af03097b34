//! Tables and parameters that segments before and between scans define (T.81, B.2.4).

use super::super::super::error::{Result, damaged};
use super::super::segments;
use super::arithmetic::Conditioning;
use super::huffman::Table;
use crate::job::Format;

/// Conditioning of the arithmetic decoder, for tables of one number.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfNumber {
    pub(super) dc: Conditioning,
    /// Kx: the last of the low frequencies.
    pub(super) low_frequencies: u8,
}

/// Everything that segments define, by number of the table.
pub(super) struct Tables {
    pub(super) arithmetic: bool,
    pub(super) dc: [Option<Table>; 4],
    pub(super) ac: [Option<Table>; 4],
    pub(super) conditioning: [OfNumber; 4],
    /// Quantization tables in row-major order.
    pub(super) steps: [Option<[u16; 64]>; 4],
    /// MCUs per restart interval; 0 without restart markers.
    pub(super) interval: usize,
}

impl Tables {
    pub(super) fn new(arithmetic: bool) -> Self {
        Self {
            arithmetic,
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            conditioning: [OfNumber { dc: Conditioning::default(), low_frequencies: 5 }; 4],
            steps: [None; 4],
            interval: 0,
        }
    }

    /// Takes over what a segment defines; segments of other kinds are ignored.
    pub(super) fn define(&mut self, marker: u8, data: &[u8]) -> Result<()> {
        match marker {
            0xdb => segments::tables(&mut self.steps, data),
            0xc4 => self.codes(data).ok_or_else(|| damaged(Format::Jpeg, "its Huffman tables are wrong")),
            0xcc => self.conditioning(data).ok_or_else(|| damaged(Format::Jpeg, "its arithmetic coding is wrong")),
            0xdd => {
                let interval =
                    data.first_chunk().ok_or_else(|| damaged(Format::Jpeg, "its restart interval is wrong"))?;
                self.interval = u16::from_be_bytes(*interval).into();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn codes(&mut self, mut data: &[u8]) -> Option<()> {
        while let Some((kind, rest)) = data.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let count = counts.iter().map(|count| usize::from(*count)).sum();
            let (values, rest) = rest.split_at_checked(count)?;
            let tables = if kind >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(kind & 15)).filter(|_| kind >> 4 < 2)? = Some(Table::new(counts, values)?);
            data = rest;
        }
        Some(())
    }

    fn conditioning(&mut self, data: &[u8]) -> Option<()> {
        for [kind, value] in data.as_chunks::<2>().0 {
            let number = self.conditioning.get_mut(usize::from(kind & 15))?;
            match kind >> 4 {
                0 => number.dc = Conditioning { lower: value & 15, upper: value >> 4 },
                1 => number.low_frequencies = *value,
                _ => return None,
            }
        }
        Some(())
    }
}

//! Huffman decoding of coefficients: sequential (T.81, F.2.2) and progressive (G.2).

use super::super::segments::ZIGZAG;
use super::bits::Bits;
use super::frame::Block;

/// Bits of a code that are looked up at once.
const AT_ONCE: u32 = 9;

/// A table of codes.
#[derive(Clone)]
pub(super) struct Table {
    /// Length and value of the code that these bits begin with; length 0 if the code is longer.
    short: Box<[(u8, u8); 1 << AT_ONCE]>,
    /// For each length, the code after the last one of it, left-aligned to 16 bits.
    ends: [u32; 17],
    /// For each length, the index of its first value minus its first code.
    offsets: [i32; 17],
    values: Vec<u8>,
}

impl Table {
    /// Creates a table from the number of codes of each length, and their values; `None` if there are too many codes.
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let mut table =
            Self { short: Box::new([(0, 0); 1 << AT_ONCE]), ends: [0; 17], offsets: [0; 17], values: values.to_vec() };
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = usize::from(counts[length as usize - 1]);
            table.offsets[length as usize] = index as i32 - code as i32;
            if code + count as u32 > 1 << length {
                return None;
            }
            for value in values.get(index..index + count)? {
                if let Some(free) = AT_ONCE.checked_sub(length) {
                    let first = (code << free) as usize;
                    table.short[first..first + (1 << free)].fill((length as u8, *value));
                }
                code += 1;
            }
            index += count;
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Takes a code and returns its value; `None` if no code begins like that.
    #[inline]
    pub(super) fn value(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let next = bits.peek(16);
        let (length, value) = self.short[(next >> (16 - AT_ONCE)) as usize];
        if length > 0 {
            bits.skip(length.into());
            return Some(value);
        }
        let length = (AT_ONCE + 1..=16).find(|length| next < self.ends[*length as usize])?;
        bits.skip(length);
        let code = (next >> (16 - length)) as i32;
        self.values.get((code + self.offsets[length as usize]) as usize).copied()
    }
}

/// Position and size of the next coefficient: run of zeros and category.
fn run_and_size(symbol: u8) -> (usize, u32) {
    (usize::from(symbol >> 4), u32::from(symbol & 15))
}

/// Decodes the difference of the DC coefficient.
pub(super) fn dc(bits: &mut Bits<'_>, table: &Table) -> Option<i32> {
    let size = table.value(bits)?;
    (size < 16).then(|| bits.number(size.into()))
}

/// Decodes the AC coefficients of a sequential scan.
pub(super) fn ac(bits: &mut Bits<'_>, table: &Table, block: &mut Block) -> Option<()> {
    let mut index = 1;
    while index < 64 {
        match run_and_size(table.value(bits)?) {
            (15, 0) => index += 16,
            (_, 0) => break,
            (zeros, size) => {
                index += zeros;
                block[*ZIGZAG.get(index)?] = bits.number(size) as i16;
                index += 1;
            }
        }
    }
    Some(())
}

/// Band of coefficients that a progressive scan contains, and its bit position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) first: usize,
    pub(super) last: usize,
    /// Successive approximation: the scan's coefficients are divided by 2 to the power of this.
    pub(super) shift: u32,
}

/// Decodes a band of AC coefficients for the first time; `run` is the number of blocks that have none.
pub(super) fn first_ac(bits: &mut Bits<'_>, table: &Table, band: Band, run: &mut u32, block: &mut Block) -> Option<()> {
    if *run > 0 {
        *run -= 1;
        return Some(());
    }
    let mut index = band.first;
    while index <= band.last {
        match run_and_size(table.value(bits)?) {
            (15, 0) => index += 16,
            (power, 0) => {
                *run = (1 << power) + bits.take(power as u32) - 1;
                break;
            }
            (zeros, size) => {
                index += zeros;
                block[*ZIGZAG.get(index)?] = (bits.number(size) << band.shift) as i16;
                index += 1;
            }
        }
    }
    Some(())
}

/// Refines a band of AC coefficients by a bit.
pub(super) fn refine_ac(
    bits: &mut Bits<'_>,
    table: &Table,
    band: Band,
    run: &mut u32,
    block: &mut Block,
) -> Option<()> {
    let one = 1_i16 << band.shift;
    let mut index = band.first;
    while *run == 0 && index <= band.last {
        let (mut zeros, size) = run_and_size(table.value(bits)?);
        if size == 0 && zeros < 15 {
            *run = (1 << zeros) + bits.take(zeros as u32);
            break;
        }
        let new = match size {
            0 => 0,
            _ if bits.take(1) == 1 => one,
            _ => -one,
        };
        while index <= band.last {
            let coefficient = &mut block[ZIGZAG[index]];
            index += 1;
            if *coefficient != 0 {
                refine(bits, one, coefficient);
            } else if zeros == 0 {
                *coefficient = new;
                break;
            } else {
                zeros -= 1;
            }
        }
    }
    if *run > 0 {
        for place in ZIGZAG.iter().take(band.last + 1).skip(index) {
            if block[*place] != 0 {
                refine(bits, one, &mut block[*place]);
            }
        }
        *run -= 1;
    }
    Some(())
}

/// Takes a bit of a coefficient that isn't 0.
fn refine(bits: &mut Bits<'_>, one: i16, coefficient: &mut i16) {
    if bits.take(1) == 1 && *coefficient & one == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient > 0 { one } else { -one });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn codes_longer_than_those_looked_up_are_found() {
        // One code of each length: 0, 10, 110 and so on.
        let table = Table::new(&[1; 16], &(0..16).collect::<Vec<u8>>()).unwrap();
        let mut bits = Bits::new(&[0b0101_1011, 0b1110_1111, 0b1111_1110, 0b1111_1110, 0], 0);
        let found: Vec<_> = (0..5).map(|_| table.value(&mut bits).unwrap()).collect();
        assert_eq!(found, [0, 1, 2, 5, 11]);
        assert!(table.value(&mut Bits::new(&[0xff, 0, 0xff, 0], 0)).is_none());
    }

    #[test]
    fn a_table_of_too_many_codes_is_none() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[1, 2, 3]).is_none());
        assert!(Table::new(&[1; 16], &[1, 2, 3]).is_none(), "values are missing");
    }
}

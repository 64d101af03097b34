//! Huffman coding with the typical tables of T.81 (annex K.3), which every decoder knows.

use super::transform::ZIGZAG;

/// A table: the number of codes of each length, and their values.
pub(super) struct Table {
    pub(super) counts: [u8; 16],
    pub(super) values: &'static [u8],
}

/// K.3: luma DC differences.
pub(super) const LUMA_DC: Table =
    Table { counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], values: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] };
/// K.4: chroma DC differences.
pub(super) const CHROMA_DC: Table =
    Table { counts: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], values: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] };
/// K.5: luma AC coefficients.
pub(super) const LUMA_AC: Table = Table {
    counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
    values: &[
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
        0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
        0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
        0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
        0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
        0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
        0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
        0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
        0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};
/// K.6: chroma AC coefficients.
pub(super) const CHROMA_AC: Table = Table {
    counts: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
    values: &[
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
        0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
        0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
        0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
        0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
        0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
        0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
        0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
        0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};

/// A value's code and its length in bits.
type Code = (u16, u8);

impl Table {
    /// Returns the code of every value (T.81, C.2).
    const fn codes(&self) -> [Code; 256] {
        let mut codes = [(0, 0); 256];
        let (mut length, mut value, mut code) = (0, 0, 0_u16);
        while length < 16 {
            let mut count = self.counts[length];
            while count > 0 {
                codes[self.values[value] as usize] = (code, length as u8 + 1);
                (value, code, count) = (value + 1, code.wrapping_add(1), count - 1);
            }
            code <<= 1;
            length += 1;
        }
        codes
    }
}

/// Codes for a component's blocks.
pub(super) struct Codes {
    dc: [Code; 256],
    ac: [Code; 256],
}

pub(super) static LUMA: Codes = Codes { dc: LUMA_DC.codes(), ac: LUMA_AC.codes() };
pub(super) static CHROMA: Codes = Codes { dc: CHROMA_DC.codes(), ac: CHROMA_AC.codes() };

/// Zigzag index of each position in a block.
const PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let mut index = 0;
    while index < 64 {
        places[ZIGZAG[index]] = index as u8;
        index += 1;
    }
    places
};

/// ZRL: a run of sixteen zeros.
const RUN: usize = 0xf0;
/// EOB: only zeros up to the end of the block.
const END: usize = 0;

/// Bit writer for the scan data.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Bits not written yet, the last one lowest.
    bits: u64,
    count: u32,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, bits: 0, count: 0 }
    }

    /// Appends at most 32 bits; those above `count` must be 0.
    #[inline(always)]
    fn put(&mut self, bits: u32, count: u32) {
        self.bits = self.bits << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            self.four((self.bits >> self.count) as u32);
        }
    }

    /// Writes four bytes, with a 0 stuffed after each 0xff, which would otherwise look like the beginning of a marker.
    #[inline(always)]
    fn four(&mut self, word: u32) {
        let bytes = word.to_be_bytes();
        // A byte of 0xff is a 0 in the complement.
        let inverse = !word;
        if inverse.wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
            self.out.extend_from_slice(&bytes);
            return;
        }
        bytes.into_iter().for_each(|byte| self.byte(byte));
    }

    fn byte(&mut self, byte: u8) {
        self.out.push(byte);
        if byte == 0xff {
            self.out.push(0);
        }
    }

    /// Writes a code and the `size` additional bits of `number` (T.81, F.1.2.1).
    #[inline(always)]
    fn number(&mut self, (code, length): Code, number: i32, size: u32) {
        // A negative number is stored as its ones' complement.
        let told = (number + (number >> 31)) as u32 & ((1 << size) - 1);
        self.put(u32::from(code) << size | told, u32::from(length) + size);
    }

    /// Writes a block of quantized coefficients; `before` is the DC coefficient of the component's previous block.
    #[inline(always)]
    pub(super) fn block(&mut self, codes: &Codes, quantized: &[i16; 64], before: i16) {
        let difference = i32::from(quantized[0]) - i32::from(before);
        let size = size(difference);
        self.number(codes.dc[size as usize], difference, size);

        let mut zigzag = [0; 64];
        let (mut natural, mut left) = (not_zero(quantized) & !1, 0_u64);
        while natural != 0 {
            let place = natural.trailing_zeros() as usize;
            natural &= natural - 1;
            let index = usize::from(PLACES[place]);
            zigzag[index] = quantized[place];
            left |= 1 << index;
        }
        let mut after = 1;
        while left != 0 {
            let index = left.trailing_zeros();
            left &= left - 1;
            let mut zeros = index - after;
            while zeros > 15 {
                let (code, length) = codes.ac[RUN];
                self.put(u32::from(code), u32::from(length));
                zeros -= 16;
            }
            let number = i32::from(zigzag[index as usize & 63]);
            let size = self::size(number);
            self.number(codes.ac[(zeros << 4 | size) as usize & 255], number, size);
            after = index + 1;
        }
        if after < 64 {
            let (code, length) = codes.ac[END];
            self.put(u32::from(code), u32::from(length));
        }
    }

    /// Pads the last byte with ones.
    pub(super) fn finish(mut self) {
        let missing = self.count.next_multiple_of(8) - self.count;
        let bits = self.bits << missing | ((1 << missing) - 1);
        for byte in (0..(self.count + missing) / 8).rev() {
            self.byte((bits >> (8 * byte)) as u8);
        }
    }
}

/// Returns the number of bits of the absolute value.
#[inline(always)]
fn size(number: i32) -> u32 {
    32 - number.unsigned_abs().leading_zeros()
}

/// Returns a mask with a bit for each nonzero number.
#[inline(always)]
fn not_zero(numbers: &[i16; 64]) -> u64 {
    let mut bits = 0;
    for (eighth, eight) in numbers.as_chunks::<8>().0.iter().enumerate() {
        let mut byte = 0;
        for (place, number) in eight.iter().enumerate() {
            byte |= u64::from(*number != 0) << place;
        }
        bits |= byte << (8 * eighth);
    }
    bits
}

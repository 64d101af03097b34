//! Run-length deflate for filtered photographs: they have hardly any repetition except runs of one byte, so only
//! matches at distance 1 are used (as zlib's `Z_RLE`), with a dynamic Huffman code per block (RFC 1951, 3.2.7).
//! Integers only: the same bytes on every machine.

use super::bits::Bits;
use super::code::Code;

/// Bytes per block: smaller blocks fit their codes better, larger ones need fewer code headers. Fits a stored block.
const BLOCK: usize = 48 << 10;

/// Alphabet size: literals, end of block, lengths.
const SYMBOLS: usize = 286;
const END: usize = 256;

const SHORTEST: usize = 3;
const LONGEST: usize = 258;

/// A run: its start, and how many bytes from there repeat the byte before.
struct Run {
    start: usize,
    length: usize,
}

/// Returns raw deflate data that ends with a sync flush.
pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut bits = Bits::with_capacity(bytes.len() + bytes.len() / 64 + 1_024);
    let mut runs = Vec::new();
    for start in (0..bytes.len()).step_by(BLOCK) {
        let end = bytes.len().min(start + BLOCK);
        runs.clear();
        find(bytes, start, end, &mut runs);
        Block { bytes, start, end, runs: &runs }.put(&mut bits);
    }
    bits.stored(&[]);
    bits.into_bytes()
}

/// Finds the runs within `start..end`. A block's first byte may repeat the last byte of the previous block.
fn find(bytes: &[u8], start: usize, end: usize, runs: &mut Vec<Run>) {
    let mut at = start.max(1);
    while let Some(word) = bytes[at - 1..end].first_chunk::<9>() {
        let equal = equal_bytes(word);
        // Positions where three successive bytes each equal their predecessor; decidable for six of the eight
        // positions.
        let begins = equal & equal >> 8 & equal >> 16;
        if begins == 0 {
            at += 6;
            continue;
        }
        at += begins.trailing_zeros() as usize / 8;
        let byte = bytes[at - 1];
        let all = bytes[at..end].iter().take(LONGEST).take_while(|next| **next == byte).count();
        runs.push(Run { start: at, length: all });
        at += all;
    }
}

/// Returns a mask with the highest bit set in each of the last eight bytes that equals its predecessor.
fn equal_bytes(bytes: &[u8; 9]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let [before @ .., _] = *bytes;
    let [_, these @ ..] = *bytes;
    let different = u64::from_le_bytes(before) ^ u64::from_le_bytes(these);
    !(((different & LOW) + LOW) | different | LOW)
}

struct Block<'a> {
    bytes: &'a [u8],
    start: usize,
    end: usize,
    runs: &'a [Run],
}

impl Block<'_> {
    fn put(&self, bits: &mut Bits) {
        let counts = self.counts();
        let code = Code::of(&counts);
        let header = Header::of(&code);
        let cost = |(count, length): (&u32, &u8)| u64::from(*count) * u64::from(*length);
        let symbols: u64 = counts.iter().zip(code.lengths()).map(cost).sum();
        let extra: u64 = self.runs.iter().map(|run| 1 + u64::from(LENGTHS[run.length].extra_bits)).sum();
        // A stored block costs up to 42 bits more: 3 of header, up to 7 of padding, 32 of lengths.
        if symbols + extra + header.cost() >= (self.end - self.start) as u64 * 8 + 42 {
            return bits.stored(&self.bytes[self.start..self.end]);
        }
        header.put(bits);
        self.symbols(&code, bits);
    }

    fn counts(&self) -> [u32; SYMBOLS] {
        let mut counts = [0; SYMBOLS];
        // Four tables, so that increments for equal neighbours don't wait for each other.
        let mut tables = [[0_u32; 256]; 4];
        for literals in self.literals() {
            let (fours, rest) = literals.as_chunks::<4>();
            for four in fours {
                for (table, byte) in tables.iter_mut().zip(four) {
                    table[usize::from(*byte)] += 1;
                }
            }
            rest.iter().for_each(|byte| tables[0][usize::from(*byte)] += 1);
        }
        for (level, count) in counts[..256].iter_mut().enumerate() {
            *count = tables.iter().map(|table| table[level]).sum();
        }
        self.runs.iter().for_each(|run| counts[usize::from(LENGTHS[run.length].symbol)] += 1);
        counts[END] = 1;
        counts
    }

    /// Returns the literals before each run, and after the last one.
    fn literals(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.runs.iter().map(|run| run.start).chain([self.end]);
        let starts = std::iter::once(self.start).chain(self.runs.iter().map(|run| run.start + run.length));
        starts.zip(ends).map(|(start, end)| &self.bytes[start..end])
    }

    fn symbols(&self, code: &Code<SYMBOLS>, bits: &mut Bits) {
        let runs = self.runs.iter().map(Some).chain([None]);
        for (literals, run) in self.literals().zip(runs) {
            let (threes, rest) = literals.as_chunks::<3>();
            for three in threes {
                // Three codes of at most 15 bits fit one `put`.
                let mut word = 0;
                let mut count = 0;
                for byte in three {
                    let (code, length) = code.of_symbol(usize::from(*byte));
                    word |= u64::from(code) << count;
                    count += u32::from(length);
                }
                bits.put(word, count);
            }
            for byte in rest {
                let (code, length) = code.of_symbol(usize::from(*byte));
                bits.put(code.into(), length.into());
            }
            if let Some(run) = run {
                let length = &LENGTHS[run.length];
                let (code, count) = code.of_symbol(length.symbol.into());
                // The extra bits, and one bit for distance 1.
                let extra = (run.length - usize::from(length.base)) as u64;
                bits.put(u64::from(code) | extra << count, u32::from(count) + u32::from(length.extra_bits) + 1);
            }
        }
        let (code, length) = code.of_symbol(END);
        bits.put(code.into(), length.into());
    }
}

/// Encoding of a length (RFC 1951, 3.2.5).
#[derive(Clone, Copy)]
struct Length {
    symbol: u16,
    base: u16,
    extra_bits: u8,
}

static LENGTHS: [Length; LONGEST + 1] = {
    let mut lengths = [Length { symbol: 0, base: 0, extra_bits: 0 }; LONGEST + 1];
    let (mut symbol, mut base) = (257, SHORTEST);
    while symbol < 285 {
        // Eight symbols of one length each, then four for each number of extra bits.
        let extra_bits = if symbol < 265 { 0 } else { (symbol - 261) / 4 };
        let mut offset = 0;
        while offset < 1 << extra_bits && base + offset < LONGEST {
            lengths[base + offset] = Length { symbol, base: base as u16, extra_bits: extra_bits as u8 };
            offset += 1;
        }
        base += 1 << extra_bits;
        symbol += 1;
    }
    lengths[LONGEST] = Length { symbol: 285, base: LONGEST as u16, extra_bits: 0 };
    lengths
};

/// Header of a dynamic block (RFC 1951, 3.2.7): the code lengths, themselves Huffman-coded.
struct Header {
    /// Symbols of the code length alphabet: symbol, extra bits, number of extra bits.
    told: Vec<(usize, u64, u32)>,
    code: Code<19>,
    /// Number of literal and length codes (HLIT + 257).
    symbols: usize,
    /// Number of code length codes (HCLEN + 4).
    own: usize,
}

/// Order in which the lengths of the code length code are stored.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Header {
    fn of(code: &Code<SYMBOLS>) -> Self {
        let symbols = code.lengths().iter().rposition(|length| *length > 0).map_or(END + 1, |last| last + 1);
        // Two distance codes, although only one is used: a single code is incomplete, and some decoders refuse it.
        let all: Vec<u8> = code.lengths()[..symbols].iter().copied().chain([1, 1]).collect();
        let mut told = Vec::new();
        for run in all.chunk_by(|a, b| a == b) {
            tell(run[0], run.len(), &mut told);
        }
        let mut counts = [0; 19];
        told.iter().for_each(|(symbol, ..)| counts[*symbol] += 1);
        let code = Code::<19>::limited(&counts, 7);
        let own = ORDER.iter().rposition(|symbol| code.lengths()[*symbol] > 0).map_or(4, |last| (last + 1).max(4));
        Self { told, code, symbols, own }
    }

    fn cost(&self) -> u64 {
        let told =
            self.told.iter().map(|(symbol, _, extra)| u64::from(self.code.lengths()[*symbol]) + u64::from(*extra));
        17 + 3 * self.own as u64 + told.sum::<u64>()
    }

    fn put(&self, bits: &mut Bits) {
        // Not the final block; dynamic Huffman codes.
        bits.put(0b100, 3);
        bits.put((self.symbols - 257) as u64, 5);
        bits.put(1, 5);
        bits.put((self.own - 4) as u64, 4);
        for symbol in &ORDER[..self.own] {
            bits.put(self.code.lengths()[*symbol].into(), 3);
        }
        for (symbol, extra, extra_bits) in &self.told {
            let (code, length) = self.code.of_symbol(*symbol);
            bits.put(u64::from(code) | extra << length, u32::from(length) + extra_bits);
        }
    }
}

/// Encodes `count` equal code lengths: symbols 17 and 18 stand for zeros, 16 repeats the previous length.
fn tell(length: u8, mut count: usize, told: &mut Vec<(usize, u64, u32)>) {
    if length > 0 {
        told.push((length.into(), 0, 0));
        count -= 1;
    }
    while count > 0 {
        let (symbol, least, most, extra_bits) = match (length, count) {
            (_, 0..=2) => (usize::from(length), 1, 1, 0),
            (1.., _) => (16, 3, 6, 2),
            (0, 3..=10) => (17, 3, 10, 3),
            (0, _) => (18, 11, 138, 7),
        };
        let these = count.min(most);
        told.push((symbol, (these - least) as u64, extra_bits));
        count -= these;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn inflated(mut deflated: Vec<u8>) -> Vec<u8> {
        deflated.extend(super::super::LAST_BLOCK);
        let mut bytes = Vec::new();
        flate2::read::DeflateDecoder::new(&deflated[..]).read_to_end(&mut bytes).unwrap();
        bytes
    }

    proptest! {
        /// Runs of all lengths, between literals of few and of many levels, over several blocks.
        #[test]
        fn runs_and_literals_are_what_an_inflater_finds(
            pieces in prop::collection::vec((any::<u8>(), 1..700_usize, any::<bool>()), 0..400),
            few in 1..=255_u8,
        ) {
            let mut state = 1_u32;
            let mut bytes = Vec::new();
            for (byte, length, run) in pieces {
                bytes.extend((0..length).map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if run { byte } else { (state >> 24) as u8 % few }
                }));
            }
            prop_assert_eq!(inflated(deflate(&bytes)), bytes);
        }
    }

    #[test]
    fn runs_of_every_length_come_back() {
        for length in 1..=600 {
            let bytes = [&[1, 2][..], &vec![7; length], &[3; 2], &[4]].concat();
            assert_eq!(inflated(deflate(&bytes)), bytes, "{length}");
        }
    }

    #[test]
    fn what_is_all_one_byte_takes_next_to_nothing() {
        let bytes = vec![0; 1_000_000];
        let deflated = deflate(&bytes);
        assert!(deflated.len() < 2_000, "{} bytes", deflated.len());
        assert_eq!(inflated(deflated), bytes);
    }

    #[test]
    fn noise_is_stored() {
        let mut state = 1_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let noise: Vec<u8> = noise.take(200_000).collect();
        let deflated = deflate(&noise);
        // Five bytes per block, and five for the flush.
        assert_eq!(deflated.len(), noise.len() + 5 * noise.len().div_ceil(BLOCK) + 5);
        assert_eq!(inflated(deflated), noise);
    }
}

//! Arithmetic decoding of coefficients (T.81, D.2, F.2.4 and G.2.3).

use super::super::segments::ZIGZAG;
use super::bits::Bits;
use super::frame::Block;
use super::huffman::Band;

/// States of the probability estimation (T.81, table D.3): Qe, the next state after a less and after a more probable symbol, and
/// whether the sense of the more probable symbol is exchanged. The last state is a fixed probability of a half.
const STATES: [(u16, u8, u8, bool); 114] = [
    (0x5a1d, 1, 1, true),
    (0x2586, 14, 2, false),
    (0x1114, 16, 3, false),
    (0x080b, 18, 4, false),
    (0x03d8, 20, 5, false),
    (0x01da, 23, 6, false),
    (0x00e5, 25, 7, false),
    (0x006f, 28, 8, false),
    (0x0036, 30, 9, false),
    (0x001a, 33, 10, false),
    (0x000d, 35, 11, false),
    (0x0006, 9, 12, false),
    (0x0003, 10, 13, false),
    (0x0001, 12, 13, false),
    (0x5a7f, 15, 15, true),
    (0x3f25, 36, 16, false),
    (0x2cf2, 38, 17, false),
    (0x207c, 39, 18, false),
    (0x17b9, 40, 19, false),
    (0x1182, 42, 20, false),
    (0x0cef, 43, 21, false),
    (0x09a1, 45, 22, false),
    (0x072f, 46, 23, false),
    (0x055c, 48, 24, false),
    (0x0406, 49, 25, false),
    (0x0303, 51, 26, false),
    (0x0240, 52, 27, false),
    (0x01b1, 54, 28, false),
    (0x0144, 56, 29, false),
    (0x00f5, 57, 30, false),
    (0x00b7, 59, 31, false),
    (0x008a, 60, 32, false),
    (0x0068, 62, 33, false),
    (0x004e, 63, 34, false),
    (0x003b, 32, 35, false),
    (0x002c, 33, 9, false),
    (0x5ae1, 37, 37, true),
    (0x484c, 64, 38, false),
    (0x3a0d, 65, 39, false),
    (0x2ef1, 67, 40, false),
    (0x261f, 68, 41, false),
    (0x1f33, 69, 42, false),
    (0x19a8, 70, 43, false),
    (0x1518, 72, 44, false),
    (0x1177, 73, 45, false),
    (0x0e74, 74, 46, false),
    (0x0bfb, 75, 47, false),
    (0x09f8, 77, 48, false),
    (0x0861, 78, 49, false),
    (0x0706, 79, 50, false),
    (0x05cd, 48, 51, false),
    (0x04de, 50, 52, false),
    (0x040f, 50, 53, false),
    (0x0363, 51, 54, false),
    (0x02d4, 52, 55, false),
    (0x025c, 53, 56, false),
    (0x01f8, 54, 57, false),
    (0x01a4, 55, 58, false),
    (0x0160, 56, 59, false),
    (0x0125, 57, 60, false),
    (0x00f6, 58, 61, false),
    (0x00cb, 59, 62, false),
    (0x00ab, 61, 63, false),
    (0x008f, 61, 32, false),
    (0x5b12, 65, 65, true),
    (0x4d04, 80, 66, false),
    (0x412c, 81, 67, false),
    (0x37d8, 82, 68, false),
    (0x2fe8, 83, 69, false),
    (0x293c, 84, 70, false),
    (0x2379, 86, 71, false),
    (0x1edf, 87, 72, false),
    (0x1aa9, 87, 73, false),
    (0x174e, 72, 74, false),
    (0x1424, 72, 75, false),
    (0x119c, 74, 76, false),
    (0x0f6b, 74, 77, false),
    (0x0d51, 75, 78, false),
    (0x0bb6, 77, 79, false),
    (0x0a40, 77, 48, false),
    (0x5832, 80, 81, true),
    (0x4d1c, 88, 82, false),
    (0x438e, 89, 83, false),
    (0x3bdd, 90, 84, false),
    (0x34ee, 91, 85, false),
    (0x2eae, 92, 86, false),
    (0x299a, 93, 87, false),
    (0x2516, 86, 71, false),
    (0x5570, 88, 89, true),
    (0x4ca9, 95, 90, false),
    (0x44d9, 96, 91, false),
    (0x3e22, 97, 92, false),
    (0x3824, 99, 93, false),
    (0x32b4, 99, 94, false),
    (0x2e17, 93, 86, false),
    (0x56a8, 95, 96, true),
    (0x4f46, 101, 97, false),
    (0x47e5, 102, 98, false),
    (0x41cf, 103, 99, false),
    (0x3c3d, 104, 100, false),
    (0x375e, 99, 93, false),
    (0x5231, 105, 102, false),
    (0x4c0f, 106, 103, false),
    (0x4639, 107, 104, false),
    (0x415e, 103, 99, false),
    (0x5627, 105, 106, true),
    (0x50e7, 108, 107, false),
    (0x4b85, 109, 103, false),
    (0x5597, 110, 109, false),
    (0x504f, 111, 107, false),
    (0x5a10, 110, 111, true),
    (0x5522, 112, 109, false),
    (0x59eb, 112, 111, true),
    (0x5a1d, 113, 113, false),
];

/// State of the fixed probability.
const HALF: u8 = 113;

/// A statistics bin: its state, and the more probable symbol in the highest bit.
type Bin = u8;

/// Statistics of a table for DC differences, which are conditioned on the difference before.
#[derive(Clone)]
pub(super) struct DcStatistics([Bin; 64]);

/// Statistics of a table for AC coefficients.
#[derive(Clone)]
pub(super) struct AcStatistics([Bin; 256]);

impl Default for DcStatistics {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Default for AcStatistics {
    fn default() -> Self {
        Self([0; 256])
    }
}

/// Conditioning of DC coefficients (T.81, B.2.4.3): the bounds L and U of small differences.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditioning {
    pub(super) lower: u8,
    pub(super) upper: u8,
}

impl Default for Conditioning {
    fn default() -> Self {
        Self { lower: 0, upper: 1 }
    }
}

/// Decoder of binary decisions (T.81, D.2).
pub(super) struct Decoder<'a, 'b> {
    bits: &'b mut Bits<'a>,
    /// Base of the interval and the bits read after it.
    code: u32,
    interval: u32,
    /// Bits of `code` after the base.
    ahead: u32,
}

impl<'a, 'b> Decoder<'a, 'b> {
    /// Starts an interval of the scan.
    pub(super) fn new(bits: &'b mut Bits<'a>) -> Self {
        let mut decoder = Self { bits, code: 0, interval: 0x1_0000, ahead: 0 };
        for _ in 0..2 {
            decoder.read();
        }
        decoder
    }

    /// Position and intervals belong to the reader.
    pub(super) fn bits(&mut self) -> &mut Bits<'a> {
        self.bits
    }

    /// Starts the interval that follows a restart marker.
    pub(super) fn restart(&mut self) {
        (self.code, self.interval, self.ahead) = (0, 0x1_0000, 0);
        for _ in 0..2 {
            self.read();
        }
    }

    /// Reads a byte; after the data's end there are only zeros.
    fn read(&mut self) {
        self.code = self.code << 8 | u32::from(self.bits.byte().unwrap_or(0));
    }

    /// Decodes a decision.
    fn decide(&mut self, bin: &mut Bin) -> bool {
        while self.interval < 0x8000 {
            if self.ahead == 0 {
                self.read();
                self.ahead = 8;
            }
            self.ahead -= 1;
            self.interval <<= 1;
        }
        let (estimate, after_less, after_more, exchange) = STATES[usize::from(*bin & 0x7f)];
        let (estimate, sense) = (u32::from(estimate), *bin & 0x80);
        self.interval -= estimate;
        let above = self.code >= self.interval << self.ahead;
        let smaller = self.interval < estimate;
        let less = if above {
            self.code -= self.interval << self.ahead;
            self.interval = estimate;
            !smaller
        } else if self.interval < 0x8000 {
            smaller
        } else {
            return sense != 0;
        };
        if less {
            *bin = after_less | (sense ^ if exchange { 0x80 } else { 0 });
            return sense == 0;
        }
        *bin = after_more | sense;
        sense != 0
    }

    /// Decodes a decision of fixed probability.
    fn even(&mut self) -> bool {
        self.decide(&mut { HALF })
    }

    /// Decodes the bits of a magnitude of category `high` below its highest one (T.81, figure F.24), and adds the sign.
    fn magnitude(&mut self, high: i32, bin: &mut Bin, negative: bool) -> i32 {
        let (mut value, mut bit) = (high, high >> 1);
        while bit > 0 {
            if self.decide(bin) {
                value |= bit;
            }
            bit >>= 1;
        }
        if negative { -value - 1 } else { value + 1 }
    }

    /// Decodes the categories from `first` on (T.81, figure F.23); `None` if there is none that large.
    fn category(&mut self, bins: &mut [Bin], first: usize, low: i32) -> Option<(i32, usize)> {
        let (mut high, mut at) = (low, first);
        while self.decide(&mut bins[at]) {
            high <<= 1;
            if high == 0x8000 {
                return None;
            }
            at += 1;
        }
        Some((high, at))
    }

    /// Decodes the difference of the DC coefficient (T.81, F.2.4.1). `context` is the bin that the difference before selected.
    pub(super) fn dc(
        &mut self,
        statistics: &mut DcStatistics,
        conditioning: Conditioning,
        context: &mut usize,
    ) -> Option<i32> {
        let bins = &mut statistics.0;
        if !self.decide(&mut bins[*context]) {
            *context = 0;
            return Some(0);
        }
        let negative = self.decide(&mut bins[*context + 1]);
        let mut at = *context + 2 + usize::from(negative);
        let mut high = i32::from(self.decide(&mut bins[at]));
        if high > 0 {
            (high, at) = self.category(bins, 20, high)?;
        }
        let bound = |power: u8| (1_i32 << power) >> 1;
        let group = match high {
            high if high < bound(conditioning.lower) => 0,
            high if high > bound(conditioning.upper) => 12,
            _ => 4,
        };
        *context = if group == 0 { 0 } else { group + 4 * usize::from(negative) };
        Some(self.magnitude(high, &mut bins[at + 14], negative))
    }

    /// Decodes a band of AC coefficients (T.81, F.2.4.2); those up to `low` count as low frequencies.
    pub(super) fn ac(&mut self, statistics: &mut AcStatistics, low: u8, band: Band, block: &mut Block) -> Option<()> {
        let bins = &mut statistics.0;
        let mut index = band.first;
        while index <= band.last {
            if self.decide(&mut bins[3 * (index - 1)]) {
                break;
            }
            while !self.decide(&mut bins[3 * (index - 1) + 1]) {
                index += 1;
                if index > band.last {
                    return None;
                }
            }
            let negative = self.even();
            let mut at = 3 * (index - 1) + 2;
            let mut high = i32::from(self.decide(&mut bins[at]));
            if high > 0 && self.decide(&mut bins[at]) {
                (high, at) = self.category(bins, if index <= usize::from(low) { 189 } else { 217 }, 2)?;
            }
            let value = self.magnitude(high, &mut bins[at + 14], negative);
            block[ZIGZAG[index]] = (value << band.shift) as i16;
            index += 1;
        }
        Some(())
    }

    /// Decodes a bit of the DC coefficient.
    pub(super) fn refine_dc(&mut self) -> bool {
        self.even()
    }

    /// Refines a band of AC coefficients by a bit (T.81, G.2.3).
    pub(super) fn refine_ac(&mut self, statistics: &mut AcStatistics, band: Band, block: &mut Block) -> Option<()> {
        let bins = &mut statistics.0;
        let one = 1_i16 << band.shift;
        let end_before = (1..=band.last).rev().find(|index| block[ZIGZAG[*index]] != 0).unwrap_or(0);
        let mut index = band.first;
        while index <= band.last {
            if index > end_before && self.decide(&mut bins[3 * (index - 1)]) {
                break;
            }
            loop {
                let coefficient = &mut block[ZIGZAG[index]];
                let at = 3 * (index - 1);
                if *coefficient != 0 {
                    if self.decide(&mut bins[at + 2]) {
                        *coefficient = coefficient.wrapping_add(if *coefficient > 0 { one } else { -one });
                    }
                    break;
                }
                if self.decide(&mut bins[at + 1]) {
                    *coefficient = if self.even() { -one } else { one };
                    break;
                }
                index += 1;
                if index > band.last {
                    return None;
                }
            }
            index += 1;
        }
        Some(())
    }
}

//! Bits and bytes of a scan's entropy-coded data (T.81, B.1.1.5 and F.2.2.5).

/// Reader of entropy-coded data. It stops before a marker or the file's end, and supplies zeros from there on.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Position of the next byte that isn't in the buffer.
    at: usize,
    /// Bits not taken yet, the next one at `count - 1`.
    buffer: u64,
    count: u32,
    /// Zeros at the end of the buffer that aren't in the file.
    supplied: u32,
    exhausted: bool,
}

/// What follows a restart interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The expected restart marker.
    Expected,
    /// Another restart marker.
    Wrong,
    /// Another marker, or the end of the file: the scan is over.
    Over,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, buffer: 0, count: 0, supplied: 0, exhausted: false }
    }

    /// Whether bits were taken that aren't in the file.
    pub(super) fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// Position of the next byte, once no bits are taken any more.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns the next byte of data, or `None` before a marker or the file's end.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        if byte != 0xff {
            self.at += 1;
            return Some(byte);
        }
        let fill = self.data[self.at..].iter().take_while(|byte| **byte == 0xff).count();
        if self.data.get(self.at + fill) != Some(&0) {
            return None;
        }
        self.at += fill + 1;
        Some(0xff)
    }

    /// Returns the next `count` bits, at most 16, without taking them.
    #[inline]
    pub(super) fn peek(&mut self, count: u32) -> u32 {
        while self.count < count {
            let byte = self.byte();
            self.supplied += if byte.is_some() { 0 } else { 8 };
            self.buffer = self.buffer << 8 | u64::from(byte.unwrap_or(0));
            self.count += 8;
        }
        (self.buffer >> (self.count - count)) as u32 & ((1 << count) - 1)
    }

    /// Takes bits that were peeked.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.count -= count;
        self.exhausted |= self.count < self.supplied;
        self.supplied = self.supplied.min(self.count);
    }

    /// Takes the next `count` bits, at most 16.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        let bits = self.peek(count);
        self.skip(count);
        bits
    }

    /// Takes a number of `size` bits (T.81, F.2.2.1: RECEIVE and EXTEND).
    #[inline]
    pub(super) fn number(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let bits = self.take(size) as i32;
        if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
    }

    /// Passes on to the next interval: discards what is left of this one, and takes the restart marker with this number.
    pub(super) fn restart(&mut self, number: u8) -> Next {
        let is_marker = |two: &[u8]| two[0] == 0xff && !matches!(two[1], 0 | 0xff);
        let rest = self.data.get(self.at..).unwrap_or_default();
        let Some(skipped) = rest.windows(2).position(is_marker) else { return Next::Over };
        let marker = self.at + skipped;
        match self.data[marker + 1] {
            found if found == 0xd0 + number => {
                *self = Self::new(self.data, marker + 2);
                Next::Expected
            }
            0xd0..=0xd7 => Next::Wrong,
            _ => Next::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_bytes_are_data_and_markers_end_them() {
        let mut bits = Bits::new(b"\xa5\xff\x00\x0f\xff\xd9", 0);
        assert_eq!((bits.take(4), bits.take(16), bits.take(4)), (0xa, 0x5ff0, 0xf));
        assert!(!bits.exhausted());
        assert_eq!((bits.take(1), bits.exhausted(), bits.position()), (0, true, 4));
    }

    #[test]
    fn numbers_are_extended_by_their_sign() {
        let mut bits = Bits::new(&[0b0110_0111], 0);
        assert_eq!([bits.number(0), bits.number(1), bits.number(2), bits.number(3)], [0, -1, 3, -7 + 1]);
    }

    #[test]
    fn only_the_expected_restart_marker_begins_an_interval() {
        let data = b"\x00\x01\xff\xd3\x80\xff\xda";
        let mut bits = Bits::new(data, 0);
        bits.take(3);
        assert_eq!(bits.restart(2), Next::Wrong);
        assert_eq!((bits.restart(3), bits.take(1), bits.restart(4)), (Next::Expected, 1, Next::Over));
        assert_eq!(Bits::new(&[], 0).restart(0), Next::Over);
    }
}

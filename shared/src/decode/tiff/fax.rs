//! Fax data: CCITT group 3 and 4 (ITU-T T.4 and T.6), and TIFF's run lengths without end-of-line codes (TIFF 6.0, section 10).
//! Black pixels become ones.
//!
//! Group 4 is decoded by the crate `fax`, whose decoder of group 3 has neither two-dimensional rows nor rows without an
//! end-of-line code; of that, only its tables of codes are used here.

use std::convert::Infallible;

use fax::decoder::{DecodeStatus, Group4Decoder, pels};
use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, ByteReader};

use super::super::error::{Error, Result, damaged, truncated};
use crate::job::Format;

fn wrong() -> Error {
    damaged(Format::Tiff, "its fax data are wrong")
}

/// Group 4: every row is coded by its differences from the one above.
pub(super) fn group_4(packed: &[u8], width: usize, raw: &mut [u8]) -> Result<()> {
    let pixels = u16::try_from(width).map_err(|_| wrong())?;
    let bytes = packed.iter().map(|byte| Ok::<u8, Infallible>(*byte));
    let mut decoder = Group4Decoder::new(bytes, pixels).map_err(|_| wrong())?;
    raw.fill(0);
    for row in raw.chunks_exact_mut(width.div_ceil(8)) {
        match decoder.advance() {
            // White rows at the end may be omitted.
            Ok(DecodeStatus::End) => break,
            Ok(DecodeStatus::Incomplete) => {}
            Err(_) => return Err(wrong()),
        }
        for (x, color) in pels(decoder.transition(), pixels).enumerate() {
            if color == fax::Color::Black {
                row[x / 8] |= 0x80 >> (x % 8);
            }
        }
    }
    Ok(())
}

/// Group 3: each row follows an end-of-line code. If `two_dimensional`, the next bit selects whether the row is coded by run lengths
/// or by its differences from the one above.
pub(super) fn group_3(packed: &[u8], width: usize, two_dimensional: bool, raw: &mut [u8]) -> Result<()> {
    let mut bits = bits_of(packed);
    let (mut above, mut row_of_runs) = (Vec::new(), true);
    raw.fill(0);
    for row in raw.chunks_exact_mut(width.div_ceil(8)) {
        let found = bits.end_of_line()?;
        if found && two_dimensional {
            row_of_runs = bits.bit()?;
        }
        // Two in a row end the data. White rows at the end may be omitted.
        if found && bits.end_of_line()? {
            break;
        }
        above = if row_of_runs { bits.runs(width)? } else { bits.differences(&above, width)? };
        paint(&above, row);
    }
    Ok(())
}

/// Run lengths: each row starts on a whole byte, without an end-of-line code.
pub(super) fn run_lengths(packed: &[u8], width: usize, raw: &mut [u8]) -> Result<()> {
    let mut bits = bits_of(packed);
    raw.fill(0);
    for row in raw.chunks_exact_mut(width.div_ceil(8)) {
        let changes = bits.runs(width)?;
        paint(&changes, row);
        bits.align()?;
    }
    Ok(())
}

/// Sets the black pixels of a row, given the positions where its colour changes; the first change is to black.
fn paint(changes: &[usize], row: &mut [u8]) {
    for run in changes.chunks(2) {
        if let [start, end] = *run {
            (start..end).for_each(|x| row[x / 8] |= 0x80 >> (x % 8));
        }
    }
}

/// Zero bits that no code of a run begins with: an end-of-line code, which may have more, or fill bits before it.
const ZEROS: u8 = 8;

/// Fax data, read bit by bit.
struct Bits<R>(ByteReader<R>);

fn bits_of(packed: &[u8]) -> Bits<impl Iterator<Item = std::result::Result<u8, Infallible>>> {
    // A code is looked up by more bits than it may have, also at the end. Zeros are no code.
    let Ok(reader) = ByteReader::new(packed.iter().copied().chain([0; 4]).map(Ok));
    Bits(reader)
}

impl<R: Iterator<Item = std::result::Result<u8, Infallible>>> Bits<R> {
    fn bit(&mut self) -> Result<bool> {
        let bit = self.0.peek(1).ok_or_else(|| truncated(Format::Tiff))?;
        let Ok(()) = self.0.consume(1);
        Ok(bit == 1)
    }

    fn is_end_of_line(&self) -> bool {
        self.0.peek(ZEROS) == Some(0)
    }

    /// Consumes an end-of-line code with the fill bits before it; returns whether there was one.
    fn end_of_line(&mut self) -> Result<bool> {
        if !self.is_end_of_line() {
            return Ok(false);
        }
        while !self.bit()? {}
        Ok(true)
    }

    /// Skips the bits up to the next whole byte.
    fn align(&mut self) -> Result<()> {
        for _ in 0..self.0.bits_to_byte_boundary() {
            self.bit()?;
        }
        Ok(())
    }

    /// Reads a run: make-up codes of multiples of 64, then a code below that.
    fn run(&mut self, is_black: bool) -> Result<usize> {
        let mut length = 0;
        loop {
            let code = if is_black { black::decode(&mut self.0) } else { white::decode(&mut self.0) };
            let code = code.ok_or_else(wrong)?;
            length += usize::from(code);
            // More than any row has.
            if length > usize::from(u16::MAX) {
                return Err(wrong());
            }
            if code < 64 {
                return Ok(length);
            }
        }
    }

    /// Reads a row of run lengths, and returns the positions at which its colour changes, up to its end.
    fn runs(&mut self, width: usize) -> Result<Vec<usize>> {
        let (mut changes, mut at) = (Vec::new(), 0);
        while at < width {
            at += self.run(changes.len() % 2 == 1)?;
            changes.push(at);
        }
        ended(changes, width)
    }

    /// Reads a row of differences from the changes of the row above (T.4, 4.2), and returns its own.
    fn differences(&mut self, above: &[usize], width: usize) -> Result<Vec<usize>> {
        let (mut changes, mut at, mut next) = (Vec::new(), 0, 0);
        while at < width {
            let is_black = changes.len() % 2 == 1;
            // The first change above to the other colour that is right of here; at the start of the row also one there.
            while next > 0 && above[next - 1] >= at {
                next -= 1;
            }
            let is_left = |change: usize| if at == 0 && changes.is_empty() { false } else { change <= at };
            while above.get(next).is_some_and(|change| is_left(*change)) {
                next += 1;
            }
            let other = next + usize::from((next % 2 == 1) != is_black);
            let change = |index: usize| above.get(index).map_or(width, |change| (*change).min(width));
            match mode::decode(&mut self.0) {
                Some(Mode::Pass) => at = change(other + 1),
                Some(Mode::Vertical(by)) => {
                    let to = change(other).checked_add_signed(by.into()).filter(|to| *to >= at);
                    at = to.ok_or_else(wrong)?;
                    changes.push(at);
                }
                Some(Mode::Horizontal) => {
                    for is_black in [is_black, !is_black] {
                        at += self.run(is_black)?;
                        changes.push(at);
                    }
                }
                Some(Mode::Extension | Mode::EOF) | None => return Err(wrong()),
            }
        }
        ended(changes, width)
    }
}

/// Returns a row's changes without runs of length 0, and with the row's end, so that there are two for each black run.
fn ended(changes: Vec<usize>, width: usize) -> Result<Vec<usize>> {
    if changes.last().is_some_and(|last| *last > width) {
        return Err(wrong());
    }
    let end = (changes.len() % 2 == 1).then_some(width);
    let mut real: Vec<usize> = Vec::with_capacity(changes.len() + 1);
    for change in changes.into_iter().chain(end) {
        if real.last() == Some(&change) {
            real.pop();
        } else {
            real.push(change);
        }
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Returns bytes of bits, given as text.
    fn bytes(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(|bit| matches!(bit, b'0' | b'1')).map(|bit| bit - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |all, (at, bit)| all | bit << (7 - at))).collect()
    }

    const EOL: &str = "000000000001";

    #[test]
    fn runs_of_the_standard_are_decoded_with_and_without_ends_of_lines() {
        // 4 white, 3 black, 5 white: 1011, 10, 1100.
        let mut raw = [0; 4];
        run_lengths(&bytes("1011 10 1100 000000 1011 10 1100"), 12, &mut raw).unwrap();
        assert_eq!(raw, [0x0e, 0, 0x0e, 0]);
        let lines = format!("{EOL} 1011 10 1100 0000 {EOL} 1011 10 1100 {EOL}{EOL}");
        group_3(&bytes(&lines), 12, false, &mut raw).unwrap();
        assert_eq!(raw, [0x0e, 0, 0x0e, 0]);
        let mut more = [0xff; 6];
        group_3(&bytes(&lines), 12, false, &mut more).unwrap();
        assert_eq!(more, [0x0e, 0, 0x0e, 0, 0, 0], "rows that were omitted at the end are white");
    }

    #[test]
    fn rows_of_differences_follow_the_row_above() {
        // The second row: both changes one to the left, then nothing until the end. The third: no black run (pass), then one at the
        // end: 9 white and 3 black.
        let lines = format!("{EOL}1 1011 10 1100 {EOL}0 010 010 1 {EOL}0 0001 001 0111 10 1");
        let mut raw = [0; 6];
        group_3(&bytes(&lines), 12, true, &mut raw).unwrap();
        // In the third row, the white run of 001 begins behind the black run above, at 6: 2 white, then 3 black.
        assert_eq!(raw, [0x0e, 0, 0x1c, 0, 0x00, 0xe0]);
    }

    #[test]
    fn a_row_that_is_too_long_or_ends_is_refused() {
        let mut raw = [0; 2];
        assert!(run_lengths(&bytes("1011 10 10101"), 12, &mut raw).is_err());
        assert!(run_lengths(&bytes("1011 10"), 12, &mut raw).is_err());
        assert!(group_3(&[], 12, false, &mut raw).is_err());
        assert!(group_3(&bytes(EOL), 12, true, &mut raw).is_err());
    }
}

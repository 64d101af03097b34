//! Writing a result file in place while its parts are produced.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use codec::{Envelope, Head, Joiner, PartIndex};

use super::error::Error;
use super::spool::SpooledParts;

/// Output of a result: an empty file, or one in memory.
pub trait Out: Read + Write + Seek {}
impl<T: Read + Write + Seek> Out for T {}

/// A result file whose parts are written at their final positions, although its header depends on all of them.
pub(super) struct InPlace<'a> {
    out: &'a mut dyn Out,
    /// Offset of the first part.
    room: u64,
    /// Total bytes of the parts.
    length: u64,
    /// The parts, if the file doesn't contain them verbatim (WebP, COG).
    kept: Option<SpooledParts>,
}

impl<'a> InPlace<'a> {
    /// Reserves space for the header before the parts, as far as the first page's head determines it.
    pub(super) fn begin(head: &Head, out: &'a mut dyn Out, scratch: &Path) -> Result<Self, Error> {
        let Some(room) = head.begin_bytes()? else {
            return Ok(Self { out, room: 0, length: 0, kept: Some(SpooledParts::new(scratch)) });
        };
        out.write_all(&vec![0; room]).map_err(Error::Write)?;
        Ok(Self { out, room: room as u64, length: 0, kept: None })
    }

    /// Writes the next part.
    pub(super) fn part(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        if let Some(kept) = &mut self.kept {
            return kept.push(&bytes).map_err(Error::Write);
        }
        self.length += bytes.len() as u64;
        self.out.write_all(&bytes).map_err(Error::Write)
    }

    /// Writes the bytes before and after the parts.
    pub(super) fn end(mut self, pages: &[(Head, Vec<PartIndex>)]) -> Result<(), Error> {
        let all: Vec<(&Head, &[PartIndex])> = pages.iter().map(|(head, index)| (head, index.as_slice())).collect();
        match (codec::join_pages(&all)?, self.kept.take()) {
            (Joiner::Envelope(Envelope { begin, end }), _) => self.complete(&begin, &end).map_err(Error::Write),
            (joiner, Some(kept)) => {
                let mut parts = || -> Box<dyn Iterator<Item = io::Result<Vec<u8>>>> { Box::new(kept.parts()) };
                match joiner.write(&mut parts, &mut |piece| self.out.write_all(&piece)) {
                    Err(codec::Error::Source(error)) => Err(Error::Write(error)),
                    written => Ok(written?),
                }
            }
            (_, None) => Err(codec::Error::Refused("The parts weren't kept.".to_owned()).into()),
        }
    }

    fn complete(&mut self, begin: &[u8], end: &[u8]) -> io::Result<()> {
        // The header outgrows its space only if a TIFF exceeds 4 GiB and must become a BigTIFF.
        if begin.len() as u64 > self.room {
            self.move_parts(begin.len() as u64)?;
        }
        self.out.write_all(end)?;
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(begin)?;
        self.out.flush()
    }

    /// Moves the parts towards the end, last bytes first, and leaves the file position after them.
    fn move_parts(&mut self, to: u64) -> io::Result<()> {
        const BLOCK: u64 = 1 << 20;
        let mut left = self.length;
        let end = to + left;
        let mut block = vec![0; BLOCK as usize];
        while left > 0 {
            let block = &mut block[..left.min(BLOCK) as usize];
            left -= block.len() as u64;
            self.out.seek(SeekFrom::Start(self.room + left))?;
            self.out.read_exact(block)?;
            self.out.seek(SeekFrom::Start(to + left))?;
            self.out.write_all(block)?;
        }
        self.out.seek(SeekFrom::Start(end)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Cursor;

    use super::*;

    #[test]
    fn parts_make_room_for_a_longer_beginning() {
        let part: Vec<u8> = (0..3_000_001_u32).map(|index| (index >> 3) as u8).collect();
        let mut out = Cursor::new(Vec::new());
        let mut file = InPlace { out: &mut out, room: 8, length: 0, kept: None };
        file.out.write_all(&[0; 8]).unwrap();
        file.part(part.clone()).unwrap();
        file.complete(&[b'a'; 16], b"end").unwrap();
        assert!(out.into_inner() == [&[b'a'; 16], part.as_slice(), b"end"].concat());
    }
}

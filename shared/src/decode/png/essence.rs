//! The chunks of a PNG that its pixels need: header, palette, transparency and the first run of image data.
//!
//! The decoder sees only these, followed by an IEND, so that no defect elsewhere in the file, nor its absent end, can fail it.
//! libpng does the same with the rest: it warns.

use std::io::{self, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};

use super::chunks::{Header, begin, data, header};
use crate::decode::error::Error;

const IEND: [u8; 12] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82];

/// Bytes of the signature and the IHDR chunk.
const START: u64 = 8 + 12 + 13;

/// Maximum length of a tRNS chunk.
const MOST_TRANSPARENCY: u32 = 256;

/// Reader of the file that the decoder sees.
pub(super) struct Essence<R: Read + Seek> {
    source: BufReader<R>,
    header: Header,
    /// Bytes to pass on before those of the source.
    ready: Cursor<Vec<u8>>,
    /// Bytes of the source to pass on unchanged.
    verbatim: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the image data.
    Front,
    /// Within the run of image data.
    Data,
    /// The end was passed on.
    Ended,
}

impl<R: Read + Seek> Essence<R> {
    /// Reads the header; the stream starts with it.
    pub(super) fn new(source: R) -> super::Result<Self> {
        let mut source = BufReader::with_capacity(64 << 10, source);
        let header = header(&mut source)?;
        source.rewind()?;
        Ok(Self { source, header, ready: Cursor::default(), verbatim: START, state: State::Front })
    }

    /// Finds the next chunk to pass on.
    fn next_chunk(&mut self) -> io::Result<()> {
        let begun = match begin(&mut self.source) {
            Err(Error::Source(error)) => return Err(error),
            begun => begun.ok(),
        };
        match (begun, self.state) {
            (Some((length, kind)), _) if &kind == b"IDAT" || &kind == b"PLTE" && self.state == State::Front => {
                self.ready = Cursor::new([&length.to_be_bytes()[..], &kind].concat());
                self.verbatim = u64::from(length) + 4;
                if &kind == b"IDAT" {
                    self.state = State::Data;
                }
            }
            (_, State::Data) => {
                self.ready = Cursor::new(IEND.to_vec());
                self.state = State::Ended;
            }
            (Some((length, kind)), _) if &kind == b"tRNS" && length <= MOST_TRANSPARENCY => {
                match data(&mut self.source, length, kind) {
                    Ok((data, true)) if self.header.fault(kind, data.len()).is_none() => {
                        let sum = super::chunks::crc(kind, &data).to_be_bytes();
                        self.ready = Cursor::new([&length.to_be_bytes()[..], &kind, &data, &sum].concat());
                    }
                    Err(Error::Source(error)) => return Err(error),
                    _ => {}
                }
            }
            (Some((length, _)), _) => self.source.seek_relative(i64::from(length) + 4)?,
            (None, _) => self.state = State::Ended,
        }
        Ok(())
    }
}

impl<R: Read + Seek> Read for Essence<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.ready.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            if self.verbatim > 0 {
                let read = (&mut self.source).take(self.verbatim).read(into)?;
                self.verbatim -= read as u64;
                return Ok(read);
            }
            if self.state == State::Ended {
                return Ok(0);
            }
            self.next_chunk()?;
        }
    }
}

/// The decoder's type asks for it; the decoder doesn't seek.
impl<R: Read + Seek> Seek for Essence<R> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }
}

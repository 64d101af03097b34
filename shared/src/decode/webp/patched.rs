//! A source with some of its bytes replaced.

use std::io::{self, Read, Seek, SeekFrom};

/// Reads its source, but other values at some offsets.
pub(super) struct Patched<R> {
    source: R,
    at: u64,
    patches: Vec<(u64, u8)>,
}

impl<R> Patched<R> {
    /// Wraps a source at its beginning. Patches are offsets and values.
    pub(super) fn new(source: R, patches: Vec<(u64, u8)>) -> Self {
        Self { source, at: 0, patches }
    }
}

impl<R: Read> Read for Patched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        for (offset, value) in &self.patches {
            let place = offset.checked_sub(self.at).and_then(|place| usize::try_from(place).ok());
            if let Some(byte) = place.and_then(|place| into[..read].get_mut(place)) {
                *byte = *value;
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: Seek> Seek for Patched<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.source.seek(to)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Cursor;

    use super::*;

    #[test]
    fn replaced_bytes_are_read_wherever_reading_begins() {
        let mut patched = Patched::new(Cursor::new(b"abcdef".to_vec()), vec![(0, b'X'), (3, b'Y')]);
        let mut all = Vec::new();
        patched.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"XbcYef");
        patched.seek(SeekFrom::Start(2)).unwrap();
        let mut two = [0; 2];
        patched.read_exact(&mut two).unwrap();
        assert_eq!(&two, b"cY");
    }
}

//! Temporary data: in memory while it is small, otherwise in a file.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Mutex;

use tempfile::SpooledTempFile;

use super::rows::lock;

/// Temporary data smaller than this, in bytes, stays in memory; larger data goes to a file.
const SPOOL_MEMORY: usize = 8 << 20;

/// Creates empty temporary data, for which files go to the folder `scratch`.
pub(super) fn spool(scratch: &Path) -> SpooledTempFile {
    tempfile::spooled_tempfile_in(SPOOL_MEMORY, scratch)
}

/// Parts of a file, in order.
pub(super) struct SpooledParts {
    file: Mutex<SpooledTempFile>,
    lengths: Vec<usize>,
}

impl SpooledParts {
    pub(super) fn new(scratch: &Path) -> Self {
        Self { file: Mutex::new(spool(scratch)), lengths: Vec::new() }
    }

    /// Appends a part; not after parts were read.
    pub(super) fn push(&mut self, part: &[u8]) -> io::Result<()> {
        lock(&self.file).write_all(part)?;
        self.lengths.push(part.len());
        Ok(())
    }

    /// Reads the parts from the first on.
    pub(super) fn parts(&self) -> impl Iterator<Item = io::Result<Vec<u8>>> {
        let mut at = 0;
        self.lengths.iter().map(move |length| {
            let mut part = vec![0; *length];
            let mut file = lock(&self.file);
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut part)?;
            at += *length as u64;
            Ok(part)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parts_can_be_read_several_times_in_memory_and_in_a_file() {
        for length in [10, SPOOL_MEMORY / 2] {
            let all: Vec<Vec<u8>> = (0..3_u8).map(|part| vec![part; length + usize::from(part)]).collect();
            let mut spooled = SpooledParts::new(&std::env::temp_dir());
            all.iter().for_each(|part| spooled.push(part).unwrap());
            assert!(spooled.parts().next().unwrap().unwrap() == all[0], "not read to the end");
            for _ in 0..2 {
                assert!(spooled.parts().map(Result::unwrap).eq(all.iter().cloned()));
            }
        }
    }
}

//! Row access for local equalization: by any thread if the format allows it, otherwise sequential with a spool.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use codec::RowReader;
use shared::equalize::NodataRule;
use shared::job::{Cut, ImageInfo};
use shared::pixels::Rows;

use super::error::Error;
use crate::stages::masked_image::MaskedRows;

/// An image's rows, readable part by part, repeatedly.
pub(super) struct RowsOfParts<'a> {
    pub(super) info: &'a ImageInfo,
    pub(super) cut: Cut,
    pub(super) readers: Readers,
    pub(super) marks: Marks,
}

/// The pixels to leave unchanged.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) nodata: Option<NodataRule>,
    pub(super) mask: Option<SpooledMask>,
}

impl Marks {
    /// Combines rows of the image with their mask.
    pub(super) fn mark(&self, at: Range<u32>, rows: Rows) -> Result<MaskedRows, Error> {
        let mask = self.mask.as_ref().map(|mask| mask.rows(&at)).transpose().map_err(Error::Write)?;
        Ok(MaskedRows::new(at.start, rows, self.nodata, mask.as_deref()))
    }
}

/// A decoded mask, one byte per pixel.
pub(super) struct SpooledMask {
    pub(super) spool: Mutex<tempfile::SpooledTempFile>,
    pub(super) width: u32,
}

impl SpooledMask {
    fn rows(&self, at: &Range<u32>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; at.len() * self.width as usize];
        let mut spool = lock(&self.spool);
        spool.seek(SeekFrom::Start(u64::from(at.start) * u64::from(self.width)))?;
        spool.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

pub(super) enum Readers {
    /// Rows are decoded in order, or all at once.
    One(Box<dyn RowReader>),
    /// Rows can be read by regions: one reader per thread.
    Many(Mutex<Vec<Box<dyn RowReader>>>),
}

/// Rows of a sequential decoder, spooled as they are decoded: decoded once, although they are read repeatedly.
pub(super) struct Kept {
    pub(super) reader: Box<dyn RowReader>,
    /// Number of rows decoded and spooled so far.
    pub(super) decoded: u32,
    pub(super) spool: tempfile::SpooledTempFile,
    pub(super) info: ImageInfo,
}

impl RowReader for Kept {
    fn read(&mut self, rows: Range<u32>) -> codec::Result<Rows> {
        let info = &self.info;
        if rows.start == self.decoded {
            let read = self.reader.read(rows.clone())?;
            self.spool.write_all(&read.to_le_bytes()).map_err(not_kept)?;
            self.decoded = rows.end;
            return Ok(read);
        }
        let place = |row: u32| u64::from(row) * info.row_bytes();
        let mut bytes = vec![0; (place(rows.end) - place(rows.start)) as usize];
        self.spool.seek(SeekFrom::Start(place(rows.start))).map_err(not_kept)?;
        self.spool.read_exact(&mut bytes).map_err(not_kept)?;
        Rows::from_le_cow(info.width, info.layout, info.depth, bytes.into()).map_err(codec::Error::Refused)
    }
}

fn not_kept(error: io::Error) -> codec::Error {
    codec::Error::Source(io::Error::new(
        error.kind(),
        format!("keeping decoded rows in a temporary file failed: {error}"),
    ))
}

/// Locks a mutex, ignoring poisoning: its holders can't leave inconsistent data, as they push and pop, or seek before
/// they read.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

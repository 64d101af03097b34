//! Outputs that are read part by part, each part verified against its hash before use, unless this process wrote it just now.
//!
//! The hashes are in the object itself, in its [table](Pointer::table), whose own hash is in the task's record. So a
//! record stays small however many parts there are, and damage anywhere is found by the first reader. A mismatch is
//! read once more, since the transfer and not the store may have been at fault. If it persists, or if the object is
//! truncated or missing, the output is [`Damaged`], and its producer's task runs again.

use std::io;
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use codec::{Hash, PartHash, RowReader};
use sha2::{Digest, Sha256};
use shared::job::{Cut, ImageInfo, Pointer};
use shared::pixels::Rows;
use store::Store;
use tokio::runtime::Handle;

use super::failure::{Damaged, Failure};
use crate::compute::deadline;
use crate::hex::hex;

/// Bytes per hash in a table.
const HASH: usize = size_of::<Hash>();

/// Converts a store error on an output: a missing or truncated object is damage, other errors are converted as usual.
pub(super) fn missing(key: &str, error: store::Error) -> Failure {
    match error {
        store::Error::NotFound(_) | store::Error::OutOfRange { .. } => {
            Failure::Damaged { keys: vec![key.to_owned()], what: error.to_string() }
        }
        error => error.into(),
    }
}

/// An output to be read by ranges on a pixel thread.
pub(super) struct Checked {
    store: Store,
    pointer: Pointer,
    hash: PartHash,
    handle: Handle,
    /// Whether this process itself wrote the output just now.
    is_own: OnceLock<bool>,
}

impl Checked {
    pub(super) fn new(store: Store, pointer: Pointer, hash: PartHash, handle: Handle) -> Self {
        Self { store, pointer, hash, handle, is_own: OnceLock::new() }
    }

    /// Reads the table of hashes and verifies it.
    ///
    /// # Errors
    /// [`Damaged`], or the store's.
    pub(super) fn table(&self) -> io::Result<Bytes> {
        let range = self.pointer.table.clone().ok_or_else(|| self.damaged("its table of hashes is missing"))?;
        self.read(range, |bytes| hex(&Sha256::digest(bytes)) == self.pointer.sha256)
    }

    /// Reads a range of bytes and verifies it against its hash from the table, unless this process itself wrote the output to a
    /// disk just now, and it is unchanged: then there is no transfer, and hardly a store, that could be at fault.
    ///
    /// # Errors
    /// [`Damaged`], or the store's.
    pub(super) fn part(&self, range: Range<u64>, hash: &Hash) -> io::Result<Bytes> {
        self.read(range, |bytes| self.is_own() || self.hash.digest(bytes) == *hash)
    }

    fn is_own(&self) -> bool {
        // An error of the store is the read's to report.
        let ask = || self.store.is_as_written_blocking(&self.pointer.key, &self.handle).unwrap_or(false);
        *self.is_own.get_or_init(ask)
    }

    fn read(&self, range: Range<u64>, is_right: impl Fn(&[u8]) -> bool) -> io::Result<Bytes> {
        for _ in 0..2 {
            deadline::check()?;
            match self.store.range_blocking(&self.pointer.key, range.clone(), &self.handle) {
                Ok(bytes) if is_right(&bytes) => return Ok(bytes),
                Ok(_) => {}
                Err(error @ (store::Error::NotFound(_) | store::Error::OutOfRange { .. })) => {
                    return Err(self.damaged(&error.to_string()).into());
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Err(self.damaged(&format!("bytes {} to {} don't match their hash", range.start, range.end)).into())
    }

    /// Returns an error that reports this output as damaged.
    pub(super) fn damaged(&self, what: &str) -> Damaged {
        Damaged { keys: vec![self.pointer.key.clone()], what: what.to_owned() }
    }
}

/// Decoded rows as written by the split: little-endian samples, row after row, then the table of the parts' hashes.
pub(super) struct RawRows {
    split: Checked,
    table: Bytes,
    cut: Cut,
    info: ImageInfo,
}

impl RawRows {
    /// Reads the table; call on a pixel thread.
    pub(super) fn open(split: Checked, cut: Cut, info: &ImageInfo) -> io::Result<Self> {
        let table = split.table()?;
        if table.len() != cut.parts as usize * HASH {
            return Err(split.damaged("its table of hashes has the wrong length").into());
        }
        Ok(Self { split, table, cut, info: info.clone() })
    }

    /// Reads the rows of one part.
    fn part(&self, part: u32, rows: Range<u32>) -> io::Result<Bytes> {
        let at = part as usize * HASH;
        let hash = self.table.get(at..at + HASH).and_then(|hash| hash.try_into().ok());
        let hash = hash.ok_or_else(|| self.split.damaged("its table of hashes is too short"))?;
        let row = self.info.row_bytes();
        self.split.part(row * u64::from(rows.start)..row * u64::from(rows.end), hash)
    }
}

impl RowReader for RawRows {
    /// # Panics
    /// If the rows aren't exactly those of one part: only whole parts can be verified.
    fn read(&mut self, rows: Range<u32>) -> codec::Result<Rows> {
        let part = rows.start / self.cut.part_rows.max(1);
        assert_eq!(rows, self.cut.rows_of(part, self.info.height), "rows are read by whole parts");
        let bytes = self.part(part, rows)?;
        Rows::from_le_cow(self.info.width, self.info.layout, self.info.depth, Vec::from(bytes).into())
            .map_err(|error| codec::Error::Source(io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

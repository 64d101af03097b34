//! Outputs that are read by parts, each checked against its hash before it is used.
//!
//! The hashes lie in the object itself, in its [table](Pointer::table), whose own hash is in the task's record: a record
//! stays small however many parts there are, and damage anywhere is found by the first who reads it. What comes wrong is
//! read once more, since it may have been the way and not the store; what is wrong then, or shorter, or gone, is
//! [`Damaged`], and its producer's task is done again.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use shared::job::{Cut, ImageInfo, Pointer};
use shared::pixels::Rows;
use tokio::runtime::Handle;

use super::deadline;
use super::stage::{Failure, hex};
use crate::codec::{self, Hash, PartHash, RowReader};
use crate::store::{self, Store};

/// Bytes of a hash in a table.
const HASH: usize = size_of::<Hash>();

/// The store holds something else than was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged: {what}", keys.join(", "))]
pub(super) struct Damaged {
    /// What is damaged.
    pub(super) keys: Vec<String>,
    /// How that was seen.
    pub(super) what: String,
}

impl From<Damaged> for io::Error {
    fn from(damaged: Damaged) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, damaged)
    }
}

/// An output that the store doesn't have (any more) or has only a part of is damaged; other errors are trouble.
pub(super) fn missing(key: &str, error: store::Error) -> Failure {
    match error {
        store::Error::NotFound(_) | store::Error::OutOfRange { .. } => {
            Failure::Damaged { keys: vec![key.to_owned()], what: error.to_string() }
        }
        error => error.into(),
    }
}

/// An output, read by ranges on a pixel thread.
pub(super) struct Checked {
    store: Store,
    pointer: Pointer,
    hash: PartHash,
    handle: Handle,
}

impl Checked {
    pub(super) fn new(store: Store, pointer: Pointer, hash: PartHash, handle: Handle) -> Self {
        Self { store, pointer, hash, handle }
    }

    /// The bytes that hold the hashes of the others.
    ///
    /// # Errors
    /// [`Damaged`], or the store's.
    pub(super) fn table(&self) -> io::Result<Bytes> {
        let range = self.pointer.table.clone().ok_or_else(|| self.damaged("it has no table of hashes"))?;
        self.read(range, |bytes| hex(&Sha256::digest(bytes)) == self.pointer.sha256)
    }

    /// A range of bytes whose hash the table holds.
    ///
    /// # Errors
    /// [`Damaged`], or the store's.
    pub(super) fn part(&self, range: Range<u64>, hash: &Hash) -> io::Result<Bytes> {
        self.read(range, |bytes| self.hash.digest(bytes) == *hash)
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
        Err(self.damaged(&format!("bytes {} to {} have another hash", range.start, range.end)).into())
    }

    /// Damage of this output.
    pub(super) fn damaged(&self, what: &str) -> Damaged {
        Damaged { keys: vec![self.pointer.key.clone()], what: what.to_owned() }
    }
}

/// Decoded rows as the split wrote them: little-endian samples, row after row, then the table of the parts' hashes.
pub(super) struct RawRows {
    split: Checked,
    table: Bytes,
    cut: Cut,
    info: ImageInfo,
}

impl RawRows {
    /// Reads the table; on a pixel thread.
    pub(super) fn open(split: Checked, cut: Cut, info: &ImageInfo) -> io::Result<Self> {
        let table = split.table()?;
        if table.len() != cut.parts as usize * HASH {
            return Err(split.damaged("its table has another length").into());
        }
        Ok(Self { split, table, cut, info: info.clone() })
    }

    /// Reads a part's rows.
    fn part(&self, part: u32, rows: Range<u32>) -> io::Result<Bytes> {
        let at = part as usize * HASH;
        let hash = self.table.get(at..at + HASH).and_then(|hash| hash.try_into().ok());
        let hash = hash.ok_or_else(|| self.split.damaged("its table is too short"))?;
        let row = self.info.row_bytes();
        self.split.part(row * u64::from(rows.start)..row * u64::from(rows.end), hash)
    }
}

impl RowReader for RawRows {
    /// # Panics
    /// If the rows aren't those of one part: only whole parts can be checked.
    fn read(&mut self, rows: Range<u32>) -> codec::Result<Rows> {
        let part = rows.start / self.cut.part_rows.max(1);
        assert_eq!(rows, self.cut.rows_of(part, self.info.height), "rows are read by whole parts");
        let bytes = self.part(part, rows)?;
        Rows::from_le_cow(self.info.width, self.info.layout, self.info.depth, Vec::from(bytes).into())
            .map_err(|error| codec::Error::Source(io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

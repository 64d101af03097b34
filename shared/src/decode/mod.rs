//! Bytes of image files → rows of samples as stored: no colour management, no rotation, no premultiplication.
//!
//! [`detect`] tells the format from the bytes, [`inspect`] reads the header and holds it to the limits before
//! anything is allocated, [`open`] gives a reader of rows. No I/O but what the given source does.

use std::io::{Read, Seek};
use std::ops::Range;

use crate::job::{Format, ImageInfo};
use crate::pixels::Rows;

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is at fault; a sentence for the person. Repeating can't help.
    #[error("{0}")]
    Refused(String),
    /// The source failed; repeating may help.
    #[error("reading the file failed: {0}")]
    Source(#[from] std::io::Error),
}

/// What operations of this module give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a file may cost, checked from its header before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of an image.
    pub max_pixels: u64,
    /// Pixels of a side.
    pub max_side: u32,
    /// Bytes that decoding may hold at once where it needs the whole image.
    pub max_whole_decode: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 4_000_000_000, max_side: 1_000_000, max_whole_decode: 1 << 30 }
    }
}

/// A refusal.
pub(crate) fn refuse<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Error::Refused(sentence.into()))
}

/// The format that the first bytes of a file show (16 suffice). Its name plays no part.
pub fn detect(start: &[u8]) -> Option<Format> {
    match start {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Format::Png),
        [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Format::Tiff),
        _ => None,
    }
}

/// What a file's header says.
///
/// # Errors
/// [`Error::Refused`] with a sentence if it isn't an image that can be kept, or is above the limits.
pub fn inspect<R: Read + Seek>(_source: &mut R, _limits: &Limits) -> Result<ImageInfo> {
    refuse("This build can't read images yet.")
}

/// A reader of an image's rows.
pub struct RowReader<R>(std::marker::PhantomData<fn(R)>);

/// Opens an image for reading rows. `info` is what [`inspect`] said of the same source.
///
/// # Errors
/// As [`RowReader::read`].
pub fn open<R: Read + Seek>(_source: R, _info: &ImageInfo) -> Result<RowReader<R>> {
    refuse("This build can't read images yet.")
}

impl<R: Read + Seek> RowReader<R> {
    /// Reads some rows. Ranges may come in any order where [`ImageInfo::regions`] or
    /// [`ImageInfo::whole_decode`] holds, else they must ascend.
    ///
    /// # Errors
    /// [`Error::Refused`] if the file is damaged, [`Error::Source`] if its source fails.
    pub fn read(&mut self, _rows: Range<u32>) -> Result<Rows> {
        refuse("This build can't read images yet.")
    }
}

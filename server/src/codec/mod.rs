//! Files: their header, their rows, their parts, and how parts join to a file again.
//!
//! Everything here is synchronous and runs on pixel threads. A [`Source`] may be a file, or bytes in memory, or an
//! object in the store read by ranges.
//!
//! `inspect` → `open` → rows → (equalize) → `part` on any worker → `join` on one: the bytes of the file depend on
//! the original and the recipe alone, never on who encoded which part when.

mod bundle;

use std::ops::Range;

use shared::job::ImageInfo;
use shared::pixels::{Layout, Rows};

pub use bundle::{Bundle, BundleIndex, bundle, bundle_index};
pub use shared::decode::{Error, Limits, Result, detect};

/// Where an image file's bytes are read from.
pub trait Source: std::io::Read + std::io::Seek + Send {}
impl<T: std::io::Read + std::io::Seek + Send> Source for T {}

/// A reader of an image's rows.
pub trait RowReader: Send {
    /// Reads some rows, as stored. Ranges may come in any order where [`ImageInfo::regions`] or
    /// [`ImageInfo::whole_decode`] holds, else they must ascend.
    ///
    /// # Errors
    /// [`Error::Refused`] if the file is damaged, [`Error::Source`] if its source fails.
    fn read(&mut self, rows: Range<u32>) -> Result<Rows>;
}

/// What join must know of a part without having its bytes. Small; kept as JSON in front of the parts in the store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PartIndex {
    /// Length of the part's bytes.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u32,
    /// Lengths of the pieces within it (TIFF strips or tiles); empty where there is but one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<u64>,
    /// Adler-32 of its uncompressed bytes, for PNG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adler32: Option<u32>,
    /// Length of its uncompressed bytes.
    pub raw_bytes: u64,
}

/// Some rows, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What join must know of it.
    pub index: PartIndex,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All of the output file but its pixels: structure and metadata. Small, and made from the original alone.
#[derive(Debug, Clone)]
pub struct Head {
    notes: Vec<String>,
}

impl Head {
    /// What of the original's metadata is not kept because it became stale, as sentences for the person.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Makes a file of parts. What [`begin`](Joiner::begin), [`part`](Joiner::part) for each part in order, and
/// [`end`](Joiner::end) give is the file, one after the other.
pub struct Joiner {}

/// A picture for browsers: 8 bits a sample, upright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The file.
    pub bytes: Vec<u8>,
    /// `image/png` where there is alpha, else `image/jpeg`.
    pub media_type: &'static str,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

fn not_yet<T>() -> Result<T> {
    Err(Error::Refused("This build can't read or write images yet.".to_owned()))
}

/// What a file's header says, held to the limits before anything is allocated.
///
/// # Errors
/// [`Error::Refused`] with a sentence if it isn't an image that can be kept, or is above the limits.
pub fn inspect(_source: &mut dyn Source, _limits: &Limits) -> Result<ImageInfo> {
    not_yet()
}

/// Opens an image for reading rows. `info` is what [`inspect`] said of the same source.
///
/// # Errors
/// As [`RowReader::read`].
pub fn open(_source: Box<dyn Source>, _info: &ImageInfo) -> Result<Box<dyn RowReader>> {
    not_yet()
}

/// Reads the original's structure and metadata, for a result whose pixels have the given layout: the original's, or
/// without its colours.
///
/// # Errors
/// [`Error::Refused`] if something of the original can't be kept, [`Error::Source`] if its source fails.
pub fn head(_source: &mut dyn Source, _info: &ImageInfo, _layout: Layout) -> Result<Head> {
    not_yet()
}

/// Encodes the rows from `first_row` on: a multiple of [`ImageInfo::unit_rows`] rows, or up to the image's end.
///
/// # Errors
/// [`Error::Refused`] if the rows aren't the head's.
pub fn part(_head: &Head, _first_row: u32, _rows: &Rows) -> Result<Part> {
    not_yet()
}

/// Begins to make a file of all its parts, whose indices are given in order.
///
/// # Errors
/// [`Error::Refused`] if the parts aren't the whole image.
pub fn join(_head: &Head, _index: &[PartIndex]) -> Result<Joiner> {
    not_yet()
}

impl Joiner {
    /// The file's first bytes.
    ///
    /// # Errors
    /// [`Error::Refused`] if the file would be beyond its format.
    pub fn begin(&mut self) -> Result<Vec<u8>> {
        not_yet()
    }

    /// The bytes that follow with the next part; none for JPEG, which is encoded at the end.
    ///
    /// # Errors
    /// [`Error::Refused`] if the part isn't the one that its index told.
    pub fn part(&mut self, _bytes: Vec<u8>) -> Result<Vec<u8>> {
        not_yet()
    }

    /// The file's last bytes.
    ///
    /// # Errors
    /// [`Error::Refused`] if parts are missing.
    pub fn end(self) -> Result<Vec<u8>> {
        not_yet()
    }
}

/// A picture of the image for browsers: at most `max_side` pixels on its longer side, never enlarged, upright.
/// Reads the rows once, in ascending order, and holds few of them.
///
/// # Errors
/// As [`RowReader::read`].
pub fn view(_reader: &mut dyn RowReader, _info: &ImageInfo, _max_side: u32) -> Result<View> {
    not_yet()
}

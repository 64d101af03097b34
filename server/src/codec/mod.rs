//! Files: their header, their rows, their parts, and how parts join to a file again.
//!
//! Everything here is synchronous and runs on pixel threads. A [`Source`] may be a file, or bytes in memory, or an
//! object in the store read by ranges.
//!
//! `inspect` → `open` → rows → (equalize) → `part` on any worker → `join` on one: the bytes of the file depend on
//! the original and the recipe alone, never on who encoded which part when.

use shared::job::ImageInfo;
use shared::pixels::{Layout, Rows};

/// Where an image file's bytes are read from.
pub trait Source: std::io::Read + std::io::Seek + Send {}
impl<T: std::io::Read + std::io::Seek + Send> Source for T {}

/// Why a file can't be read or written.
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

// The signatures that the rest of the server relies on:
//
//   pub fn inspect(source: &mut dyn Source, limits: &Limits) -> Result<ImageInfo>
//   pub fn open(source: Box<dyn Source>, info: &ImageInfo) -> Result<Box<dyn RowReader>>
//   pub trait RowReader: Send { fn read(&mut self, rows: Range<u32>) -> Result<Rows>; }
//   pub struct Head;                                   // all of the output file but its pixels, metadata included
//   pub fn head(source: &mut dyn Source, info: &ImageInfo, layout: Layout) -> Result<Head>
//   pub fn part(head: &Head, first_row: u32, rows: &Rows) -> Result<Part>
//   pub fn join(head: &Head, index: &[PartIndex]) -> Result<Joiner>
//   impl Joiner { fn begin(&mut self) -> Result<Vec<u8>>; fn part(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>>;
//                 fn end(self) -> Result<Vec<u8>>; }    // what each gives is appended to the file, in this order
//   pub fn bundle(parts: Vec<Part>) -> Vec<u8>          // a task's parts as one object: index first, then bytes
//   pub fn bundle_index(start: &[u8]) -> Result<BundleIndex>   // from the object's first bytes; says if it needs more
//   pub fn view(reader: &mut dyn RowReader, info: &ImageInfo, max_side: u32) -> Result<View>  // 8-bit sRGB, upright
const _: fn(&ImageInfo, Layout, &Rows) = |_, _, _| {};

//! Decoding of image files into rows of samples as stored: no colour management, rotation or premultiplication.
//!
//! [`detect`] recognizes the format by the first bytes, [`inspect`] reads the header and checks it against the limits before
//! anything is allocated, and [`open`] returns a reader of rows. The only I/O is on the given source.

pub mod exif;
pub mod jpeg;
mod limits;
pub mod png;
mod profile;
pub mod tiff;
pub mod webp;

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

pub(crate) use limits::too_many;
pub use limits::{Blocks, Limits};
pub use profile::profile;

use crate::job::{Format, ImageInfo};
use crate::pixels::{Depth, Rows, Samples};

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is at fault; with a sentence for the user. Retrying can't help.
    #[error("{0}")]
    Refused(String),
    /// The source failed. Retryable.
    #[error("reading the file failed: {0}")]
    Source(#[from] io::Error),
}

/// Result of this module's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Returns a refusal.
pub(crate) fn refuse<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Error::Refused(sentence.into()))
}

/// Classifies an I/O error from a decoder: a refusal if it says that data is missing or invalid, else an error of the source.
pub(crate) fn blame(format: Format, error: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        UnexpectedEof => truncated(format),
        InvalidData | InvalidInput => damaged(format, error),
        _ => Error::Source(error),
    }
}

/// Returns the refusal of a file that ends too early.
pub(crate) fn truncated(format: Format) -> Error {
    Error::Refused(format!("The {} file ends before its image does: it is truncated.", name(format)))
}

/// Returns the refusal of a file with invalid structure or data.
pub(crate) fn damaged(format: Format, what: impl std::fmt::Display) -> Error {
    let what = what.to_string();
    Error::Refused(format!("The {} file is damaged: {}.", name(format), what.trim_end_matches('.')))
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Png => "PNG",
        Format::Jpeg => "JPEG",
        Format::Tiff => "TIFF",
        Format::Webp => "WebP",
    }
}

/// Returns the format by the first bytes of a file (16 suffice). The file name doesn't matter.
pub fn detect(start: &[u8]) -> Option<Format> {
    match start {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Format::Png),
        [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::Webp),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Format::Tiff),
        _ => None,
    }
}

/// Reads a file's header.
///
/// # Errors
/// [`Error::Refused`] with a sentence if the file isn't a supported image, or exceeds the limits.
pub fn inspect<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<ImageInfo> {
    source.rewind()?;
    let mut start = Vec::new();
    source.by_ref().take(64).read_to_end(&mut start)?;
    source.rewind()?;
    match detect(&start) {
        Some(Format::Png) => png::inspect(source, limits),
        Some(Format::Jpeg) => jpeg::inspect(source, limits),
        Some(Format::Tiff) => tiff::inspect(source, limits),
        Some(Format::Webp) => webp::inspect(source, limits),
        None => refuse(stranger(&start)),
    }
}

/// Reads the headers of some of a file's pages, numbered from 0. Only a TIFF can have more than one.
///
/// # Errors
/// Like [`inspect`].
pub fn inspect_pages<R: Read + Seek>(
    source: &mut R,
    limits: &Limits,
    info: &ImageInfo,
    pages: Range<u32>,
) -> Result<Vec<ImageInfo>> {
    match info.format {
        Format::Tiff => tiff::pages(source, limits, pages),
        format if pages.end > 1 => {
            refuse(format!("A {} file has a single page; {pages:?} were requested.", name(format)))
        }
        _ => pages.map(|_| inspect(source, limits)).collect(),
    }
}

/// Describes a file of unknown format, for the refusal.
fn stranger(start: &[u8]) -> String {
    let what = match start {
        [] => return "The file is empty: expected a PNG, JPEG, TIFF or WebP image.".to_owned(),
        [b'G', b'I', b'F', b'8', ..] => "a GIF image",
        [b'B', b'M', ..] => "a BMP image",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a HEIF, AVIF or MP4 file",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        [0x89, b'P', b'N', b'G', ..] => "a PNG file damaged by a transfer as text",
        _ if start.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..)) => "text",
        _ => "something else",
    };
    format!("Expected a PNG, JPEG, TIFF or WebP image, but the file's bytes are {what}.")
}

/// Reader of an image's rows.
pub struct RowReader<R: Read + Seek> {
    info: ImageInfo,
    rows: Kind<R>,
}

enum Kind<R: Read + Seek> {
    Png(Box<png::Reader<R>>),
    /// Decoded as a whole.
    Whole(Vec<u8>),
    Tiff(Box<tiff::Reader<R>>),
}

/// Opens an image for reading rows. `info` is the result of [`inspect`] for the same source. Images that need a whole decode
/// ([`ImageInfo::whole_decode`]) are decoded here, except for TIFFs.
///
/// # Errors
/// Like [`RowReader::read`].
pub fn open<R: Read + Seek>(mut source: R, info: &ImageInfo) -> Result<RowReader<R>> {
    source.seek(SeekFrom::Start(0))?;
    let rows = match info.format {
        Format::Png => Kind::Png(Box::new(png::Reader::open(source, info)?)),
        Format::Jpeg => Kind::Whole(jpeg::decode(source, info)?),
        Format::Webp => Kind::Whole(webp::decode(source, info)?),
        Format::Tiff => Kind::Tiff(Box::new(tiff::Reader::open(source, info)?)),
    };
    Ok(RowReader { info: info.clone(), rows })
}

impl<R: Read + Seek> RowReader<R> {
    /// Reads a range of rows. Ranges may come in any order if [`ImageInfo::regions`] or [`ImageInfo::whole_decode`] holds;
    /// otherwise they must ascend.
    ///
    /// # Errors
    /// [`Error::Refused`] if the file is damaged, [`Error::Source`] if its source fails.
    pub fn read(&mut self, rows: Range<u32>) -> Result<Rows> {
        if rows.start >= rows.end || rows.end > self.info.height {
            let height = self.info.height;
            return refuse(format!("Expected rows within 0..{height}, got {}..{}.", rows.start, rows.end));
        }
        let samples = match &mut self.rows {
            Kind::Png(reader) => reader.read(rows)?,
            Kind::Whole(all) => Samples::U8(all[bytes_of(&self.info, &rows)].to_vec()),
            Kind::Tiff(reader) => reader.read(rows)?,
        };
        Ok(Rows { width: self.info.width, layout: self.info.layout, samples })
    }
}

/// Returns the byte range of rows in the decoded image, whose size was limited by [`inspect`] to fit in memory.
fn bytes_of(info: &ImageInfo, rows: &Range<u32>) -> Range<usize> {
    let row = info.row_bytes() as usize;
    rows.start as usize * row..rows.end as usize * row
}

/// Converts big-endian bytes to samples.
fn from_be(depth: Depth, bytes: Vec<u8>) -> Samples {
    match depth {
        Depth::Eight => Samples::U8(bytes),
        Depth::Sixteen => {
            Samples::U16(bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
        }
        Depth::Float => Samples::F32(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_be_bytes(*four)).collect()),
    }
}

//! Decoding of image files into rows of samples as stored: no colour management, rotation or premultiplication.
//!
//! [`detect`] recognizes the format by the first bytes, [`inspect`] reads the header and checks it against the limits before
//! anything is allocated, and [`open`] returns a reader of rows. The only I/O is on the given source.

mod error;
pub mod exif;
pub mod foreign;
pub mod jpeg;
mod limits;
pub mod png;
mod profile;
mod raw;
pub mod tiff;
pub mod webp;

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

pub use error::{Error, Result};
pub use limits::{Blocks, Limits};
pub use profile::profile;

use error::{name, refuse};
use raw::bytes_of;

use crate::job::{Format, ImageInfo};
use crate::pixels::{Rows, Samples};

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
    source.by_ref().take(foreign::START as u64).read_to_end(&mut start)?;
    source.rewind()?;
    match detect(&start) {
        Some(Format::Png) => png::inspect(source, limits),
        Some(Format::Jpeg) => jpeg::inspect(source, limits),
        Some(Format::Tiff) => tiff::inspect(source, limits),
        Some(Format::Webp) => webp::inspect(source, limits),
        None => refuse(foreign::refusal(&start)),
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

//! Reading headers, rows and colour profiles.

use std::ops::Range;

use shared::job::{Format, ImageInfo};
use shared::pixels::Rows;

use super::refusal::{contain, refuse};
use super::{Error, Limits, Result};

/// Byte source of an image file.
pub trait Source: std::io::Read + std::io::Seek + Send {}
impl<T: std::io::Read + std::io::Seek + Send> Source for T {}

/// Reader of an image's rows.
pub trait RowReader: Send {
    /// Reads rows as stored. Ranges may come in any order if [`ImageInfo::regions`] or [`ImageInfo::whole_decode`] is
    /// set; otherwise they must ascend.
    ///
    /// # Errors
    /// [`Error::Refused`] if the file is damaged, [`Error::Source`] if its source fails.
    fn read(&mut self, rows: Range<u32>) -> Result<Rows>;
}

/// Returns the memory, in bytes, that the decoder holds for an image that is decoded as a whole.
pub fn decoder_memory(info: &ImageInfo) -> u64 {
    match info.format {
        Format::Png | Format::Jpeg | Format::Tiff => info.raw_bytes(),
        Format::Webp => shared::decode::webp::decoder_memory(info),
    }
}

/// Reads a file's header and checks it against the limits before anything is allocated.
///
/// # Errors
/// [`Error::Refused`] with a sentence if the file isn't an image that can be kept, or exceeds the limits.
pub fn inspect(mut source: &mut dyn Source, limits: &Limits) -> Result<ImageInfo> {
    contain(|| shared::decode::inspect(&mut source, limits))
}

/// Reads the headers of some pages ([`ImageInfo::pages`]), numbered from 0; `info` is the result of [`inspect`].
///
/// # Errors
/// As [`inspect`].
pub fn inspect_pages(
    mut source: &mut dyn Source,
    limits: &Limits,
    info: &ImageInfo,
    pages: Range<u32>,
) -> Result<Vec<ImageInfo>> {
    contain(|| shared::decode::inspect_pages(&mut source, limits, info, pages))
}

/// Opens an image for reading rows. `info` is the result of [`inspect`] for the same source. An image that can't be
/// read by regions or row by row ([`ImageInfo::whole_decode`]) may be decoded here.
///
/// # Errors
/// As [`RowReader::read`].
pub fn open(source: Box<dyn Source>, info: &ImageInfo) -> Result<Box<dyn RowReader>> {
    let reader = contain(|| shared::decode::open(source, info))?;
    Ok(Box::new(Reader(Some(reader))))
}

/// A decoder; `None` after a panic.
struct Reader(Option<shared::decode::RowReader<Box<dyn Source>>>);

impl RowReader for Reader {
    fn read(&mut self, rows: Range<u32>) -> Result<Rows> {
        let Some(mut reader) = self.0.take() else {
            return refuse("The file made the decoder fail before.");
        };
        let (reader, rows) = contain(|| {
            let rows = reader.read(rows);
            Ok((reader, rows))
        })?;
        self.0 = Some(reader);
        rows
    }
}

/// Returns the file's embedded colour profile (ICC), unchanged; `info` is the result of [`inspect`] for the same
/// source. An unreadable profile counts as none.
///
/// # Errors
/// [`Error::Source`] if the source fails.
pub fn profile(mut source: &mut dyn Source, info: &ImageInfo) -> Result<Option<Vec<u8>>> {
    match contain(|| shared::decode::profile(&mut source, info)) {
        Err(Error::Refused(sentence)) => {
            tracing::debug!(sentence, "colour profile ignored");
            Ok(None)
        }
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_panicked_refuses_further_rows() {
        let mut reader = Reader(None);
        assert!(reader.read(0..1).is_err());
    }
}

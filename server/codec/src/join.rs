//! Joining parts to a file.

use shared::job::{Format, ImageInfo};

use super::head::{FileHead, Head};
use super::parts::{Envelope, PartIndex, Parts};
use super::refusal::refuse;
use super::{Result, tiff, webp};

/// Assembles a file from its parts.
#[derive(Debug, Clone)]
pub enum Joiner {
    /// The file contains the parts in order, verbatim.
    Envelope(Envelope),
    /// The parts are raw rows; the file can only be encoded once all of them are there.
    Encoder(Box<webp::Encoder>),
    /// The file contains the beginning of each part, but before them overviews that are made of all parts (COG).
    Cloud(Box<tiff::Cloud>),
}

impl Joiner {
    /// Passes the pieces of the file to `emit` in order.
    ///
    /// # Errors
    /// Those of `parts` and of `emit`, as [`Error::Source`](super::Error::Source);
    /// [`Error::Refused`](super::Error::Refused) if the file can't be made.
    pub fn write(self, parts: &mut Parts<'_>, emit: &mut dyn FnMut(Vec<u8>) -> std::io::Result<()>) -> Result<()> {
        match self {
            Joiner::Envelope(Envelope { begin, end }) => {
                emit(begin)?;
                for part in parts() {
                    emit(part?)?;
                }
                emit(end)?;
            }
            Joiner::Encoder(mut encoder) => {
                for part in parts() {
                    encoder.part(&part?)?;
                }
                encoder.file(emit)?;
            }
            Joiner::Cloud(cloud) => cloud.write(parts, emit)?,
        }
        Ok(())
    }
}

/// Returns the memory, in bytes, that [`Joiner::write`] holds for an image's result, besides the part passing through.
pub fn join_memory(info: &ImageInfo) -> u64 {
    match info.format {
        Format::Png | Format::Jpeg => 0,
        // Overviews, if the file is cloud-optimized.
        Format::Tiff => tiff::join_memory(info),
        Format::Webp => shared::decode::webp::encoder_memory(info),
    }
}

/// Creates the joiner of a file from the indices of all its parts, in order.
///
/// # Errors
/// [`Error::Refused`](super::Error::Refused) if the parts aren't the whole image.
pub fn join(head: &Head, index: &[PartIndex]) -> Result<Joiner> {
    join_pages(&[(head, index)])
}

/// Creates the joiner of a file from the indices of all its pages' parts, in order.
///
/// # Errors
/// [`Error::Refused`](super::Error::Refused) if the parts aren't whole pages, or the format has no pages.
pub fn join_pages(pages: &[(&Head, &[PartIndex])]) -> Result<Joiner> {
    for (head, index) in pages {
        let rows: u64 = index.iter().map(|part| u64::from(part.rows)).sum();
        if rows != u64::from(head.info.height) {
            return refuse(format!("Expected parts of {} rows in all, got {rows}.", head.info.height));
        }
    }
    match pages {
        [(Head { file: FileHead::Png(file), info, .. }, index)] => Ok(Joiner::Envelope(file.join(info, index)?)),
        [(Head { file: FileHead::Jpeg(file), info, .. }, _)] => Ok(Joiner::Envelope(file.join(info)?)),
        [(Head { file: FileHead::Webp(file), info, .. }, _)] => Ok(Joiner::Encoder(Box::new(file.encoder(info)))),
        [(Head { file: FileHead::Tiff(file), .. }, index)] if file.cloud => {
            Ok(Joiner::Cloud(Box::new(tiff::Cloud::new(file, index)?)))
        }
        pages => {
            let mut of_tiff = Vec::with_capacity(pages.len());
            for (head, index) in pages {
                match &head.file {
                    FileHead::Tiff(file) => of_tiff.push((&**file, *index)),
                    _ => return refuse("Only a TIFF has several pages."),
                }
            }
            Ok(Joiner::Envelope(tiff::join(&of_tiff)?))
        }
    }
}

/// Assigns the parts, whose indices are given in order, to pages: each page takes as many as its rows need.
///
/// # Errors
/// [`Error::Refused`](super::Error::Refused) if there are more parts than the pages need.
pub fn by_pages<'a>(heads: &'a [Head], mut index: &'a [PartIndex]) -> Result<Vec<(&'a Head, &'a [PartIndex])>> {
    let mut pages = Vec::with_capacity(heads.len());
    for head in heads {
        let mut rows = 0_u64;
        let before = index.iter().take_while(|part| {
            let more = rows < head.info.height.into();
            rows += u64::from(part.rows);
            more
        });
        let (own, others) = index.split_at(before.count());
        pages.push((head, own));
        index = others;
    }
    if index.is_empty() { Ok(pages) } else { refuse(format!("There are {} parts too many.", index.len())) }
}

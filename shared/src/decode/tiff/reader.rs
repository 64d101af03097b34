//! Rows of a TIFF file, by region.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use tiff::decoder::{Decoder, DecodingResult, Limits as DecoderLimits};
use tiff::{TiffError, TiffFormatError};

use super::super::{Error, Result, blame, damaged, refuse, truncated};
use super::directory::Order;
use super::structure::{Chunks, Structure, structure};
use super::tag;
use crate::job::{Format, ImageInfo};
use crate::pixels::{Depth, Samples};

/// Reads rows of strips or tiles in any order. The tables of where they are were read once.
pub(in super::super) struct Reader<R: Read + Seek> {
    structure: Structure,
    row: u64,
    pieces: Pieces<R>,
}

enum Pieces<R: Read + Seek> {
    /// Rows that lie one after the other: only those asked for are read.
    Plain { source: R, offsets: Vec<u64> },
    /// Strips or tiles that are decoded whole.
    Coded(Box<Decoder<BufReader<R>>>),
}

fn explain(error: TiffError) -> Error {
    match error {
        TiffError::IoError(error) => blame(Format::Tiff, error),
        TiffError::LimitsExceeded | TiffError::IntSizeError => damaged(Format::Tiff, "a strip or tile is too large"),
        TiffError::FormatError(TiffFormatError::InconsistentSizesEncountered) => truncated(Format::Tiff),
        TiffError::FormatError(error) => damaged(Format::Tiff, error),
        TiffError::UnsupportedError(error) => Error::Refused(format!("This TIFF can't be read yet: {error}")),
        TiffError::UsageError(error) => damaged(Format::Tiff, error),
    }
}

impl<R: Read + Seek> Reader<R> {
    pub(in super::super) fn open(mut source: R, info: &ImageInfo) -> Result<Self> {
        let structure = structure(&mut source, None)?;
        if structure.info() != *info {
            return refuse("The TIFF file has changed since its header was read.");
        }
        let row = info.row_bytes();
        let pieces = if structure.any_row() {
            Pieces::Plain { offsets: plain(&mut source, &structure, row)?, source }
        } else {
            source.seek(SeekFrom::Start(0))?;
            // `inspect` held the pieces to the limits.
            let decoder = Decoder::new(BufReader::with_capacity(32 << 10, source)).map_err(explain)?;
            Pieces::Coded(Box::new(decoder.with_limits(DecoderLimits::unlimited())))
        };
        Ok(Self { structure, row, pieces })
    }

    pub(in super::super) fn read(&mut self, rows: Range<u32>) -> Result<Samples> {
        match &mut self.pieces {
            Pieces::Plain { source, offsets } => {
                let strip = self.structure.chunks.rows();
                let mut bytes = vec![0; rows.len() * self.row as usize];
                let (mut rest, mut next) = (bytes.as_mut_slice(), rows.start);
                while next < rows.end {
                    let (index, within) = ((next / strip) as usize, next % strip);
                    let count = (strip - within).min(rows.end - next);
                    let (now, later) = rest.split_at_mut(count as usize * self.row as usize);
                    source.seek(SeekFrom::Start(offsets[index] + u64::from(within) * self.row))?;
                    source.read_exact(now).map_err(|error| blame(Format::Tiff, error))?;
                    (rest, next) = (later, next + count);
                }
                Ok(native(self.structure.depth, self.structure.tiff.order, bytes))
            }
            Pieces::Coded(decoder) => {
                let count = rows.len() * self.structure.width as usize * self.structure.layout.channels();
                match self.structure.depth {
                    Depth::Eight => {
                        let mut samples = vec![0; count];
                        fill(decoder, &self.structure, &rows, &mut samples, |piece| match piece {
                            DecodingResult::U8(samples) => Some(samples),
                            _ => None,
                        })?;
                        Ok(Samples::U8(samples))
                    }
                    Depth::Sixteen => {
                        let mut samples = vec![0; count];
                        fill(decoder, &self.structure, &rows, &mut samples, |piece| match piece {
                            DecodingResult::U16(samples) => Some(samples),
                            _ => None,
                        })?;
                        Ok(Samples::U16(samples))
                    }
                }
            }
        }
    }
}

/// Where uncompressed strips are; each is as long as its rows, and within the file.
fn plain<R: Read + Seek>(source: &mut R, structure: &Structure, row: u64) -> Result<Vec<u64>> {
    let mut table = |tag| match structure.directory.find(tag) {
        Some(entry) => structure.tiff.numbers(source, entry),
        None => Err(truncated(Format::Tiff)),
    };
    let (offsets, counts) = (table(tag::STRIP_OFFSETS)?, table(tag::STRIP_BYTE_COUNTS)?);
    let strip = structure.chunks.rows();
    for (i, (offset, count)) in offsets.iter().zip(counts).enumerate() {
        let first = i as u64 * u64::from(strip);
        let length = row * u64::from(strip).min(u64::from(structure.height) - first);
        if count < length || offset.checked_add(length).is_none_or(|end| end > structure.tiff.length) {
            return Err(truncated(Format::Tiff));
        }
    }
    Ok(offsets)
}

/// Decodes the strips or tiles that hold the rows, each once, and copies what belongs to the rows.
fn fill<R: Read + Seek, S: Copy>(
    decoder: &mut Decoder<R>,
    structure: &Structure,
    rows: &Range<u32>,
    samples: &mut [S],
    of: fn(DecodingResult) -> Option<Vec<S>>,
) -> Result<()> {
    let channels = structure.layout.channels();
    let line = structure.width as usize * channels;
    let across = structure.chunks.across(structure.width);
    let piece_rows = structure.chunks.rows();
    for down in rows.start / piece_rows..rows.end.div_ceil(piece_rows) {
        for column in 0..across {
            let index = down * across + column;
            let piece = of(decoder.read_chunk(index).map_err(explain)?)
                .ok_or_else(|| damaged(Format::Tiff, "a strip or tile has other samples than its header says"))?;
            let (left, width) = match structure.chunks {
                Chunks::Strips(_) => (0, structure.width),
                Chunks::Tiles { width, .. } => (column * width, width.min(structure.width - column * width)),
            };
            let (left, width) = (left as usize * channels, width as usize * channels);
            let top = down * piece_rows;
            let bottom = (top + piece_rows).min(structure.height);
            for row in rows.start.max(top)..rows.end.min(bottom) {
                let from = (row - top) as usize * width;
                let to = (row - rows.start) as usize * line + left;
                let source = piece.get(from..from + width).ok_or_else(|| truncated(Format::Tiff))?;
                samples[to..to + width].copy_from_slice(source);
            }
        }
    }
    Ok(())
}

fn native(depth: Depth, order: Order, bytes: Vec<u8>) -> Samples {
    match (depth, order) {
        (Depth::Eight, _) => Samples::U8(bytes),
        (Depth::Sixteen, Order::Little) => {
            Samples::U16(bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect())
        }
        (Depth::Sixteen, Order::Big) => super::super::from_be(depth, bytes),
    }
}

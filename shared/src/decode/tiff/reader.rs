//! Rows of a TIFF file, by region.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::super::{Result, blame, refuse, truncated};
use super::structure::{Chunks, Structure, structure};
use super::{tag, unpack};
use crate::job::{Format, ImageInfo};
use crate::pixels::{Depth, Samples};

/// Reads rows of strips or tiles in any order. The tables of where they are were read once.
pub(in super::super) struct Reader<R> {
    source: R,
    structure: Structure,
    /// Offset and length of each strip or tile.
    pieces: Vec<(u64, u64)>,
}

impl<R: Read + Seek> Reader<R> {
    pub(in super::super) fn open(mut source: R, info: &ImageInfo) -> Result<Self> {
        let structure = structure(&mut source, None)?;
        if structure.info() != *info {
            return refuse("The TIFF file has changed since its header was read.");
        }
        let (offsets, lengths) = match structure.chunks {
            Chunks::Strips(_) => (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS),
            Chunks::Tiles { .. } => (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS),
        };
        let mut table = |tag| match structure.directory.find(tag) {
            Some(entry) => structure.tiff.numbers(&mut source, entry),
            None => Err(truncated(Format::Tiff)),
        };
        let pieces: Vec<(u64, u64)> = table(offsets)?.into_iter().zip(table(lengths)?).collect();
        let outside = |(at, length): &(u64, u64)| at.checked_add(*length).is_none_or(|end| end > structure.tiff.length);
        if pieces.iter().any(outside) {
            return Err(truncated(Format::Tiff));
        }
        Ok(Self { source, structure, pieces })
    }

    pub(in super::super) fn read(&mut self, rows: Range<u32>) -> Result<Samples> {
        match self.structure.depth {
            Depth::Eight => Ok(Samples::U8(self.samples(rows)?)),
            Depth::Sixteen => Ok(Samples::U16(self.samples(rows)?)),
        }
    }

    fn samples<S: unpack::Sample>(&mut self, rows: Range<u32>) -> Result<Vec<S>> {
        let line = self.structure.width as usize * self.structure.layout.channels();
        let mut samples = vec![S::default(); rows.len() * line];
        if self.structure.any_row() {
            self.plain(rows, line, &mut samples)?;
        } else {
            self.coded(rows, line, &mut samples)?;
        }
        Ok(samples)
    }

    /// Rows that lie one after the other: only those asked for are read.
    fn plain<S: unpack::Sample>(&mut self, rows: Range<u32>, line: usize, samples: &mut [S]) -> Result<()> {
        let strip = self.structure.chunks.rows();
        let (mut rest, mut next) = (samples, rows.start);
        while next < rows.end {
            let (index, within) = ((next / strip) as usize, next % strip);
            let count = (strip - within).min(rows.end - next);
            let (start, length) = self.pieces[index];
            let skip = u64::from(within) * (line * S::BYTES) as u64;
            let mut bytes = vec![0; count as usize * line * S::BYTES];
            if skip + bytes.len() as u64 > length {
                return Err(truncated(Format::Tiff));
            }
            self.source.seek(SeekFrom::Start(start + skip))?;
            self.source.read_exact(&mut bytes).map_err(|error| blame(Format::Tiff, error))?;
            let (now, later) = rest.split_at_mut(count as usize * line);
            unpack::samples(self.structure.tiff.order, &bytes, now);
            (rest, next) = (later, next + count);
        }
        Ok(())
    }

    /// Decodes the strips or tiles that hold the rows, each once, and copies what belongs to the rows.
    fn coded<S: unpack::Sample>(&mut self, rows: Range<u32>, line: usize, samples: &mut [S]) -> Result<()> {
        let Structure { width, height, chunks, layout, compression, predictor, tiff, .. } = self.structure;
        let channels = layout.channels();
        let across = chunks.across(width);
        // A tile's rows are padded to its width; a strip's are the image's.
        let piece_width = match chunks {
            Chunks::Strips(_) => width,
            Chunks::Tiles { width, .. } => width,
        };
        let piece_line = piece_width as usize * channels;
        let (mut packed, mut raw) = (Vec::new(), Vec::new());
        let mut decoded = vec![S::default(); piece_line];
        for down in rows.start / chunks.rows()..rows.end.div_ceil(chunks.rows()) {
            let top = down * chunks.rows();
            let bottom = top.saturating_add(chunks.rows()).min(height);
            // Below the last row of those asked for, nothing is needed.
            let needed = (rows.end.min(bottom) - top) as usize * piece_line * S::BYTES;
            for column in 0..across {
                let (start, length) = self.pieces[(down * across + column) as usize];
                self.source.seek(SeekFrom::Start(start))?;
                packed.clear();
                // No compression makes data twice as long, so a longer length is not to be believed.
                let most = 2 * needed as u64 + 4_096;
                self.source.by_ref().take(length.min(most)).read_to_end(&mut packed)?;
                raw.resize(needed, 0);
                unpack::unpack(compression, &packed, &mut raw)?;
                let left = column * piece_width;
                let inside = piece_width.min(width - left) as usize * channels;
                for row in rows.start.max(top)..rows.end.min(bottom) {
                    let from = (row - top) as usize * piece_line * S::BYTES;
                    unpack::samples(tiff.order, &raw[from..from + piece_line * S::BYTES], &mut decoded);
                    if predictor {
                        unpack::sum_up(&mut decoded, channels);
                    }
                    let to = (row - rows.start) as usize * line + left as usize * channels;
                    samples[to..to + inside].copy_from_slice(&decoded[..inside]);
                }
            }
        }
        Ok(())
    }
}

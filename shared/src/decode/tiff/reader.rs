//! Random-access reader for rows of a TIFF page.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use super::super::error::{Result, blame, refuse, truncated};
use super::document::page_of;
use super::fields::Fields;
use super::jpeg::Jpeg;
use super::page::Page;
use super::palette::{self, Palette};
use super::pieces::pieces;
use super::present;
use super::structure::{Compression, Meaning, Predictor, Structure, structure};
use super::unpack::{self, Piece};
use super::ycbcr::ToRgb;
use super::{nodata, tag};
use crate::for_depth;
use crate::job::{Format, ImageInfo};
use crate::pixels::{Depth, SampleType, Samples};

/// Maximum bytes of the tables shared by all JPEG strips or tiles of a page. They are prepended to each one, so they must be
/// small; a full set takes less than 3 KiB.
const MOST_JPEG_TABLES: u64 = 64 << 10;

/// Reads rows from strips or tiles in any order. The offset tables are read once, on opening.
pub(in super::super) struct Reader<R> {
    source: R,
    page: Stored,
    mask: Option<Stored>,
    palette: Option<Palette>,
    to_rgb: Option<ToRgb>,
}

/// Pixels of one directory, as stored in the file.
struct Stored {
    structure: Structure,
    /// Offset and length of each strip or tile, plane by plane.
    pieces: Vec<(u64, u64)>,
    jpeg: Jpeg,
    /// Pixel value of a missing strip or tile: GDAL omits empty ones.
    empty: f64,
}

impl<R: Read + Seek> Reader<R> {
    pub(in super::super) fn open(mut source: R, info: &ImageInfo) -> Result<Self> {
        let (tiff, page) = page_of(&mut source, info)?;
        let page = structure(&mut source, tiff, page, None)?;
        let page = Stored::open(&mut source, page)?;
        // Overviews can raise the rows per part above those of a strip or tile.
        let stored = ImageInfo { unit_rows: info.unit_rows, ..page.structure.info() };
        if !stored.is_like(info) {
            return refuse("The TIFF file has changed since its header was read.");
        }
        let mask = match page.structure.mask {
            Some(at) => {
                let mask = mask(&mut source, &page.structure, at)?;
                Some(Stored::open(&mut source, mask)?)
            }
            None => None,
        };
        let palette = match page.structure.meaning {
            Meaning::Palette => {
                let Structure { tiff, directory, bits, .. } = &page.structure;
                Some(palette::read(&mut Fields::new(*tiff, directory, &mut source), *bits)?)
            }
            _ => None,
        };
        let to_rgb = match page.structure.meaning {
            Meaning::YCbCr => {
                let Structure { tiff, directory, .. } = &page.structure;
                Some(ToRgb::read(&mut Fields::new(*tiff, directory, &mut source))?)
            }
            _ => None,
        };
        Ok(Self { source, page, mask, palette, to_rgb })
    }

    pub(in super::super) fn read(&mut self, rows: Range<u32>) -> Result<Samples> {
        let mut samples = self.page.read(&mut self.source, rows.clone())?;
        if let (Some(to_rgb), Samples::U8(samples)) = (&self.to_rgb, &mut samples) {
            to_rgb.colors(samples);
        }
        let samples = present::present(&self.page.structure, self.palette.as_ref(), samples);
        match &self.mask {
            Some(mask) => Ok(present::add_mask(samples, &mask.read(&mut self.source, rows)?)),
            None => Ok(samples),
        }
    }
}

/// Reads the structure of a page's mask.
///
/// # Errors
/// Refused if it isn't a mask for this page.
pub fn mask<R: Read + Seek>(source: &mut R, page: &Structure, at: u64) -> Result<Structure> {
    let mask = structure(source, page.tiff, Page { at, mask: None, slice: 0 }, None)?;
    if (mask.width, mask.height, mask.channels) != (page.width, page.height, 1) || mask.bits > 8 {
        return refuse(format!(
            "This TIFF has a mask page of {} × {} pixels with {} samples of {} bits for an image of {} × {}, which can't \
             be kept.",
            mask.width, mask.height, mask.channels, mask.bits, page.width, page.height
        ));
    }
    Ok(mask)
}

impl Stored {
    fn open<R: Read + Seek>(source: &mut R, structure: Structure) -> Result<Self> {
        let pieces = pieces(source, &structure)?;
        let mut fields = Fields::new(structure.tiff, &structure.directory, source);
        let jpeg = Jpeg {
            tables: fields.bytes(tag::JPEG_TABLES, MOST_JPEG_TABLES)?.unwrap_or_default(),
            ycbcr: fields.one(tag::PHOTOMETRIC, 1)? == 6,
        };
        let empty = nodata::stored(&mut fields)?.and_then(|value| nodata::widened(&structure, value)).unwrap_or(0.0);
        Ok(Self { structure, pieces, jpeg, empty })
    }

    /// Reads samples as stored, except that gray of fewer than 8 bits is widened to 8, and packed samples to 16. Palette indices are
    /// unchanged.
    fn read<R: Read + Seek>(&self, source: &mut R, rows: Range<u32>) -> Result<Samples> {
        let depth = match (self.structure.depth, self.structure.bits) {
            // A palette's colours may have more bits than its indices.
            (Depth::Sixteen, ..=8) => Depth::Eight,
            (depth, _) => depth,
        };
        for_depth!(depth, S => Ok(S::samples(self.samples(source, rows)?)))
    }

    /// Returns the sample of a missing strip or tile. Negative numbers are two's complement where samples are presented as
    /// unsigned.
    fn empty<S: SampleType>(&self) -> S {
        let value = match self.structure.depth {
            Depth::Eight if self.empty < 0.0 => f64::from(self.empty as i8 as u8),
            Depth::Sixteen if self.empty < 0.0 => f64::from(self.empty as i16 as u16),
            depth if depth.is_float() => self.empty,
            _ => self.empty.trunc(),
        };
        S::nearest(value)
    }

    fn samples<R: Read + Seek, S: SampleType>(&self, source: &mut R, rows: Range<u32>) -> Result<Vec<S>> {
        let line = self.structure.width as usize * self.structure.channels;
        let mut samples = vec![S::default(); rows.len() * line];
        for plane in 0..self.structure.planes() {
            if self.structure.lies_plain() {
                self.plain(source, plane, rows.clone(), &mut samples)?;
            } else {
                self.coded(source, plane, rows.clone(), &mut samples)?;
            }
        }
        Ok(samples)
    }

    /// Reads rows from uncompressed strips; only the requested rows are read.
    fn plain<R: Read + Seek, S: SampleType>(
        &self,
        source: &mut R,
        plane: usize,
        rows: Range<u32>,
        samples: &mut [S],
    ) -> Result<()> {
        let structure = &self.structure;
        let (strip, line) = (structure.chunks.rows(), structure.piece_line());
        let first = plane * structure.pieces() as usize;
        let mut next = rows.start;
        while next < rows.end {
            let (index, within) = ((next / strip) as usize, next % strip);
            let count = (strip - within).min(rows.end - next);
            let (start, length) = self.pieces[first + index];
            let to = self.place(plane, next - rows.start, 0);
            if (start, length) == (0, 0) {
                let all = count as usize * structure.width as usize;
                self.scatter(&vec![self.empty(); all * structure.channels / structure.planes()], to, samples);
            } else {
                let skip = u64::from(within) * line as u64;
                let mut bytes = vec![0; count as usize * line];
                if skip + bytes.len() as u64 > length {
                    return Err(truncated(Format::Tiff));
                }
                source.seek(SeekFrom::Start(start + skip))?;
                source.read_exact(&mut bytes).map_err(|error| blame(Format::Tiff, error))?;
                let channels = structure.channels / structure.planes();
                let row = structure.width as usize * channels;
                let mut read = vec![S::default(); count as usize * row];
                for (bytes, row) in bytes.chunks_exact(line).zip(read.chunks_exact_mut(row)) {
                    self.row(bytes, channels, row);
                }
                self.scatter(&read, to, samples);
            }
            next += count;
        }
        Ok(())
    }

    /// Decodes each strip or tile that contains requested rows once, and copies those rows.
    fn coded<R: Read + Seek, S: SampleType>(
        &self,
        source: &mut R,
        plane: usize,
        rows: Range<u32>,
        samples: &mut [S],
    ) -> Result<()> {
        let structure = &self.structure;
        let channels = structure.channels / structure.planes();
        let (across, piece_width) = (structure.chunks.across(structure.width), structure.chunks.width(structure.width));
        let (mut packed, mut raw) = (Vec::new(), Vec::new());
        let mut decoded = vec![S::default(); piece_width as usize * channels];
        for down in rows.start / structure.chunks.rows()..rows.end.div_ceil(structure.chunks.rows()) {
            let top = down * structure.chunks.rows();
            let bottom = top.saturating_add(structure.chunks.rows()).min(structure.height);
            // Nothing is needed below the last requested row.
            let needed = structure.bytes_of(rows.end.min(bottom) - top);
            for column in 0..across {
                let index = plane * structure.pieces() as usize + (down * across + column) as usize;
                let (start, length) = self.pieces[index];
                raw.resize(needed, 0);
                if length > 0 {
                    source.seek(SeekFrom::Start(start))?;
                    packed.clear();
                    source.by_ref().take(length.min(self.longest(needed))).read_to_end(&mut packed)?;
                    if structure.reversed {
                        packed.iter_mut().for_each(|byte| *byte = byte.reverse_bits());
                    }
                    let height = structure.chunks.rows() as usize;
                    let piece = Piece { width: piece_width as usize, height, channels, jpeg: &self.jpeg };
                    unpack::unpack(structure.compression, &packed, &piece, &mut raw)?;
                } else if start > 0 {
                    return Err(truncated(Format::Tiff));
                }
                let left = column * piece_width;
                let inside = piece_width.min(structure.width - left) as usize * channels;
                for row in rows.start.max(top)..rows.end.min(bottom) {
                    if length > 0 {
                        self.row_of_piece(&raw, row - top, channels, &mut decoded);
                    } else {
                        decoded.fill(self.empty());
                    }
                    self.scatter(&decoded[..inside], self.place(plane, row - rows.start, left), samples);
                }
            }
        }
        Ok(())
    }

    /// Upper bound of bytes to read. No compression doubles the size of data, but a fax's, in which alternating pixels take up to six
    /// bits each; so a larger length in the table isn't trusted. A JPEG or WebP must be read whole.
    fn longest(&self, needed: usize) -> u64 {
        let piece = u64::from(self.structure.chunks.rows()) * self.structure.piece_line() as u64;
        let most = match self.structure.compression {
            Compression::Jpeg | Compression::Webp => piece + (64 << 10),
            // Blocks of up to 128 KiB are decoded as a whole (RFC 8878, 3.1.1.2.4).
            Compression::Zstd => needed as u64 + (128 << 10),
            // With an end-of-line code of two bytes for each row.
            compression if compression.is_fax() => 4 * needed as u64 + 2 * u64::from(self.structure.chunks.rows()),
            _ => needed as u64,
        };
        2 * most + 4_096
    }

    /// Decodes the samples of a strip's or tile's row.
    fn row_of_piece<S: SampleType>(&self, raw: &[u8], row: u32, channels: usize, samples: &mut [S]) {
        let line = self.structure.piece_line();
        match self.structure.units() {
            None => self.row(&raw[row as usize * line..][..line], channels, samples),
            Some(units) => {
                let width = samples.len() / channels;
                let (from, within) = (row / u32::from(units.down), row % u32::from(units.down));
                let bytes = units.row(&raw[from as usize * units.line(width)..], within as usize, width);
                self.row(&bytes, channels, samples);
            }
        }
    }

    /// Decodes a row's samples from its bytes.
    fn row<S: SampleType>(&self, bytes: &[u8], channels: usize, row: &mut [S]) {
        let structure = &self.structure;
        if let Some(packed) = structure.packed() {
            return unpack::bits(bytes, packed.bits(), row, |level| packed.widen(level as u16).into());
        }
        match structure.predictor {
            Predictor::Float => return unpack::planes_of_bytes(bytes, channels, row),
            _ if structure.bits < 8 && structure.meaning == Meaning::Palette => {
                return unpack::bits(bytes, structure.bits, row, |index| index);
            }
            _ if structure.bits < 8 => {
                return unpack::bits(bytes, structure.bits, row, |level| unpack::widen_to_eight(structure.bits, level));
            }
            Predictor::None | Predictor::Horizontal => unpack::samples(structure.tiff.order, bytes, row),
        }
        if structure.predictor == Predictor::Horizontal {
            unpack::sum_up(row, channels);
        }
    }

    /// Returns the index of a pixel's sample within the requested rows.
    fn place(&self, plane: usize, row: u32, column: u32) -> usize {
        let structure = &self.structure;
        (row as usize * structure.width as usize + column as usize) * structure.channels + plane
    }

    /// Writes samples at their destination: of one plane, or of whole pixels if all channels share a plane.
    fn scatter<S: Copy>(&self, from: &[S], to: usize, samples: &mut [S]) {
        if self.structure.planes() == 1 {
            samples[to..to + from.len()].copy_from_slice(from);
        } else {
            let places = samples[to..].iter_mut().step_by(self.structure.channels);
            places.zip(from).for_each(|(place, sample)| *place = *sample);
        }
    }
}

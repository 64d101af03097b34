//! TIFF of parts that were encoded apart: strips or tiles as the original has them, in its compression and byte order,
//! one after the other, page after page; then the directories, which say where they are.

mod encode;
mod fate;
mod field;
mod join;
mod mask;
#[cfg(test)]
mod tests;

use shared::decode::tiff::{Chunks, Meaning, Predictor, Structure, document, page_of, structure, tag};
use shared::job::{ImageInfo, Keeping};
use shared::pixels::{Depth, Layout, Rows};

use self::fate::Fate;
use self::field::Field;
pub(super) use self::join::join;
use self::mask::Mask;
use super::{Part, PartIndex, Result, Source, refuse};

/// How a page of the result is stored, and the fields that are copied.
#[derive(Debug, Clone)]
pub(super) struct Head {
    structure: Structure,
    fields: Vec<Field>,
    mask: Option<Mask>,
}

impl Head {
    /// Reads the fields of the original's page that `info` is about.
    pub(super) fn read(
        mut source: &mut dyn Source,
        info: &ImageInfo,
        loses_color: bool,
        keeping: &mut Keeping,
    ) -> Result<Self> {
        let (tiff, page) = page_of(&mut source, info)?;
        if info.more.page == 0 {
            fate::of_file(&document(&mut source)?, keeping);
        }
        let original = structure(&mut source, tiff, page, None)?;
        let mut result = fate::result(&original, keeping);
        let mut fields = Vec::new();
        for entry in &original.directory.entries {
            match fate::fate(entry.tag, &original, &result, loses_color) {
                Fate::Rewritten => {}
                Fate::Dropped(note) => keeping.change(note),
                Fate::Kept(name) => {
                    let mut field = Field::read(source, &original.tiff, entry)?;
                    if entry.tag == tag::GDAL_METADATA && field.forget_statistics() {
                        keeping.change("The statistics in GDAL's metadata were of the old pixels.");
                    }
                    if entry.tag == tag::PHOTOSHOP && field.forget_photoshop_thumbnail() {
                        keeping.change("Photoshop's thumbnail showed the old pixels.");
                    }
                    fields.push(field);
                    name.into_iter().for_each(|name| keeping.keep(name));
                }
            }
        }
        let mask = match original.mask {
            Some(at) => {
                keeping.keep("the mask page: what it hides is neither counted nor changed");
                Some(Mask::read(source, &original, at)?)
            }
            None => None,
        };
        result.layout = info.layout;
        result.channels = if mask.is_some() { info.layout.colors() } else { info.layout.channels() };
        result.planar &= result.channels > 1;
        // What the directory listed is in `fields` now.
        result.directory.entries = Vec::new();
        Ok(Self { structure: result, fields, mask })
    }

    /// Encodes rows as strips or tiles.
    pub(super) fn part(&self, info: &ImageInfo, rows: &Rows) -> Result<Part> {
        let (bytes, pieces) = encode::pieces(&self.structure, rows)?;
        let index = PartIndex {
            bytes: bytes.len() as u64,
            rows: rows.height() as u32,
            pieces,
            adler32: None,
            raw_bytes: rows.height() as u64 * info.row_bytes(),
        };
        Ok(Part { index, bytes })
    }

    /// Where each strip or tile is, plane after plane, if the first part begins at `start`; and where the last one ends.
    fn places(&self, start: u64, index: &[PartIndex]) -> Result<(Vec<u64>, Vec<u64>, u64)> {
        let structure = &self.structure;
        let end = start.saturating_add(index.iter().map(|part| part.bytes).sum());
        let rows = structure.chunks.rows();
        if structure.any_row() {
            // Rows lie one after the other, so strips need not end where parts do.
            let row = structure.piece_line() as u64;
            let strips = (0..structure.height).step_by(rows as usize);
            let offsets = strips.clone().map(|first| start + row * u64::from(first)).collect();
            let lengths = strips.map(|first| row * u64::from(rows.min(structure.height - first))).collect();
            return Ok((offsets, lengths, end));
        }
        let across = structure.chunks.across(structure.width) as usize;
        let (pieces, planes) = (structure.pieces() as usize, structure.planes());
        let (mut offsets, mut lengths) = (vec![0; planes * pieces], vec![0; planes * pieces]);
        let (mut next, mut first) = (start, 0);
        for part in index {
            let own = part.rows.div_ceil(rows) as usize * across;
            if part.pieces.len() != planes * own
                || part.pieces.iter().sum::<u64>() != part.bytes
                || first + own > pieces
            {
                return refuse("The index of a part is not that of a TIFF's part.");
            }
            for (plane, lengths_of_plane) in part.pieces.chunks_exact(own).enumerate() {
                for (i, length) in lengths_of_plane.iter().enumerate() {
                    let place = plane * pieces + first + i;
                    (offsets[place], lengths[place]) = (next, *length);
                    next += length;
                }
            }
            first += own;
        }
        Ok((offsets, lengths, end))
    }

    /// The fields that say how the result's pixels are stored.
    fn structural(&self, offsets: &[u64], lengths: &[u64], big: bool) -> Vec<Field> {
        let structure = &self.structure;
        let (order, channels) = (structure.tiff.order, structure.channels);
        let short = |tag, values: &[u64]| Field::numbers(order, tag, field::SHORT, values);
        let long = |tag, value: u32| Field::numbers(order, tag, field::LONG, &[value.into()]);
        let offset =
            |tag, values: &[u64]| Field::numbers(order, tag, if big { field::LONG8 } else { field::LONG }, values);
        let photometric = match (structure.meaning, structure.layout) {
            (Meaning::Inverted, _) => 0,
            (_, Layout::Rgb | Layout::Rgba) => 2,
            _ => 1,
        };
        let format = match (structure.depth, structure.meaning) {
            (Depth::Float, _) => 3,
            (_, Meaning::Signed) => 2,
            _ => 1,
        };
        let mut fields = vec![
            long(tag::IMAGE_WIDTH, structure.width),
            long(tag::IMAGE_LENGTH, structure.height),
            short(tag::BITS_PER_SAMPLE, &vec![structure.bits.into(); channels]),
            short(tag::COMPRESSION, &[structure.compression.number().into()]),
            short(tag::PHOTOMETRIC, &[photometric]),
            short(tag::SAMPLES_PER_PIXEL, &[channels as u64]),
            short(tag::PLANAR_CONFIGURATION, &[if structure.planar { 2 } else { 1 }]),
            short(tag::SAMPLE_FORMAT, &vec![format; channels]),
        ];
        match structure.layout {
            Layout::Bands(_) => fields.push(short(tag::EXTRA_SAMPLES, &vec![0; channels - 1])),
            layout if layout.has_alpha() && self.mask.is_none() => {
                let kind = if structure.meaning == Meaning::Associated { 1 } else { 2 };
                fields.push(short(tag::EXTRA_SAMPLES, &[kind]));
            }
            _ => {}
        }
        match structure.predictor {
            Predictor::None => {}
            Predictor::Horizontal => fields.push(short(tag::PREDICTOR, &[2])),
            Predictor::Float => fields.push(short(tag::PREDICTOR, &[3])),
        }
        match structure.chunks {
            Chunks::Strips(rows) => {
                fields.push(long(tag::ROWS_PER_STRIP, rows));
                fields.push(offset(tag::STRIP_OFFSETS, offsets));
                fields.push(offset(tag::STRIP_BYTE_COUNTS, lengths));
            }
            Chunks::Tiles { width, height } => {
                fields.push(long(tag::TILE_WIDTH, width));
                fields.push(long(tag::TILE_LENGTH, height));
                fields.push(offset(tag::TILE_OFFSETS, offsets));
                fields.push(offset(tag::TILE_BYTE_COUNTS, lengths));
            }
        }
        fields
    }
}

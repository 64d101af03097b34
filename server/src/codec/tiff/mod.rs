//! TIFF of parts that were encoded apart: strips or tiles as the original has them, in its compression and byte order,
//! one after the other; then the directory, which says where they are.

mod encode;
mod field;
#[cfg(test)]
mod tests;

use shared::decode::tiff::{Chunks, Order, Structure, structure, tag};
use shared::job::ImageInfo;
use shared::pixels::Rows;

use self::field::Field;
use super::{Part, PartIndex, Result, Source, refuse};

/// How the original is stored, and the fields that are copied.
#[derive(Debug, Clone)]
pub(super) struct Head {
    structure: Structure,
    fields: Vec<Field>,
}

/// Fields that say how pixels are stored: written anew.
const STRUCTURAL: [u16; 20] = [
    tag::IMAGE_WIDTH,
    tag::IMAGE_LENGTH,
    tag::BITS_PER_SAMPLE,
    tag::COMPRESSION,
    tag::PHOTOMETRIC,
    tag::FILL_ORDER,
    tag::STRIP_OFFSETS,
    tag::SAMPLES_PER_PIXEL,
    tag::ROWS_PER_STRIP,
    tag::STRIP_BYTE_COUNTS,
    tag::PLANAR_CONFIGURATION,
    tag::FREE_OFFSETS,
    tag::FREE_BYTE_COUNTS,
    tag::PREDICTOR,
    tag::TILE_WIDTH,
    tag::TILE_LENGTH,
    tag::TILE_OFFSETS,
    tag::TILE_BYTE_COUNTS,
    tag::EXTRA_SAMPLES,
    tag::SAMPLE_FORMAT,
];

impl Head {
    /// Reads the original's fields.
    pub(super) fn read(
        mut source: &mut dyn Source,
        info: &ImageInfo,
        loses_color: bool,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let mut structure = structure(&mut source, None)?;
        structure.layout = info.layout;
        let mut fields = Vec::new();
        for entry in &structure.directory.entries {
            match entry.tag {
                known if STRUCTURAL.contains(&known) => {}
                tag::MIN_SAMPLE_VALUE | tag::MAX_SAMPLE_VALUE | tag::S_MIN_SAMPLE_VALUE | tag::S_MAX_SAMPLE_VALUE => {
                    notes.push(format!("The least or greatest value (field {}) was of the old pixels.", entry.tag));
                }
                tag::ICC_PROFILE
                | tag::TRANSFER_FUNCTION
                | tag::WHITE_POINT
                | tag::PRIMARY_CHROMATICITIES
                | tag::REFERENCE_BLACK_WHITE
                    if loses_color =>
                {
                    notes.push(format!("The field {} is for colours; the result is gray.", entry.tag));
                }
                _ => {
                    let mut field = Field::read(source, &structure.tiff, entry)?;
                    if entry.tag == tag::GDAL_METADATA && field.forget_statistics() {
                        notes.push("The statistics in GDAL's metadata were of the old pixels.".to_owned());
                    }
                    fields.push(field);
                }
            }
        }
        // What the directory listed is in `fields` now.
        structure.directory.entries = Vec::new();
        Ok(Self { structure, fields })
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

    pub(super) fn join(&self, info: &ImageInfo, index: &[PartIndex]) -> Result<Joiner> {
        let lengths = self.lengths(info, index)?;
        let total: u64 = lengths.iter().sum();
        // Classic where everything can be reached with 32 bits, else as a BigTIFF.
        let joiner = if self.structure.tiff.big { None } else { Joiner::new(self, &lengths, total, false) };
        match joiner.or_else(|| Joiner::new(self, &lengths, total, true)) {
            Some(joiner) => Ok(joiner),
            None => refuse("The result is too large for a TIFF."),
        }
    }

    /// Lengths of all strips or tiles in order.
    fn lengths(&self, info: &ImageInfo, index: &[PartIndex]) -> Result<Vec<u64>> {
        let structure = &self.structure;
        let rows = structure.chunks.rows();
        if structure.any_row() {
            // Rows lie one after the other, so strips need not end where parts do.
            let strips = (0..structure.height).step_by(rows as usize);
            return Ok(strips.map(|first| info.row_bytes() * u64::from(rows.min(structure.height - first))).collect());
        }
        let mut lengths = Vec::new();
        for part in index {
            let pieces = part.rows.div_ceil(rows) as usize * structure.chunks.across(structure.width) as usize;
            if part.pieces.len() != pieces || part.pieces.iter().sum::<u64>() != part.bytes {
                return refuse("The index of a part is not that of a TIFF's part.");
            }
            lengths.extend_from_slice(&part.pieces);
        }
        Ok(lengths)
    }

    /// The fields that say how the result's pixels are stored.
    fn structural(&self, offsets: &[u64], lengths: &[u64], big: bool) -> Vec<Field> {
        let Structure { tiff, width, height, layout, depth, compression, predictor, chunks, .. } = &self.structure;
        let short = |tag, values: &[u64]| Field::numbers(tiff.order, tag, field::SHORT, values);
        let long = |tag, value: u32| Field::numbers(tiff.order, tag, field::LONG, &[value.into()]);
        let offset =
            |tag, values: &[u64]| Field::numbers(tiff.order, tag, if big { field::LONG8 } else { field::LONG }, values);
        let channels = layout.channels();
        let mut fields = vec![
            long(tag::IMAGE_WIDTH, *width),
            long(tag::IMAGE_LENGTH, *height),
            short(tag::BITS_PER_SAMPLE, &vec![depth.bits().into(); channels]),
            short(tag::COMPRESSION, &[compression.number().into()]),
            short(tag::PHOTOMETRIC, &[if layout.colors() == 3 { 2 } else { 1 }]),
            short(tag::SAMPLES_PER_PIXEL, &[channels as u64]),
            short(tag::PLANAR_CONFIGURATION, &[1]),
            short(tag::SAMPLE_FORMAT, &vec![1; channels]),
        ];
        if layout.has_alpha() {
            fields.push(short(tag::EXTRA_SAMPLES, &[2]));
        }
        if *predictor {
            fields.push(short(tag::PREDICTOR, &[2]));
        }
        match chunks {
            Chunks::Strips(rows) => {
                fields.push(long(tag::ROWS_PER_STRIP, *rows));
                fields.push(offset(tag::STRIP_OFFSETS, offsets));
                fields.push(offset(tag::STRIP_BYTE_COUNTS, lengths));
            }
            Chunks::Tiles { width, height } => {
                fields.push(long(tag::TILE_WIDTH, *width));
                fields.push(long(tag::TILE_LENGTH, *height));
                fields.push(offset(tag::TILE_OFFSETS, offsets));
                fields.push(offset(tag::TILE_BYTE_COUNTS, lengths));
            }
        }
        fields
    }
}

/// What stands before and after the parts.
pub(super) struct Joiner {
    front: Vec<u8>,
    back: Vec<u8>,
}

impl Joiner {
    /// `None` if 32 bits are too few.
    fn new(head: &Head, lengths: &[u64], total: u64, big: bool) -> Option<Self> {
        let order = head.structure.tiff.order;
        let start: u64 = if big { 16 } else { 8 };
        let end = start.checked_add(total)?;
        let mut next = start;
        let offsets: Vec<u64> = lengths
            .iter()
            .map(|length| {
                let offset = next;
                next += length;
                offset
            })
            .collect();
        let mut fields = head.structural(&offsets, lengths, big);
        fields.extend(head.fields.iter().cloned());
        let mut back = vec![0; (end % 2) as usize];
        let directory = field::directory(order, big, fields, end, &mut back);
        if !big && end.checked_add(back.len() as u64)? > u64::from(u32::MAX) {
            return None;
        }
        let mut front = match order {
            Order::Little => b"II".to_vec(),
            Order::Big => b"MM".to_vec(),
        };
        if big {
            order.put(&mut front, 43, 2);
            order.put(&mut front, 8, 2);
            order.put(&mut front, 0, 2);
            order.put(&mut front, directory, 8);
        } else {
            order.put(&mut front, 42, 2);
            order.put(&mut front, directory, 4);
        }
        Some(Self { front, back })
    }

    pub(super) fn begin(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.front)
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.back
    }
}

//! Rows → strips or tiles.

use shared::decode::tiff::{Chunks, Compression, Order, Structure};
use shared::pixels::{Rows, Samples};
use tiff::encoder::compression::{CompressionAlgorithm, Lzw, Packbits};

use super::super::{Result, deflate};

/// The bytes of all strips or tiles that the rows make, and their lengths; none where rows simply lie one after the
/// other.
pub(super) fn pieces(structure: &Structure, rows: &Rows) -> Result<(Vec<u8>, Vec<u64>)> {
    if structure.any_row() {
        return Ok((in_order(structure.tiff.order, &rows.samples), Vec::new()));
    }
    match &rows.samples {
        Samples::U8(samples) => cut(structure, samples, |_, samples| samples.to_vec()),
        Samples::U16(samples) => cut(structure, samples, words),
    }
}

fn in_order(order: Order, samples: &Samples) -> Vec<u8> {
    match samples {
        Samples::U8(samples) => samples.clone(),
        Samples::U16(samples) => words(order, samples),
    }
}

fn words(order: Order, samples: &[u16]) -> Vec<u8> {
    match order {
        Order::Little => samples.iter().flat_map(|sample| sample.to_le_bytes()).collect(),
        Order::Big => samples.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
    }
}

/// A sample's difference to its left neighbour's, for the predictor.
trait Sample: Copy {
    fn minus(self, left: Self) -> Self;
}

impl Sample for u8 {
    fn minus(self, left: Self) -> Self {
        self.wrapping_sub(left)
    }
}

impl Sample for u16 {
    fn minus(self, left: Self) -> Self {
        self.wrapping_sub(left)
    }
}

fn cut<S: Sample>(
    structure: &Structure,
    samples: &[S],
    to_bytes: fn(Order, &[S]) -> Vec<u8>,
) -> Result<(Vec<u8>, Vec<u64>)> {
    let channels = structure.layout.channels();
    let line = structure.width as usize * channels;
    let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
    let band = structure.chunks.rows() as usize * line;
    for band in samples.chunks(band) {
        let columns = structure.chunks.across(structure.width) as usize;
        for column in 0..columns {
            let (mut piece, row) = match structure.chunks {
                Chunks::Strips(_) => (band.to_vec(), line),
                Chunks::Tiles { width, height } => {
                    let row = width as usize * channels;
                    (tile(band, line, column * row, row, height as usize, channels), row)
                }
            };
            if structure.predictor {
                piece.chunks_exact_mut(row).for_each(|row| differences(row, channels));
            }
            let raw = to_bytes(structure.tiff.order, &piece);
            let piece = compress(structure.compression, raw, row * structure.depth.bytes())?;
            lengths.push(piece.len() as u64);
            bytes.extend_from_slice(&piece);
        }
    }
    Ok((bytes, lengths))
}

/// A tile of a band of rows, padded by repeating the last pixel of a row and the last row.
fn tile<S: Copy>(band: &[S], line: usize, left: usize, row: usize, rows: usize, channels: usize) -> Vec<S> {
    let mut tile = Vec::with_capacity(row * rows);
    let inside = row.min(line - left);
    for source in band.chunks_exact(line) {
        let source = &source[left..left + inside];
        tile.extend_from_slice(source);
        for _ in 0..(row - inside) / channels {
            tile.extend_from_slice(&source[inside - channels..]);
        }
    }
    while tile.len() < row * rows {
        tile.extend_from_within(tile.len() - row..);
    }
    tile
}

fn differences<S: Sample>(row: &mut [S], channels: usize) {
    for i in (channels..row.len()).rev() {
        row[i] = row[i].minus(row[i - channels]);
    }
}

fn compress(compression: Compression, raw: Vec<u8>, row: usize) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    match compression {
        Compression::None => return Ok(raw),
        Compression::Deflate | Compression::OldDeflate => return Ok(deflate::zlib(&raw)),
        Compression::Lzw => {
            Lzw.write_to(&mut packed, &raw)?;
        }
        // Runs don't cross rows (TIFF 6.0, section 9).
        Compression::PackBits => {
            for row in raw.chunks(row) {
                Packbits.write_to(&mut packed, row)?;
            }
        }
    }
    Ok(packed)
}

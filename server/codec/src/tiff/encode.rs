//! Encoding of rows as strips or tiles.

use shared::decode::tiff::{Chunks, Compression, Order, Predictor, Structure, store};
use shared::for_samples;
use shared::pixels::{Rows, SampleType, Samples};
use tiff::encoder::compression::{CompressionAlgorithm, Lzw, Packbits};

use super::super::{Result, deflate, refuse};

/// Returns the bytes of rows that are stored contiguously and uncompressed.
pub(super) fn plain(structure: &Structure, rows: &Rows) -> Vec<u8> {
    match store(structure, rows) {
        Samples::U8(samples) => samples,
        samples => for_samples!(&samples, samples => to_bytes(structure.tiff.order, samples)),
    }
}

/// Returns the bytes of all strips or tiles of the rows, plane after plane, and their lengths.
pub(super) fn pieces(structure: &Structure, rows: &Rows) -> Result<(Vec<u8>, Vec<u64>)> {
    for_samples!(&store(structure, rows), samples => by_planes(structure, samples))
}

/// Converts samples to bytes.
fn to_bytes<S: SampleType>(order: Order, samples: &[S]) -> Vec<u8> {
    match order {
        Order::Little => S::le_bytes(samples),
        Order::Big => S::be_bytes(samples),
    }
}

fn by_planes<S: SampleType>(structure: &Structure, samples: &[S]) -> Result<(Vec<u8>, Vec<u64>)> {
    let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
    if !structure.planar {
        cut(structure, samples, structure.channels, &mut bytes, &mut lengths)?;
        return Ok((bytes, lengths));
    }
    for plane in 0..structure.channels {
        let samples: Vec<S> = samples[plane..].iter().step_by(structure.channels).copied().collect();
        cut(structure, &samples, 1, &mut bytes, &mut lengths)?;
    }
    Ok((bytes, lengths))
}

/// Appends the strips or tiles of samples with `channels` channels, and their lengths.
fn cut<S: SampleType>(
    structure: &Structure,
    samples: &[S],
    channels: usize,
    bytes: &mut Vec<u8>,
    lengths: &mut Vec<u64>,
) -> Result<()> {
    let line = structure.width as usize * channels;
    for band in samples.chunks(structure.chunks.rows() as usize * line) {
        for column in 0..structure.chunks.across(structure.width) as usize {
            let (piece, row) = match structure.chunks {
                Chunks::Strips(_) => (band.to_vec(), line),
                Chunks::Tiles { width, height } => {
                    let row = width as usize * channels;
                    (tile(band, line, column * row, row, height as usize, channels), row)
                }
            };
            let raw = predicted(structure, piece, row, channels);
            let piece = compress(structure.compression, raw, row * structure.depth.bytes())?;
            lengths.push(piece.len() as u64);
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(())
}

/// Returns a piece's bytes after applying the predictor.
fn predicted<S: SampleType>(structure: &Structure, mut piece: Vec<S>, row: usize, channels: usize) -> Vec<u8> {
    match structure.predictor {
        Predictor::None => to_bytes(structure.tiff.order, &piece),
        Predictor::Horizontal => {
            piece.chunks_exact_mut(row).for_each(|row| differences(row, channels));
            to_bytes(structure.tiff.order, &piece)
        }
        Predictor::Float => piece.chunks_exact(row).flat_map(|row| in_planes_of_bytes(row, channels)).collect(),
    }
}

/// Returns a tile of a band of rows, padded by repeating the last pixel of each row and the last row.
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

fn differences<S: SampleType>(row: &mut [S], channels: usize) {
    for i in (channels..row.len()).rev() {
        row[i] = row[i].minus_bits(row[i - channels]);
    }
}

/// Floating-point predictor (TIFF technical note 3): all most significant bytes first, then all second ones and so on,
/// each as its difference to the byte `channels` before.
fn in_planes_of_bytes<S: SampleType>(row: &[S], channels: usize) -> Vec<u8> {
    let bytes = to_bytes(Order::Big, row);
    let size = bytes.len() / row.len();
    let mut planes: Vec<u8> = (0..size).flat_map(|byte| bytes[byte..].iter().step_by(size).copied()).collect();
    differences(&mut planes, channels);
    planes
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
        Compression::Zstd => {
            use ruzstd::encoding::{CompressionLevel, compress_to_vec};
            return Ok(compress_to_vec(raw.as_slice(), CompressionLevel::Fastest));
        }
        Compression::Fax4 | Compression::Jpeg | Compression::Webp => {
            return refuse("A TIFF's fax, JPEG and WebP data become Deflate in its result.");
        }
    }
    Ok(packed)
}

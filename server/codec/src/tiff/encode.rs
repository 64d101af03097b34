//! Encoding of rows as strips or tiles.

use shared::decode::tiff::{Chunks, Compression, Order, Predictor, Structure, store};
use shared::for_samples;
use shared::packed::Packed;
use shared::pixels::{Rows, SampleType, Samples};
use tiff::encoder::compression::{CompressionAlgorithm, Lzw, Packbits};

use super::super::{Result, deflate, refuse};

/// Returns the bytes of rows that are stored contiguously and uncompressed.
pub(super) fn plain(structure: &Structure, rows: &Rows) -> Vec<u8> {
    match (store(structure, rows), structure.packed()) {
        (Samples::U16(samples), Some(packed)) => pack(packed, &samples, structure.width as usize * structure.channels),
        (Samples::U8(samples), _) => samples,
        (samples, _) => for_samples!(&samples, samples => to_bytes(structure.tiff.order, samples)),
    }
}

/// Returns the bytes of all strips or tiles of the rows, plane after plane, and their lengths.
pub(super) fn pieces(structure: &Structure, rows: &Rows) -> Result<(Vec<u8>, Vec<u64>)> {
    let samples = store(structure, rows);
    if let (Samples::U16(samples), Some(packed)) = (&samples, structure.packed()) {
        return by_planes(structure, samples, &|piece, row, _| pack(packed, &piece, row));
    }
    for_samples!(&samples, samples => {
        by_planes(structure, samples, &|piece, row, n| predicted(structure, piece, row, n))
    })
}

/// Converts the samples of a strip or tile to bytes before compression, given the samples of a row and the channels.
type ToBytes<'a, S> = &'a dyn Fn(Vec<S>, usize, usize) -> Vec<u8>;

/// Packs samples, highest bits first. Each row of `row` samples starts on a whole byte (TIFF 6.0, page 29).
fn pack(packed: Packed, samples: &[u16], row: usize) -> Vec<u8> {
    let bits = u32::from(packed.bits());
    let line = (row * usize::from(packed.bits())).div_ceil(8);
    let mut bytes = Vec::with_capacity(samples.len() / row.max(1) * line);
    for row in samples.chunks_exact(row) {
        // The lowest `count` bits of `held` aren't written yet.
        let (mut held, mut count) = (0_u32, 0);
        for sample in row {
            held = held << bits | u32::from(*sample);
            count += bits;
            while count >= 8 {
                count -= 8;
                bytes.push((held >> count) as u8);
            }
        }
        if count > 0 {
            bytes.push((held << (8 - count)) as u8);
        }
    }
    bytes
}

/// Converts samples to bytes.
fn to_bytes<S: SampleType>(order: Order, samples: &[S]) -> Vec<u8> {
    match order {
        Order::Little => S::le_bytes(samples),
        Order::Big => S::be_bytes(samples),
    }
}

fn by_planes<S: SampleType>(
    structure: &Structure,
    samples: &[S],
    to_bytes: ToBytes<'_, S>,
) -> Result<(Vec<u8>, Vec<u64>)> {
    let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
    if !structure.planar {
        cut(structure, samples, structure.channels, to_bytes, (&mut bytes, &mut lengths))?;
        return Ok((bytes, lengths));
    }
    for plane in 0..structure.channels {
        let samples: Vec<S> = samples[plane..].iter().step_by(structure.channels).copied().collect();
        cut(structure, &samples, 1, to_bytes, (&mut bytes, &mut lengths))?;
    }
    Ok((bytes, lengths))
}

/// Appends the strips or tiles of samples with `channels` channels, and their lengths.
fn cut<S: SampleType>(
    structure: &Structure,
    samples: &[S],
    channels: usize,
    to_bytes: ToBytes<'_, S>,
    (bytes, lengths): (&mut Vec<u8>, &mut Vec<u64>),
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
            let raw = to_bytes(piece, row, channels);
            let piece = compress(structure.compression, raw, (row * usize::from(structure.bits)).div_ceil(8))?;
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
        Compression::Rle | Compression::Fax3 { .. } | Compression::Fax4 | Compression::Jpeg | Compression::Webp => {
            return refuse("A TIFF's fax, JPEG and WebP data become Deflate in its result.");
        }
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_row_of_packed_samples_starts_on_a_whole_byte() {
        let twelve = Packed::new(12).unwrap();
        assert_eq!(pack(twelve, &[0xabc, 0xdef, 0x012], 3), [0xab, 0xcd, 0xef, 0x01, 0x20]);
        assert_eq!(pack(twelve, &[0xabc, 0xdef], 1), [0xab, 0xc0, 0xde, 0xf0]);
        assert_eq!(pack(Packed::new(9).unwrap(), &[0x1ff, 0, 0x101], 3), [0xff, 0x80, 0x20, 0x20]);
        assert_eq!(pack(Packed::new(15).unwrap(), &[0x7fff, 1], 2), [0xff, 0xfe, 0, 0x04]);
    }
}

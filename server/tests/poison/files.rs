//! Hand-made files.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Returns zeros, deflated with zlib's header.
pub fn zeros(bytes: u64) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let block = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(block.len() as u64);
        encoder.write_all(&block[..now as usize]).unwrap();
        left -= now;
    }
    encoder.finish().unwrap()
}

/// Returns a chunk of a PNG.
pub fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(kind);
    crc.update(data);
    let length = u32::try_from(data.len()).unwrap();
    [&length.to_be_bytes(), &kind[..], data, &crc.finalize().to_be_bytes()].concat()
}

/// Order of a PNG's rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Rows,
    Interlaced,
}

/// Returns a gray PNG with this many bits per sample, this image data, and chunks before it.
pub fn png(size: (u32, u32), bits: u8, order: Order, chunks: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let (width, height) = size;
    let mut header = [&width.to_be_bytes()[..], &height.to_be_bytes()].concat();
    header.extend([bits, 0, 0, 0, u8::from(order == Order::Interlaced)]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(chunk(b"IHDR", &header));
    chunks.iter().for_each(|chunk| file.extend(chunk));
    data.chunks(1 << 20).for_each(|part| file.extend(chunk(b"IDAT", part)));
    file.extend(chunk(b"IEND", &[]));
    file
}

/// An entry of a TIFF directory: tag, type, count, value or offset.
pub type Entry = (u16, u16, u32, u32);

/// Returns a little-endian TIFF with its directory at byte 8, followed by `next` and `data`.
pub fn tiff(entries: &[Entry], next: u32, data: &[u8]) -> Vec<u8> {
    let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
    file.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(next.to_le_bytes());
    file.extend(data);
    file
}

/// Returns the offset of the data of a [`tiff`] with this many entries.
pub fn data_at(entries: usize) -> u32 {
    8 + 2 + 12 * u32::try_from(entries).unwrap() + 4
}

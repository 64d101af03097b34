//! Chunks of a PNG file, their checksums, and the header.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::super::error::{Result, blame, damaged, refuse, truncated};
use super::super::limits::{Blocks, Limits};
use crate::job::Format;

const SIGNATURE: usize = 8;
const HEADER: u32 = 13;

/// Colour type: what the samples of a pixel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Gray.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// An index into a palette.
    Palette,
    /// Gray and alpha.
    GrayAlpha,
    /// Red, green, blue and alpha.
    Rgba,
}

/// IHDR chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bits per sample: 1, 2, 4, 8 or 16.
    pub bits: u8,
    /// Colour type.
    pub color: Color,
    /// Whether the image is interlaced (Adam7).
    pub interlaced: bool,
}

impl Header {
    /// Samples per pixel, as stored.
    const fn channels(&self) -> u64 {
        match self.color {
            Color::Gray | Color::Palette => 1,
            Color::GrayAlpha => 2,
            Color::Rgb => 3,
            Color::Rgba => 4,
        }
    }

    /// Returns the uncompressed bytes of the image data, without filter type bytes.
    pub(super) fn data_bytes(&self) -> u64 {
        (u64::from(self.width) * self.channels() * u64::from(self.bits)).div_ceil(8) * u64::from(self.height)
    }
}

/// CRC-32 (PNG, annex D), one table lookup per byte: fast enough, since metadata is short.
pub(super) fn crc(kind: [u8; 4], data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n = 0;
        while n < 256 {
            let (mut c, mut bit) = (n as u32, 0);
            while bit < 8 {
                c = if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 };
                bit += 1;
            }
            table[n] = c;
            n += 1;
        }
        table
    };
    !kind.iter().chain(data).fold(!0, |c, byte| TABLE[((c ^ u32::from(*byte)) & 0xff) as usize] ^ (c >> 8))
}

fn read<const N: usize>(source: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(|error| blame(Format::Png, error))?;
    Ok(bytes)
}

/// Reads a chunk's length and type.
pub(super) fn begin(source: &mut impl Read) -> Result<(u32, [u8; 4])> {
    let length = u32::from_be_bytes(read(source)?);
    let kind: [u8; 4] = read(source)?;
    if length > i32::MAX as u32 || !kind.iter().all(u8::is_ascii_alphabetic) {
        return Err(damaged(Format::Png, "a chunk has an invalid length or type"));
    }
    Ok((length, kind))
}

/// Reads the data of a chunk whose length and type have been read, and whether the checksum is right.
pub(super) fn data(source: &mut impl Read, length: u32, kind: [u8; 4]) -> Result<(Vec<u8>, bool)> {
    // Grows with the data actually present, not with the claimed length.
    let mut data = Vec::new();
    source.take(length.into()).read_to_end(&mut data).map_err(|error| blame(Format::Png, error))?;
    if data.len() < length as usize {
        return Err(truncated(Format::Png));
    }
    let intact = u32::from_be_bytes(read(source)?) == crc(kind, &data);
    Ok((data, intact))
}

/// Reads the data of a chunk without which the image can't be read.
pub(super) fn critical(source: &mut impl Read, length: u32, kind: [u8; 4]) -> Result<Vec<u8>> {
    match data(source, length, kind)? {
        (data, true) => Ok(data),
        (_, false) => {
            let kind = String::from_utf8_lossy(&kind).into_owned();
            Err(damaged(Format::Png, format!("the checksum of its chunk {kind} is wrong")))
        }
    }
}

/// Reads the IHDR chunk, which comes first.
pub fn header<R: Read + Seek>(source: &mut R) -> Result<Header> {
    source.seek(SeekFrom::Start(SIGNATURE as u64))?;
    let (length, kind) = begin(source)?;
    if &kind == b"CgBI" {
        return refuse(
            "This PNG has Apple's own form for iOS apps (CgBI), which isn't a standard PNG. Convert it on a Mac with \
             `xcrun -sdk iphoneos pngcrush -revert-iphone-optimizations in.png out.png`, and send the new file.",
        );
    }
    if (length, &kind) != (HEADER, b"IHDR") {
        return Err(damaged(Format::Png, "it doesn't begin with its header"));
    }
    let data = critical(source, length, kind)?;
    let number = |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    let bits = data[8];
    let (color, allowed): (_, &[u8]) = match data[9] {
        0 => (Color::Gray, &[1, 2, 4, 8, 16]),
        2 => (Color::Rgb, &[8, 16]),
        3 => (Color::Palette, &[1, 2, 4, 8]),
        4 => (Color::GrayAlpha, &[8, 16]),
        6 => (Color::Rgba, &[8, 16]),
        other => return Err(damaged(Format::Png, format!("its header names the colour type {other}"))),
    };
    if !allowed.contains(&bits) || data[10] != 0 || data[11] != 0 || data[12] > 1 {
        return Err(damaged(Format::Png, "its header has invalid values"));
    }
    Ok(Header { width: number(0), height: number(4), bits, color, interlaced: data[12] == 1 })
}

/// Reads the iCCP chunk, which precedes the palette and the image data.
pub(in super::super) fn profile<R: Read + Seek>(source: &mut R) -> Result<Option<Vec<u8>>> {
    let mut source = BufReader::with_capacity(16 << 10, source);
    header(&mut source)?;
    let mut blocks = Blocks::new(Format::Png, "chunks of metadata");
    loop {
        let (length, kind) = begin(&mut source)?;
        blocks.add(0)?;
        match &kind {
            b"iCCP" if u64::from(length) <= Limits::MAX_METADATA => {
                return Ok(Some(critical(&mut source, length, kind)?));
            }
            b"PLTE" | b"IDAT" | b"IEND" => return Ok(None),
            _ => source.seek_relative(i64::from(length) + 4)?,
        }
    }
}

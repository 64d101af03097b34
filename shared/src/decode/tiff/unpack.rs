//! The bytes of a strip or tile → its samples.

use flate2::{Decompress, FlushDecompress, Status};
use weezl::{BitOrder, LzwStatus};

use super::super::{Result, damaged, truncated};
use super::directory::Order;
use super::structure::Compression;
use crate::job::Format;

/// Unpacks exactly `raw.len()` bytes; what follows is ignored, as by other readers.
pub(super) fn unpack(compression: Compression, packed: &[u8], raw: &mut [u8]) -> Result<()> {
    match compression {
        Compression::None => match packed.get(..raw.len()) {
            Some(bytes) => raw.copy_from_slice(bytes),
            None => return Err(truncated(Format::Tiff)),
        },
        Compression::Lzw => lzw(packed, raw)?,
        Compression::Deflate | Compression::OldDeflate => inflate(packed, raw)?,
        Compression::PackBits => pack_bits(packed, raw)?,
    }
    Ok(())
}

fn lzw(mut packed: &[u8], mut raw: &mut [u8]) -> Result<()> {
    let mut decoder =
        weezl::decode::Configuration::with_tiff_size_switch(BitOrder::Msb, 8).with_yield_on_full_buffer(true).build();
    while !raw.is_empty() {
        let step = decoder.decode_bytes(packed, raw);
        packed = &packed[step.consumed_in..];
        raw = &mut std::mem::take(&mut raw)[step.consumed_out..];
        match step.status {
            Ok(LzwStatus::Ok) => {}
            Ok(LzwStatus::NoProgress | LzwStatus::Done) if raw.is_empty() => {}
            Ok(LzwStatus::NoProgress | LzwStatus::Done) => return Err(truncated(Format::Tiff)),
            Err(_) => return Err(damaged(Format::Tiff, "its LZW data are wrong")),
        }
    }
    Ok(())
}

fn inflate(packed: &[u8], raw: &mut [u8]) -> Result<()> {
    let mut decoder = Decompress::new(true);
    loop {
        let (read, written) = (decoder.total_in() as usize, decoder.total_out() as usize);
        if written == raw.len() {
            return Ok(());
        }
        let status = decoder
            .decompress(&packed[read..], &mut raw[written..], FlushDecompress::None)
            .map_err(|_| damaged(Format::Tiff, "its deflate data are wrong"))?;
        let stuck = (decoder.total_in() as usize, decoder.total_out() as usize) == (read, written);
        if (stuck || status == Status::StreamEnd) && (decoder.total_out() as usize) < raw.len() {
            return Err(truncated(Format::Tiff));
        }
    }
}

/// TIFF 6.0, section 9.
fn pack_bits(mut packed: &[u8], mut raw: &mut [u8]) -> Result<()> {
    while !raw.is_empty() {
        let (&control, rest) = packed.split_first().ok_or_else(|| truncated(Format::Tiff))?;
        packed = rest;
        let control = control as i8;
        if control == i8::MIN {
            continue;
        }
        let length = usize::from(control.unsigned_abs()) + 1;
        let (now, later) = std::mem::take(&mut raw).split_at_mut_checked(length).ok_or_else(wrong_run)?;
        if control < 0 {
            let (&value, rest) = packed.split_first().ok_or_else(|| truncated(Format::Tiff))?;
            now.fill(value);
            packed = rest;
        } else {
            let (bytes, rest) = packed.split_at_checked(length).ok_or_else(|| truncated(Format::Tiff))?;
            now.copy_from_slice(bytes);
            packed = rest;
        }
        raw = later;
    }
    Ok(())
}

fn wrong_run() -> super::super::Error {
    damaged(Format::Tiff, "its PackBits data are longer than its rows")
}

/// A sample's type.
pub(super) trait Sample: Copy + Default {
    /// Its bytes.
    const BYTES: usize;
    /// From its bytes.
    fn of(order: Order, bytes: &[u8]) -> Self;
    /// The sum, modulo its range.
    fn plus(self, other: Self) -> Self;
}

impl Sample for u8 {
    const BYTES: usize = 1;
    fn of(_: Order, bytes: &[u8]) -> Self {
        bytes[0]
    }
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
}

impl Sample for u16 {
    const BYTES: usize = 2;
    fn of(order: Order, bytes: &[u8]) -> Self {
        match order {
            Order::Little => u16::from_le_bytes([bytes[0], bytes[1]]),
            Order::Big => u16::from_be_bytes([bytes[0], bytes[1]]),
        }
    }
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
}

/// A row's samples from its bytes.
pub(super) fn samples<S: Sample>(order: Order, bytes: &[u8], row: &mut [S]) {
    for (sample, bytes) in row.iter_mut().zip(bytes.chunks_exact(S::BYTES)) {
        *sample = S::of(order, bytes);
    }
}

/// Undoes the horizontal predictor: each sample was stored as its difference to its left neighbour's.
pub(super) fn sum_up<S: Sample>(row: &mut [S], channels: usize) {
    for i in channels..row.len() {
        row[i] = row[i].plus(row[i - channels]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_standards_example_of_packbits_unpacks() {
        let packed = [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7, 0xaa];
        let mut raw = [0; 24];
        unpack(Compression::PackBits, &packed, &mut raw).unwrap();
        let expected = [&[0xaa; 3][..], &[0x80, 0, 0x2a], &[0xaa; 4], &[0x80, 0, 0x2a, 0x22], &[0xaa; 10]].concat();
        assert_eq!(raw.as_slice(), expected);
    }

    #[test]
    fn short_data_are_truncated_in_every_compression() {
        for compression in
            [Compression::None, Compression::Lzw, Compression::Deflate, Compression::OldDeflate, Compression::PackBits]
        {
            let error = unpack(compression, &[], &mut [0; 9]).unwrap_err().to_string();
            assert!(error.contains("truncated"), "{compression:?}: {error}");
        }
    }
}

//! Decompression of strips and tiles into samples.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};
use weezl::{BitOrder, LzwStatus};

use super::super::error::{Result, damaged, truncated};
use super::directory::Order;
use super::fax;
use super::jpeg::{self, Jpeg, Size};
use super::structure::Compression;
use crate::job::Format;
use crate::pixels::SampleType;

/// Properties of a strip or tile that its decompression depends on.
pub(super) struct Piece<'a> {
    /// Width in pixels.
    pub(super) width: usize,
    /// Height in pixels; the last strip may have less.
    pub(super) height: usize,
    /// Samples per pixel.
    pub(super) channels: usize,
    /// Used by JPEG only.
    pub(super) jpeg: &'a Jpeg,
}

/// Decompresses exactly `raw.len()` bytes. Trailing data is ignored, as by other readers.
pub(super) fn unpack(compression: Compression, packed: &[u8], piece: &Piece<'_>, raw: &mut [u8]) -> Result<()> {
    match compression {
        Compression::None => match packed.get(..raw.len()) {
            Some(bytes) => raw.copy_from_slice(bytes),
            None => return Err(truncated(Format::Tiff)),
        },
        Compression::Lzw => lzw(packed, raw)?,
        Compression::Deflate | Compression::OldDeflate => inflate(packed, raw)?,
        Compression::PackBits => pack_bits(packed, raw)?,
        Compression::Zstd => zstd(packed, raw)?,
        Compression::Rle => fax::run_lengths(packed, piece.width, raw)?,
        Compression::Fax3 { two_dimensional } => fax::group_3(packed, piece.width, two_dimensional, raw)?,
        Compression::Fax4 => fax::group_4(packed, piece.width, raw)?,
        Compression::Jpeg => {
            let Piece { width, height, channels, jpeg: shared } = *piece;
            jpeg::unpack(packed, shared, Size { width, height, channels }, raw)?;
        }
        Compression::Webp => webp(packed, piece, raw)?,
    }
    Ok(())
}

/// Zstandard (RFC 8878).
fn zstd(packed: &[u8], raw: &mut [u8]) -> Result<()> {
    let wrong = |_| damaged(Format::Tiff, "its Zstandard data are wrong");
    if window(packed).is_none_or(|window| window > MOST_WINDOW) {
        return Err(damaged(Format::Tiff, "its Zstandard data need too large a window"));
    }
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|_| wrong(()))?;
    let mut filled = 0;
    while filled < raw.len() {
        match decoder.read(&mut raw[filled..]) {
            Ok(0) => return Err(truncated(Format::Tiff)),
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Err(truncated(Format::Tiff)),
            Err(_) => return Err(wrong(())),
        }
    }
    Ok(())
}

/// Maximum window size, which the decoder holds in memory. The standard recommends supporting this much.
const MOST_WINDOW: u64 = 128 << 20;

/// Returns the window size of a frame (RFC 8878, 3.1.1.1); `None` if it isn't a frame.
fn window(frame: &[u8]) -> Option<u64> {
    let rest = frame.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (descriptor, rest) = rest.split_first()?;
    if descriptor & 0x20 == 0 {
        let (exponent, mantissa) = (rest.first()? >> 3, u64::from(rest.first()? & 7));
        let base = 1_u64 << (10 + exponent);
        return Some(base + base / 8 * mantissa);
    }
    // Single segment: the window is the content size.
    let id = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let content = Order::Little.number(rest.get(id..id + size)?);
    Some(if size == 2 { content + 256 } else { content })
}

/// WebP strip or tile. Alpha may be missing where it is opaque, or be there although the image has none, as in libtiff.
fn webp(packed: &[u8], piece: &Piece<'_>, raw: &mut [u8]) -> Result<()> {
    let wrong = |error| damaged(Format::Tiff, format!("its WebP data are wrong ({error})"));
    let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(packed)).map_err(wrong)?;
    let ((width, height), rows) = (decoder.dimensions(), raw.len() / (piece.width * piece.channels));
    // Checked before anything of the size in the header is allocated.
    let fits = width as usize == piece.width && (rows..=piece.height).contains(&(height as usize));
    if !fits || decoder.is_animated() {
        return Err(damaged(Format::Tiff, "a WebP in it isn't as large as its strip or tile"));
    }
    let stored = if decoder.has_alpha() { 4 } else { 3 };
    let mut all = vec![0; piece.width * height as usize * stored];
    decoder.read_image(&mut all).map_err(wrong)?;
    for (pixel, stored) in raw.chunks_exact_mut(piece.channels).zip(all.chunks_exact(stored)) {
        let opaque = [stored[0], stored[1], stored[2], *stored.get(3).unwrap_or(&u8::MAX)];
        pixel.copy_from_slice(&opaque[..piece.channels]);
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

/// PackBits (TIFF 6.0, section 9). A run may end beyond the bytes that are needed: some writers let runs cross rows.
fn pack_bits(mut packed: &[u8], mut raw: &mut [u8]) -> Result<()> {
    while !raw.is_empty() {
        let (&control, rest) = packed.split_first().ok_or_else(|| truncated(Format::Tiff))?;
        packed = rest;
        let control = control as i8;
        if control == i8::MIN {
            continue;
        }
        let length = usize::from(control.unsigned_abs()) + 1;
        let kept = length.min(raw.len());
        let (now, later) = std::mem::take(&mut raw).split_at_mut(kept);
        if control < 0 {
            let (&value, rest) = packed.split_first().ok_or_else(|| truncated(Format::Tiff))?;
            now.fill(value);
            packed = rest;
        } else {
            now.copy_from_slice(packed.get(..kept).ok_or_else(|| truncated(Format::Tiff))?);
            packed = packed.get(length..).unwrap_or_default();
        }
        raw = later;
    }
    Ok(())
}

/// Converts a row's bytes to samples.
pub(super) fn samples<S: SampleType>(order: Order, bytes: &[u8], row: &mut [S]) {
    let pairs = row.iter_mut().zip(bytes.chunks_exact(S::BYTES));
    match order {
        Order::Little => pairs.for_each(|(sample, bytes)| *sample = S::of_le(bytes)),
        Order::Big => pairs.for_each(|(sample, bytes)| *sample = S::of_be(bytes)),
    }
}

/// Undoes horizontal differencing: each sample is stored as its difference to the left neighbour.
pub(super) fn sum_up<S: SampleType>(row: &mut [S], channels: usize) {
    for i in channels..row.len() {
        row[i] = row[i].plus_bits(row[i - channels]);
    }
}

/// Unpacks a row of samples of 1 to 15 bits, highest bits first, and maps each by `widen`.
pub(super) fn bits<S: SampleType>(bytes: &[u8], bits: u8, row: &mut [S], widen: impl Fn(u32) -> u32) {
    // The lowest `count` bits of `held` aren't used yet.
    let (mut held, mut count, mut next) = (0_u32, 0, 0);
    for sample in row {
        while count < bits {
            held = held << 8 | u32::from(bytes[next]);
            (count, next) = (count + 8, next + 1);
        }
        count -= bits;
        *sample = S::nearest(widen((held >> count) & ((1 << bits) - 1)).into());
    }
}

/// Returns the level of 8 bits for one of fewer, rounded.
pub(super) fn widen_to_eight(bits: u8, level: u32) -> u32 {
    let highest = (1 << bits) - 1;
    (2 * level * 255 + highest) / (2 * highest)
}

/// Undoes the floating-point predictor (TIFF technical note 3): a row stores all most significant bytes first, then all second
/// bytes, and so on, each as its difference to the byte `channels` before.
pub(super) fn planes_of_bytes<S: SampleType>(bytes: &[u8], channels: usize, row: &mut [S]) {
    let mut bytes = bytes.to_vec();
    sum_up(&mut bytes, channels);
    let count = row.len();
    for (i, sample) in row.iter_mut().enumerate() {
        let own: [u8; 8] = std::array::from_fn(|byte| bytes.get(byte * count + i).copied().unwrap_or(0));
        *sample = S::of_be(&own[..S::BYTES]);
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
        pack_bits(&packed, &mut raw).unwrap();
        let expected = [&[0xaa; 3][..], &[0x80, 0, 0x2a], &[0xaa; 4], &[0x80, 0, 0x2a, 0x22], &[0xaa; 10]].concat();
        assert_eq!(raw.as_slice(), expected);
    }

    #[test]
    fn a_run_of_packbits_may_end_beyond_what_is_needed() {
        for packed in [&[0xfe, 7][..], &[2, 7, 7, 9], &[2, 7, 7]] {
            let mut raw = [0; 2];
            pack_bits(packed, &mut raw).unwrap();
            assert_eq!(raw, [7; 2]);
        }
        assert!(pack_bits(&[2, 7], &mut [0; 2]).unwrap_err().to_string().contains("truncated"));
    }

    #[test]
    fn samples_of_any_number_of_bits_are_unpacked() {
        let mut row = [0_u16; 4];
        bits(&[0xab, 0xcd, 0xef, 0x01, 0x23, 0x45], 12, &mut row, |level| level);
        assert_eq!(row, [0xabc, 0xdef, 0x012, 0x345]);
        bits(&[0b0110_1011, 0b1100_0000], 3, &mut row, |level| level);
        assert_eq!(row, [0b011, 0b010, 0b111, 0b100]);
        let widened = |bits| (0..1_u32 << bits).map(|level| widen_to_eight(bits, level)).collect::<Vec<u32>>();
        assert_eq!((widened(1), widened(2)), (vec![0, 255], vec![0, 85, 170, 255]));
        assert_eq!(widened(3), [0, 36, 73, 109, 146, 182, 219, 255]);
    }

    #[test]
    fn short_data_are_truncated_in_every_compression() {
        for compression in
            [Compression::None, Compression::Lzw, Compression::Deflate, Compression::OldDeflate, Compression::PackBits]
        {
            let piece = Piece { width: 9, height: 1, channels: 1, jpeg: &Jpeg::default() };
            let error = unpack(compression, &[], &piece, &mut [0; 9]).unwrap_err().to_string();
            assert!(error.contains("truncated"), "{compression:?}: {error}");
        }
    }

    #[test]
    fn a_zstandard_frame_that_wants_a_window_of_terabytes_is_not_begun() {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 1, 0, 0];
        assert!(window(&frame).unwrap() > 1 << 40);
        let piece = Piece { width: 9, height: 1, channels: 1, jpeg: &Jpeg::default() };
        let error = unpack(Compression::Zstd, &frame, &piece, &mut [0; 9]).unwrap_err().to_string();
        assert!(error.contains("window"), "{error}");
        assert_eq!(window(&[0x28, 0xb5, 0x2f, 0xfd, 0x60, 1, 0]), Some(257));
    }
}

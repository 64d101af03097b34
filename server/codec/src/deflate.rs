//! Deflate for independently encoded parts, with the same bytes on every machine: zlib-rs selects CPU instructions only
//! for comparing and checksums, never for hashing, so the matches that it finds don't depend on the CPU.

mod bits;
mod code;
mod runs;

pub(super) use zlib_rs::adler32::adler32_combine;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

/// zlib's level. Higher ones take much longer and save little on pixels.
const LEVEL: i32 = 6;

/// The header of a zlib stream (RFC 1950): deflate, window of 32 KiB, default level.
pub(super) const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];
/// An empty final block (RFC 1951, 3.2.6), starting on a byte boundary.
pub(super) const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// Returns raw deflate data that ends with a sync flush: on a byte boundary, so that more may follow.
///
/// Filtered photographs have hardly any repetition except runs. A full search takes ten times as long there and makes
/// them larger, as each short match costs more bits than the literals it replaces. Drawings, text and patterns need the
/// full search. A sample from the middle of `bytes` decides between the two.
pub(super) fn filtered_piece(bytes: &[u8]) -> Vec<u8> {
    let middle = bytes.len() / 2;
    let sample = &bytes[middle.saturating_sub(SAMPLE / 2)..bytes.len().min(middle + SAMPLE / 2)];
    if repeats(sample) && repetitions(sample).len() < runs::deflate(sample).len() {
        repetitions(bytes)
    } else {
        runs::deflate(bytes)
    }
}

/// Twice deflate's window, so that matches at any distance can occur.
const SAMPLE: usize = 64 << 10;

/// Returns whether the sample has repetitions worth searching for: 8-byte sequences, other than runs of one byte, that
/// recur at more than 1 in 64 positions. Takes a tenth of the time of the search itself.
fn repeats(sample: &[u8]) -> bool {
    const BITS: u32 = 15;
    // Last position of each hash, plus 1; 0 means none.
    let mut places = vec![0; 1 << BITS];
    let mut found = 0;
    for (place, eight) in (1..).zip(sample.windows(8)) {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        if word == word.rotate_left(8) {
            continue;
        }
        // Fibonacci hashing: 2⁶⁴ divided by the golden ratio.
        let last = &mut places[(word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS)) as usize];
        found += usize::from(*last > 0 && sample[*last - 1..].starts_with(eight));
        *last = place;
    }
    found * 64 > sample.len()
}

/// Returns a complete zlib stream.
pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    run(bytes, DeflateConfig { level: LEVEL, ..DeflateConfig::default() }, DeflateFlush::Finish)
}

/// Decompresses a zlib stream. Returns `None` if it is damaged, or has more than `most` bytes.
pub(super) fn inflate(stream: &[u8], most: usize) -> Option<Vec<u8>> {
    const PIECE: usize = 64 << 10;
    // The window's size is in the stream.
    let (mut inflate, mut bytes) = (Inflate::new(true, 0), Vec::new());
    loop {
        let (taken, made) = (inflate.total_in() as usize, bytes.len());
        bytes.resize(most.min(made + PIECE), 0);
        let status = inflate.decompress(&stream[taken..], &mut bytes[made..], InflateFlush::NoFlush).ok()?;
        bytes.truncate(inflate.total_out() as usize);
        match status {
            Status::StreamEnd => return Some(bytes),
            _ if inflate.total_in() as usize == taken && bytes.len() == made => return None,
            _ => {}
        }
    }
}

/// Returns the Adler-32 checksum (RFC 1950, section 8.2).
pub(super) fn adler32(bytes: &[u8]) -> u32 {
    zlib_rs::adler32::adler32(1, bytes)
}

/// Like [`runs::deflate`], but with all matches that zlib finds.
fn repetitions(bytes: &[u8]) -> Vec<u8> {
    // Negative window bits: no header.
    let config = DeflateConfig { level: LEVEL, window_bits: -15, ..DeflateConfig::default() };
    run(bytes, config, DeflateFlush::SyncFlush)
}

fn run(bytes: &[u8], config: DeflateConfig, flush: DeflateFlush) -> Vec<u8> {
    let mut deflate = Deflate::new_with_config(config);
    let mut out = vec![0; bytes.len() + bytes.len() / 64 + 1_024];
    loop {
        let [read, written] =
            [deflate.total_in(), deflate.total_out()].map(|total| usize::try_from(total).expect("slices"));
        let status = deflate.compress(&bytes[read..], &mut out[written..], flush).expect("deflate takes any bytes");
        let written = usize::try_from(deflate.total_out()).expect("slices");
        // Everything is flushed if there is room left.
        if status == Status::StreamEnd || written < out.len() {
            out.truncate(written);
            return out;
        }
        out.resize(out.len() + (64 << 10), 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = ZLIB_HEADER.to_vec();
        let mut sum = adler32(&[]);
        for part in parts {
            stream.extend(filtered_piece(part));
            sum = adler32_combine(sum, adler32(part), part.len() as u64);
        }
        stream.extend(LAST_BLOCK);
        stream.extend(sum.to_be_bytes());
        stream
    }

    fn decoded(stream: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::new();
        flate2::read::ZlibDecoder::new(stream).read_to_end(&mut decoded).unwrap();
        decoded
    }

    proptest! {
        #[test]
        fn pieces_and_checksums_join_to_one_zlib_stream(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20_000), 1..5)) {
            prop_assert_eq!(decoded(&joined(&parts)), parts.concat());
        }
    }

    #[test]
    fn repetitions_of_a_drawing_are_found() {
        let line: Vec<u8> = (0..2_000_u32).map(|x| if x % 7 < 5 { 0 } else { ((x * x) >> 5) as u8 }).collect();
        let part = line.repeat(200);
        let piece = filtered_piece(&part);
        assert!(piece.len() < part.len() / 20, "{} of {}", piece.len(), part.len());
        assert_eq!(decoded(&joined(&[part.clone(), part.clone()])), [part.clone(), part].concat());
    }

    #[test]
    fn noise_and_runs_are_not_searched_and_a_pattern_is() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 29) as u8
        };
        let random: Vec<u8> = (0..SAMPLE).map(|_| noise()).collect();
        assert!(!repeats(&random));
        assert!(!repeats(&[0; SAMPLE]));
        // The largest distance that deflate can reach.
        assert!(repeats(&random[..SAMPLE / 2].repeat(2)));
        assert!(!repeats(&[]));
    }

    #[test]
    fn filtered_noise_costs_no_more_than_with_a_full_search() {
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..300_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 30) as u8 + (state >> 20 & 3) as u8).wrapping_sub(3)
            })
            .collect();
        assert!(filtered_piece(&noise).len() <= repetitions(&noise).len());
    }
}

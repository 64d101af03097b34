//! Deflate for parts. The same bytes on every machine: zlib-rs chooses instructions by the CPU, but only for comparing
//! and checksums, never for hashing, so the matches it finds don't depend on it.

use flate2::{Compress, Compression, FlushCompress, Status};

/// zlib's level. Higher ones take much longer and save little on pixels.
const LEVEL: u32 = 6;

/// The header of a zlib stream (RFC 1950): deflate, window of 32 KiB, default level.
pub(super) const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];
/// An empty last block (RFC 1951, 3.2.6) on a byte's boundary.
pub(super) const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// Raw deflate data that end with a sync flush: on a byte's boundary, so that more may follow.
pub(super) fn piece(bytes: &[u8]) -> Vec<u8> {
    run(bytes, false, FlushCompress::Sync)
}

/// A complete zlib stream.
pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    run(bytes, true, FlushCompress::Finish)
}

fn run(bytes: &[u8], header: bool, flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(LEVEL), header);
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 64 + 1_024);
    loop {
        let read = usize::try_from(compress.total_in()).expect("it read from a slice");
        let status = compress.compress_vec(&bytes[read..], &mut out, flush).expect("deflate takes any bytes");
        if status == Status::StreamEnd || out.len() < out.capacity() {
            return out;
        }
        out.reserve(64 << 10);
    }
}

const BASE: u32 = 65_521;

/// Adler-32 (RFC 1950, section 8.2).
pub(super) fn adler32(bytes: &[u8]) -> u32 {
    // The most bytes of which the sums fit into 32 bits.
    const RUN: usize = 5_552;
    let (mut a, mut b) = (1, 0);
    for run in bytes.chunks(RUN) {
        for byte in run {
            a += u32::from(*byte);
            b += a;
        }
        a %= BASE;
        b %= BASE;
    }
    b << 16 | a
}

/// The Adler-32 of two runs of bytes one after the other, from theirs and the second one's length.
///
/// With `a = 1 + Σ byte` and `b = Σ a`: the second run's sums began at `a = 1` instead of the first run's `a`.
pub(super) fn adler32_combine(first: u32, second: u32, second_length: u64) -> u32 {
    let base = u64::from(BASE);
    let (a1, b1) = (u64::from(first & 0xffff), u64::from(first >> 16));
    let (a2, b2) = (u64::from(second & 0xffff), u64::from(second >> 16));
    let a = (a1 + a2 + base - 1) % base;
    let b = (b1 + b2 + second_length % base * (a1 + base - 1)) % base;
    (b << 16 | a) as u32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn adler32_is_that_of_the_standard() {
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    proptest! {
        #[test]
        fn pieces_and_checksums_join_to_one_zlib_stream(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20_000), 1..5)) {
            let mut stream = ZLIB_HEADER.to_vec();
            let mut sum = 1;
            for part in &parts {
                stream.extend(piece(part));
                sum = adler32_combine(sum, adler32(part), part.len() as u64);
            }
            stream.extend(LAST_BLOCK);
            stream.extend(sum.to_be_bytes());
            let mut decoded = Vec::new();
            flate2::read::ZlibDecoder::new(stream.as_slice()).read_to_end(&mut decoded).unwrap();
            prop_assert_eq!(&decoded, &parts.concat());
            prop_assert_eq!(sum, adler32(&decoded));
        }
    }

    #[test]
    fn lengths_beyond_32_bits_combine() {
        // Zeros keep `a`, and add it to `b` once each.
        let sum = adler32(b"x");
        let zeros = 5_000_000_000_u64;
        let b = u32::try_from(zeros % u64::from(BASE)).unwrap();
        let b = (u64::from(sum >> 16) + u64::from(b) * u64::from(sum & 0xffff)) % u64::from(BASE);
        assert_eq!(
            adler32_combine(sum, (u32::try_from(zeros % u64::from(BASE)).unwrap()) << 16 | 1, zeros),
            (b as u32) << 16 | (sum & 0xffff)
        );
    }
}

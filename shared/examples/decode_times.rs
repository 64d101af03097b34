//! How long our decoders alone take, on one core, for `scripts/bench/files.py`.
//!
//! `decode_times`: each line of standard input names a file, and is answered by the seconds that reading all its rows took.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

use shared::decode::{Limits, inspect, open};

/// Reads about so many bytes of rows at a time.
const BAND_BYTES: u64 = 1 << 20;

fn decode(path: &str) -> f64 {
    let began = Instant::now();
    let source = || BufReader::new(File::open(path).unwrap());
    let info = inspect(&mut source(), &Limits::default()).unwrap();
    let mut reader = open(source(), &info).unwrap();
    let unit = u64::from(info.unit_rows);
    let band = u32::try_from((BAND_BYTES / info.row_bytes() / unit).max(1) * unit).unwrap();
    for first in (0..info.height).step_by(band as usize) {
        let rows = reader.read(first..first.saturating_add(band).min(info.height)).unwrap();
        std::hint::black_box(rows);
    }
    began.elapsed().as_secs_f64()
}

fn main() {
    for path in std::io::stdin().lines() {
        println!("{}", decode(&path.unwrap()));
    }
}

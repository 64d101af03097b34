//! Files in, files out, in one process: through the codec, where what goes in as parts comes out as the same pixels with the
//! original's structure, and through `evenlight equalize`.
#![allow(clippy::unwrap_used)]

mod cogs;
mod command;
mod conversions;
mod equalize;
mod faxes;
mod golden;
mod independent;
mod inks;
mod inks_elsewhere;
mod jpeg_kinds;
mod jpeg_metadata;
mod jpeg_tiffs;
mod jpegs;
mod kept;
mod known_bad;
mod make;
mod metadata;
mod mutations;
mod opens;
mod overviews;
mod packed;
mod pngs;
mod profiles;
mod ranged;
mod refusals;
mod relatives;
mod round_trip;
mod scaling;
mod strange_tiffs;
mod tiffs;
mod tolerated;
mod views;
mod webps;
mod ycbcr_tiffs;

use std::io::Cursor;

use image::ImageDecoder;
use server::codec::{self, Joiner, Limits, Part, PartHash};
use shared::for_samples;
use shared::job::ImageInfo;
use shared::pixels::{Layout, Rows, Samples};
use testkit::Evenlight;
use testkit::images::sample;

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));

/// Decodes a PNG with the image crate, which expands palettes and low bit depths; the samples are in native byte order.
pub fn by_image(file: &[u8]) -> Samples {
    let decoder = image::codecs::png::PngDecoder::new(Cursor::new(file)).unwrap();
    let wide = decoder.color_type().bytes_per_pixel() / decoder.color_type().channel_count() == 2;
    let mut bytes = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut bytes).unwrap();
    if wide {
        Samples::U16(bytes.chunks_exact(2).map(|two| u16::from_ne_bytes([two[0], two[1]])).collect())
    } else {
        Samples::U8(bytes)
    }
}

/// Inspects the header with the default limits.
pub fn inspect(file: &[u8]) -> codec::Result<ImageInfo> {
    codec::inspect(&mut Cursor::new(file), &Limits::default())
}

/// Reads all rows in ranges of `step` rows.
pub fn read(file: &[u8], step: u32) -> codec::Result<(ImageInfo, Rows)> {
    let info = inspect(file)?;
    let mut reader = codec::open(Box::new(Cursor::new(file.to_vec())), &info)?;
    let mut all = None;
    for first in (0..info.height).step_by(step as usize) {
        let rows = reader.read(first..(first + step).min(info.height))?;
        append(&mut all, rows);
    }
    Ok((info, all.unwrap()))
}

fn append(all: &mut Option<Rows>, rows: Rows) {
    match (all.as_mut().map(|all| &mut all.samples), rows.samples) {
        (None, samples) => *all = Some(Rows { samples, ..rows }),
        (Some(Samples::U8(all)), Samples::U8(more)) => all.extend(more),
        (Some(Samples::U16(all)), Samples::U16(more)) => all.extend(more),
        (Some(Samples::F16(all)), Samples::F16(more)) => all.extend(more),
        (Some(Samples::F32(all)), Samples::F32(more)) => all.extend(more),
        (Some(Samples::F64(all)), Samples::F64(more)) => all.extend(more),
        (Some(Samples::I32(all)), Samples::I32(more)) => all.extend(more),
        (Some(Samples::U32(all)), Samples::U32(more)) => all.extend(more),
        _ => panic!("the depth changed"),
    }
}

/// Returns rows `first..end`.
pub fn slice(rows: &Rows, first: u32, end: u32) -> Rows {
    let line = rows.width as usize * rows.layout.channels();
    let range = first as usize * line..end as usize * line;
    let samples = for_samples!(&rows.samples, samples => samples[range].to_vec().into());
    Rows { samples, ..*rows }
}

/// Writes a file from the original's head and these pixels, in parts of this many units of rows, two parts per bundle.
pub fn write(original: &[u8], rows: &Rows, units: u32) -> Vec<u8> {
    let info = inspect(original).unwrap();
    let head = codec::head(&mut Cursor::new(original), &info, rows.layout).unwrap();
    let part_rows = info.unit_rows.saturating_mul(units).min(info.height);
    let parts: Vec<Part> = (0..info.height)
        .step_by(part_rows as usize)
        .map(|first| codec::part(&head, first, &slice(rows, first, (first + part_rows).min(info.height))).unwrap())
        .collect();
    let objects: Vec<_> = parts.chunks(2).map(|parts| codec::bundle(parts.to_vec(), PartHash::Blake3)).collect();
    let index: Vec<_> = parts.into_iter().map(|part| part.index).collect();
    let joiner = codec::join(&head, &index).unwrap();
    match (&joiner, head.begin_bytes().unwrap()) {
        (Joiner::Envelope(envelope), begin) => assert_eq!(Some(envelope.begin.len()), begin),
        (Joiner::Encoder(_) | Joiner::Cloud(_), begin) => assert_eq!(begin, None),
    }
    let parts = objects.iter().flat_map(|(head, pieces)| {
        let (bundle, object) = (codec::open_bundle(head).unwrap(), [&head[..], &pieces.concat()].concat());
        bundle.ranges().into_iter().map(move |range| object[range.start as usize..range.end as usize].to_vec())
    });
    joined(joiner, parts)
}

/// Parts that can be read repeatedly.
pub fn repeatable<'a>(
    parts: &'a [Vec<u8>],
) -> impl FnMut() -> Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + 'a> + 'a {
    move || Box::new(parts.iter().map(|part| Ok(part.clone())))
}

/// Joins parts into a file.
pub fn joined(joiner: Joiner, parts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut emit = |piece: Vec<u8>| {
        file.extend(piece);
        Ok(())
    };
    let parts: Vec<Vec<u8>> = parts.collect();
    joiner.write(&mut repeatable(&parts), &mut emit).unwrap();
    file
}

/// Writes the file's own pixels through the codec.
pub fn carry(original: &[u8], units: u32) -> Vec<u8> {
    write(original, &read(original, u32::MAX).unwrap().1, units)
}

/// All layouts.
pub const LAYOUTS: [Layout; 4] = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba];

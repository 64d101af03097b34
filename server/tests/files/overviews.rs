//! Overviews of a TIFF are recomputed from the result: each pixel is the mean of a square, however the image is cut into parts.

use std::io::{Cursor, Read};

use shared::decode::tiff::{self, tag};
use shared::job::Overview;
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::{inspect, make, read, sample, write};

/// An overview as stored in a file: its width and height, and its samples pixel by pixel.
struct Found {
    size: (u32, u32),
    samples: Vec<u64>,
}

/// Reads strips that are uncompressed or deflated, without a predictor.
fn found(file: &[u8], at: u64) -> Found {
    let mut source = Cursor::new(file);
    let header = tiff::Tiff::header(&mut source).unwrap();
    let directory = header.directory(&mut source, at).unwrap();
    let mut all = |tag| directory.find(tag).map(|entry| header.numbers(&mut source, entry).unwrap());
    let mut one = |tag| all(tag).map(|numbers| numbers[0]);
    let (width, height) = (one(tag::IMAGE_WIDTH).unwrap(), one(tag::IMAGE_LENGTH).unwrap());
    let (bytes, channels) = (one(tag::BITS_PER_SAMPLE).unwrap() / 8, one(tag::SAMPLES_PER_PIXEL).unwrap() as usize);
    let (deflated, planar) = (one(tag::COMPRESSION) == Some(8), one(tag::PLANAR_CONFIGURATION) == Some(2));
    assert_eq!((one(tag::NEW_SUBFILE_TYPE), one(tag::PREDICTOR).unwrap_or(1)), (Some(1), 1));
    let places = all(tag::STRIP_OFFSETS).unwrap().into_iter().zip(all(tag::STRIP_BYTE_COUNTS).unwrap());
    let mut stored = Vec::new();
    for (offset, length) in places {
        let strip = &file[offset as usize..(offset + length) as usize];
        match deflated {
            true => drop(flate2::read::ZlibDecoder::new(strip).read_to_end(&mut stored).unwrap()),
            false => stored.extend(strip),
        }
    }
    let sample = |bytes: &[u8]| match header.order {
        tiff::Order::Little => bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        tiff::Order::Big => bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    };
    let stored: Vec<u64> = stored.chunks(bytes as usize).map(sample).collect();
    let pixels = (width * height) as usize;
    assert_eq!(stored.len(), pixels * channels, "its strips hold all of it");
    let samples = match planar {
        true => (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| channel * pixels + pixel)).collect(),
        false => (0..pixels * channels).collect::<Vec<_>>(),
    };
    let samples = samples.into_iter().map(|at| stored[at]).collect();
    Found { size: (width as u32, height as u32), samples }
}

/// Returns the rounded mean of each pixel's square.
fn means(rows: &Rows, overview: &Overview) -> Vec<u64> {
    let (channels, factor) = (rows.layout.channels(), overview.factor);
    let sample = |x: u32, y: u32, channel: usize| -> u64 {
        let at = (y as usize * rows.width as usize + x as usize) * channels + channel;
        match &rows.samples {
            Samples::U8(samples) => samples[at].into(),
            Samples::U16(samples) => samples[at].into(),
            _ => unreachable!("these tests have whole numbers"),
        }
    };
    let mut means = Vec::new();
    for (y, x) in (0..overview.height).flat_map(|y| (0..overview.width).map(move |x| (y, x))) {
        let across = x * factor..((x + 1) * factor).min(rows.width);
        let down = y * factor..((y + 1) * factor).min(rows.height() as u32);
        let count = (across.len() * down.len()) as u64;
        for channel in 0..channels {
            let sum: u64 = down
                .clone()
                .flat_map(|y| across.clone().map(move |x| (x, y)))
                .map(|(x, y)| sample(x, y, channel))
                .sum();
            means.push((2 * sum + count) / (2 * count));
        }
    }
    means
}

/// Returns the locations of the overviews of a file's first page.
fn places(file: &[u8]) -> Vec<tiff::Smaller> {
    tiff::document(&mut Cursor::new(file)).unwrap().smaller
}

/// Writes the pixels into the original's structure, in parts of several heights, and compares the overviews.
fn check(original: &[u8], rows: &Rows, expected: &[Overview], what: &str) {
    let info = inspect(original).unwrap();
    assert_eq!(info.more.overviews, expected, "{what}");
    assert!(expected.iter().all(|overview| info.unit_rows.is_multiple_of(overview.factor)), "{what}");
    for units in [1, 2, 100] {
        let result = write(original, rows, units);
        assert_eq!(read(&result, 7).unwrap().1, *rows, "{what} in parts of {units} units");
        assert_eq!(inspect(&result).unwrap().more.overviews, expected, "{what}: all the same the next time");
        let places = places(&result);
        assert_eq!(places.len(), expected.len(), "{what}");
        for (place, overview) in places.iter().zip(expected) {
            let found = found(&result, place.at);
            assert_eq!((found.size, place.below), ((overview.width, overview.height), overview.below), "{what}");
            assert!(found.samples == means(rows, overview), "{what} in parts of {units} units: 1/{}", overview.factor);
        }
    }
}

#[test]
fn overviews_are_made_anew_of_the_result_whatever_its_parts_and_its_structure() {
    let (width, height) = (101, 67);
    let rounded_up = |factor: u32| Overview {
        factor,
        width: u32::div_ceil(width, factor),
        height: u32::div_ceil(height, factor),
        below: false,
    };
    let strips = make::Tiff::default();
    let stores = [
        ("strips", strips.clone()),
        ("strips that no factor divides", make::Tiff { piece: (0, 7), compression: 8, ..strips.clone() }),
        ("big-endian tiles", make::Tiff { piece: (16, 16), little: false, compression: 8, ..strips.clone() }),
        ("planes", make::Tiff { planar: true, compression: 8, ..strips.clone() }),
        ("planes of a BigTIFF that aren't compressed", make::Tiff { planar: true, big: true, ..strips.clone() }),
    ];
    for (what, store) in stores {
        for (layout, depth) in [(Layout::Gray, Depth::Sixteen), (Layout::Rgb, Depth::Eight)] {
            let rows = make::pixels(layout, depth, width, height);
            let expected = [rounded_up(2), rounded_up(4), rounded_up(12)];
            let small = make::Tiff { fields: vec![(254, 4, 1, store.number(1, 4))], ..store.clone() };
            let old = expected.map(|each| make::pixels(layout, depth, each.width, each.height));
            let pages = [(&store, &rows), (&small, &old[0]), (&small, &old[1]), (&small, &old[2])];
            check(&make::Tiff::pages(&pages), &rows, &expected, what);
        }
    }
}

#[test]
fn an_overview_whose_sides_are_rounded_down_ends_where_it_did() {
    let rows = make::pixels(Layout::Rgb, Depth::Eight, 50, 35);
    let expected = [Overview { factor: 16, width: 3, height: 2, below: false }];
    let small = make::Tiff { fields: vec![(254, 4, 1, vec![1, 0, 0, 0])], ..Default::default() };
    let original =
        make::Tiff::pages(&[(&make::Tiff::default(), &rows), (&small, &make::pixels(Layout::Rgb, Depth::Eight, 3, 2))]);
    check(&original, &rows, &expected, "35 rows, 2 of 16");
}

#[test]
fn overviews_that_the_page_points_to_stay_below_it() {
    let original = sample("made/tifffile_subifds.tif");
    let rows = make::pixels(Layout::Gray, Depth::Eight, 64, 48);
    let expected = [2, 4].map(|factor| Overview { factor, width: 64 / factor, height: 48 / factor, below: true });
    check(&original, &rows, &expected, "SubIFDs");
}

#[test]
fn what_is_no_whole_number_of_times_smaller_is_left_out_and_told() {
    let rows = make::pixels(Layout::Gray, Depth::Eight, 40, 40);
    let small = make::Tiff { fields: vec![(254, 4, 1, vec![1, 0, 0, 0])], ..Default::default() };
    let original = make::Tiff::pages(&[
        (&make::Tiff::default(), &rows),
        (&small, &make::pixels(Layout::Gray, Depth::Eight, 30, 11)),
    ]);
    let info = inspect(&original).unwrap();
    assert_eq!((info.more.overviews.len(), info.unit_rows), (0, 1));
    let head = server::codec::head(&mut Cursor::new(&original), &info, Layout::Gray).unwrap();
    assert!(head.keeping().changed.iter().any(|note| note.contains("can't be rebuilt")), "{:?}", head.keeping());
    assert!(places(&write(&original, &rows, 3)).is_empty());
}

//! PNGs with indirect samples, such as palettes.

use server::codec;
use shared::pixels::{Depth, Layout};
use std::io::Cursor;

use super::{by_image, carry, inspect, make, read};

fn changed(file: &[u8]) -> Vec<String> {
    let info = inspect(file).unwrap();
    codec::head(&mut Cursor::new(file), &info, info.layout).unwrap().keeping().changed.clone()
}

/// Returns a PNG of packed rows, without filters.
fn packed(width: u32, height: u32, bits: u8, color: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let channels = if color == 2 { 3 } else { 1 };
    let line = (width * channels * u32::from(bits)).div_ceil(8) as usize;
    let mut data = Vec::new();
    for row in 0..height as usize {
        data.push(0);
        data.extend((0..line).map(|i| (i * 37 + row * 91) as u8));
    }
    let rest = [make::chunk(b"IDAT", &make::zlib(&data)), make::chunk(b"IEND", &[])].concat();
    [make::png_start(width, height, bits, color, 0), chunks.concat(), rest].concat()
}

#[test]
fn palettes_few_bits_and_transparent_colours_are_promoted_exactly_and_told() {
    let palette = |bits: u8| make::chunk(b"PLTE", &(0..3_u32 << bits).map(|i| (i * 67) as u8).collect::<Vec<u8>>());
    let cases = [
        (1, 0, Vec::new(), Layout::Gray, Depth::Eight, &["1 bit"][..]),
        (2, 0, vec![make::chunk(b"tRNS", &[0, 2])], Layout::GrayAlpha, Depth::Eight, &["2 bits", "tRNS"]),
        (4, 0, vec![make::chunk(b"sBIT", &[3])], Layout::Gray, Depth::Eight, &["4 bits", "sBIT"]),
        (8, 0, vec![make::chunk(b"tRNS", &[0, 37])], Layout::GrayAlpha, Depth::Eight, &["tRNS"]),
        (16, 0, vec![make::chunk(b"tRNS", &[0, 37])], Layout::GrayAlpha, Depth::Sixteen, &["tRNS"]),
        (8, 2, vec![make::chunk(b"tRNS", &[0, 0, 0, 37, 0, 74])], Layout::Rgba, Depth::Eight, &["tRNS"]),
        (1, 3, vec![palette(1)], Layout::Rgb, Depth::Eight, &["palette"]),
        (4, 3, vec![palette(4), make::chunk(b"bKGD", &[1])], Layout::Rgb, Depth::Eight, &["palette", "bKGD"]),
        (
            8,
            3,
            vec![palette(8), make::chunk(b"tRNS", &[0, 128, 255])],
            Layout::Rgba,
            Depth::Eight,
            &["palette", "tRNS"],
        ),
    ];
    for (bits, color, chunks, layout, depth, told) in cases {
        let original = packed(21, 9, bits, color, &chunks);
        let (info, rows) = read(&original, 4).unwrap();
        assert_eq!((info.layout, info.depth), (layout, depth), "{bits} bits of type {color}");
        assert_eq!(rows.samples, by_image(&original));
        let result = carry(&original, 2);
        assert_eq!(read(&result, 9).unwrap().1, rows);
        let said = changed(&original);
        assert_eq!(said.len(), told.len(), "{said:?}");
        assert!(said.iter().zip(told).all(|(said, told)| said.contains(told)), "{said:?}");
        assert!(changed(&result).is_empty(), "a result needs no promotion");
    }
}

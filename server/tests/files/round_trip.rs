use std::io::Cursor;

use server::codec;
use shared::job::Format;
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::{LAYOUTS, by_image, carry, inspect, make, read, sample, slice, write};

const DEPTHS: [Depth; 2] = [Depth::Eight, Depth::Sixteen];

/// Decodes a whole TIFF with the tiff crate; not for LZW tiles, of which tiff 0.11.3 can't read all that libtiff reads.
fn by_tiff(file: &[u8]) -> Samples {
    match tiff::decoder::Decoder::new(Cursor::new(file)).unwrap().read_image().unwrap() {
        tiff::decoder::DecodingResult::U8(samples) => Samples::U8(samples),
        tiff::decoder::DecodingResult::U16(samples) => Samples::U16(samples),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_png_comes_out_with_its_pixels_whatever_its_parts() {
    for layout in LAYOUTS {
        for depth in DEPTHS {
            for (width, height) in [(1, 1), (37, 29)] {
                let rows = make::pixels(layout, depth, width, height);
                for original in [make::png(&rows), make::interlaced_png(&rows)] {
                    assert_eq!(by_image(&original), rows.samples, "the test's own encoder");
                    for step in [1, 7, height] {
                        assert_eq!(read(&original, step).unwrap().1, rows);
                    }
                    for units in [1, 7, height] {
                        let result = carry(&original, units);
                        assert_eq!(by_image(&result), rows.samples);
                        assert_eq!(read(&result, 5).unwrap().1, rows);
                        assert_eq!(result, carry(&original, units), "the same bytes each time");
                    }
                }
            }
        }
    }
}

#[test]
fn the_ihdr_and_adler_of_a_joined_png_satisfy_a_strict_decoder() {
    let rows = make::pixels(Layout::Rgb, Depth::Eight, 50, 40);
    let result = carry(&make::png(&rows), 3);
    let mut decoder = png::Decoder::new(Cursor::new(&result));
    decoder.ignore_checksums(false);
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut bytes).unwrap();
    reader.finish().unwrap();
    assert_eq!(Samples::U8(bytes), rows.samples);
}

fn tiffs() -> Vec<make::Tiff> {
    let mut all = Vec::new();
    for little in [true, false] {
        for (compression, predictor) in
            [(1, false), (5, false), (5, true), (8, false), (8, true), (32_946, false), (32_773, false)]
        {
            for piece in [(0, 1), (0, 8), (0, 1_000), (16, 16), (64, 32)] {
                let big = piece.1 == 8;
                all.push(make::Tiff { little, big, compression, predictor, piece, ..Default::default() });
            }
        }
    }
    all
}

#[test]
fn every_tiff_comes_out_with_its_pixels_and_its_structure_whatever_its_parts() {
    for store in tiffs() {
        for layout in LAYOUTS {
            for depth in DEPTHS {
                let rows = make::pixels(layout, depth, 37, 29);
                let original = store.file(&rows);
                let lzw_tiles = store.compression == 5 && store.piece.0 > 0;
                assert!(lzw_tiles || by_tiff(&original) == rows.samples, "the test's own encoder: {store:?}");
                let (info, found) = read(&original, 29).unwrap();
                assert_eq!(found, rows, "{store:?} {layout:?} {depth:?}");
                let tiled_or_coded = store.piece.0 > 0 || store.compression != 1;
                assert_eq!(info.unit_rows, if tiled_or_coded { store.piece.1.min(29) } else { 1 });
                let whole = carry(&original, 29);
                for units in [1, 7] {
                    let result = carry(&original, units);
                    assert!(lzw_tiles || by_tiff(&result) == rows.samples, "{store:?} {layout:?} {depth:?} {units}");
                    assert_eq!(read(&result, units).unwrap().1, rows, "{store:?} {layout:?} {depth:?} {units}");
                    assert_eq!(inspect(&result).unwrap(), info);
                    assert_eq!(result[..4], original[..4], "byte order and BigTIFF stay");
                    assert_eq!(result, whole, "parts leave no trace in a TIFF");
                }
            }
        }
    }
}

#[test]
fn rows_of_a_tiff_can_be_read_in_any_order() {
    let rows = make::pixels(Layout::Rgb, Depth::Sixteen, 40, 50);
    for store in tiffs() {
        let original = store.file(&rows);
        let info = inspect(&original).unwrap();
        let mut reader = codec::open(Box::new(Cursor::new(original)), &info).unwrap();
        for range in [33..50, 0..1, 7..9, 49..50, 0..50, 15..17] {
            assert_eq!(reader.read(range.clone()).unwrap(), slice(&rows, range.start, range.end), "{store:?}");
        }
    }
}

#[test]
fn rows_of_a_png_may_be_skipped() {
    let rows = make::pixels(Layout::Gray, Depth::Eight, 40, 50);
    let original = make::png(&rows);
    let info = inspect(&original).unwrap();
    let mut reader = codec::open(Box::new(Cursor::new(original)), &info).unwrap();
    assert_eq!(reader.read(10..12).unwrap(), slice(&rows, 10, 12));
    assert_eq!(reader.read(49..50).unwrap(), slice(&rows, 49, 50));
    assert!(reader.read(3..4).is_err(), "but not read backwards");
}

#[test]
fn ranges_outside_the_image_are_refused() {
    let original = sample("moon.png");
    let info = inspect(&original).unwrap();
    let mut reader = codec::open(Box::new(Cursor::new(original)), &info).unwrap();
    for range in [0..0, 512..513, 0..u32::MAX] {
        assert!(reader.read(range).is_err());
    }
}

#[test]
fn parts_that_are_not_of_the_image_are_refused() {
    let rows = make::pixels(Layout::Gray, Depth::Eight, 40, 50);
    let original = make::Tiff { compression: 8, ..Default::default() }.file(&rows);
    let info = inspect(&original).unwrap();
    let head = codec::head(&mut Cursor::new(&original), &info, Layout::Gray).unwrap();
    assert!(codec::part(&head, 0, &slice(&rows, 0, 7)).is_err(), "half a strip");
    assert!(codec::part(&head, 4, &slice(&rows, 0, 8)).is_err(), "across strips");
    assert!(codec::part(&head, 48, &slice(&rows, 0, 8)).is_err(), "beyond the end");
    assert!(codec::part(&head, 0, &make::pixels(Layout::Rgb, Depth::Eight, 40, 50)).is_err());
    let part = codec::part(&head, 0, &slice(&rows, 0, 48)).unwrap();
    assert!(codec::join(&head, std::slice::from_ref(&part.index)).is_err(), "rows are missing");
}

#[test]
fn the_samples_decode_as_the_image_crate_decodes_them() {
    for name in ["brick.png", "cell.png", "coffee.png", "moon.png", "page.png"] {
        let original = sample(name);
        let (info, rows) = read(&original, 64).unwrap();
        assert_eq!(rows.samples, by_image(&original), "{name}");
        assert_eq!((info.format, info.orientation, info.whole_decode), (Format::Png, 1, false));
        assert_eq!(by_image(&carry(&original, 100)), rows.samples, "{name}");
    }
}

#[test]
fn tiffs_by_libtiff_come_out_with_their_pixels() {
    for (name, compression) in [
        ("pillow_lzw.tif", tiff::tags::CompressionMethod::LZW),
        ("pillow_gray16_deflate.tif", tiff::tags::CompressionMethod::Deflate),
        ("pillow_rgba.tif", tiff::tags::CompressionMethod::PackBits),
    ] {
        let original = sample(&format!("made/{name}"));
        let (info, rows) = read(&original, 1_000).unwrap();
        assert_eq!(rows.samples, by_tiff(&original), "{name}");
        let result = carry(&original, 2);
        assert_eq!(by_tiff(&result), rows.samples, "{name}");
        assert_eq!(inspect(&result).unwrap(), info);
        let mut decoder = tiff::decoder::Decoder::new(Cursor::new(result)).unwrap();
        let number = decoder.get_tag_unsigned::<u16>(tiff::tags::Tag::Compression).unwrap();
        assert_eq!(number, compression.to_u16());
    }
}

fn greatest_difference(a: &Rows, b: &Rows) -> u8 {
    match (&a.samples, &b.samples) {
        (Samples::U8(a), Samples::U8(b)) => a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap(),
        _ => panic!("JPEG has 8 bits"),
    }
}

#[test]
fn jpegs_keep_their_quantization_and_subsampling_and_nearly_their_pixels() {
    for (name, mcu) in [
        ("hubble_deep_field.jpg", 8),
        ("retina.jpg", 16),
        ("rocket.jpg", 8),
        ("made/progressive.jpg", 16),
        ("made/gray.jpg", 8),
        ("made/422.jpg", 8),
    ] {
        let original = sample(name);
        let (info, rows) = read(&original, 100).unwrap();
        assert_eq!((info.format, info.unit_rows, info.whole_decode), (Format::Jpeg, mcu, true), "{name}");
        let result = write(&original, &rows, 3);
        assert_eq!(result, write(&original, &rows, 1_000), "{name}");
        let header = |file: &[u8]| shared::decode::jpeg::header(&mut Cursor::new(file)).unwrap();
        let (before, after) = (header(&original), header(&result));
        assert_eq!(after.sampling().unwrap(), before.sampling().unwrap(), "{name}");
        for component in 0..before.components.len() {
            let table = |header: &shared::decode::jpeg::Header| {
                header.tables[usize::from(header.components[component].table)].unwrap()
            };
            // The tables before the first scan.
            assert_eq!(table(&after), table(&before), "{name}");
        }
        let (after, again) = read(&result, 8).unwrap();
        assert_eq!(after, info);
        let difference = greatest_difference(&rows, &again);
        assert!(difference < 16, "{name}: {difference}");
    }
}

#[test]
fn what_stands_behind_a_jpegs_end_does_no_harm() {
    let original = sample("made/progressive.jpg");
    let (_, rows) = read(&original, 100).unwrap();
    for behind in [vec![0; 100], original.clone(), b"junk\xff".to_vec()] {
        assert_eq!(read(&[original.clone(), behind].concat(), 100).unwrap().1, rows);
    }
}

#[test]
fn a_colour_image_made_gray_becomes_a_gray_file() {
    let coffee = sample("coffee.png");
    let rocket = sample("rocket.jpg");
    let tiff = make::Tiff { compression: 5, predictor: true, ..Default::default() }.file(&make::pixels(
        Layout::Rgb,
        Depth::Sixteen,
        30,
        30,
    ));
    for original in [coffee, rocket, tiff] {
        let info = inspect(&original).unwrap();
        let gray = make::pixels(Layout::Gray, info.depth, info.width, info.height);
        let result = write(&original, &gray, 4);
        let (after, rows) = read(&result, 8).unwrap();
        assert_eq!((after.layout, after.depth, after.format), (Layout::Gray, info.depth, info.format));
        if info.format != Format::Jpeg {
            assert_eq!(rows, gray);
        }
    }
}

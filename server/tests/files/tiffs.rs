//! TIFFs with indirect samples, separate planes, or several pages.

use std::io::Cursor;

use server::codec::{self, Limits, Part};
use shared::decode::tiff;
use shared::pixels::{Depth, Layout, Rows, Samples, f16};

use super::{carry, inspect, joined, make, read, slice, write};

fn short(value: u16) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn long(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// Returns the first number of a field of a page's directory.
fn number(file: &[u8], page: usize, tag: u16) -> Option<u64> {
    let mut source = Cursor::new(file);
    let header = tiff::Tiff::header(&mut source).unwrap();
    let mut at = header.first;
    for _ in 0..page {
        at = header.directory(&mut source, at).unwrap().next;
    }
    let directory = header.directory(&mut source, at).unwrap();
    directory.find(tag).map(|entry| header.numbers(&mut source, entry).unwrap()[0])
}

fn changed(file: &[u8]) -> Vec<String> {
    let info = inspect(file).unwrap();
    codec::head(&mut Cursor::new(file), &info, info.layout).unwrap().keeping().changed.clone()
}

/// Stores packed pixels, given as bytes of gray, as a TIFF of this width and bit depth.
fn packed(bytes: &Rows, width: u32, bits: u16, fields: Vec<(u16, u16, u32, Vec<u8>)>) -> Vec<u8> {
    let mut all = vec![(256, 4, 1, long(width)), (258, 3, 1, short(bits))];
    all.extend(fields);
    make::Tiff { fields: all, ..make::Tiff::default() }.file(bytes)
}

/// Unpacks the values of packed pixels whose rows start on whole bytes.
fn values(bytes: &Rows, width: u32, bits: u32) -> Vec<u8> {
    let Samples::U8(samples) = &bytes.samples else { panic!("bytes were expected") };
    let value =
        |row: &[u8], x: u32| row[(x * bits / 8) as usize] >> (8 - bits - x * bits % 8) & ((1 << bits) - 1) as u8;
    samples.chunks(bytes.width as usize).flat_map(|row| (0..width).map(move |x| value(row, x))).collect()
}

#[test]
fn planes_come_out_as_planes_in_every_compression() {
    for layout in [Layout::GrayAlpha, Layout::Rgb, Layout::Rgba, Layout::Bands(5)] {
        for depth in
            [Depth::Eight, Depth::Sixteen, Depth::Half, Depth::Float, Depth::Double, Depth::Int32, Depth::Uint32]
        {
            let rows = make::pixels(layout, depth, 37, 29);
            for (compression, predictor) in [(1, false), (5, true), (8, false), (32_773, false), (50_000, true)] {
                for (little, piece) in [(true, (0, 4)), (false, (16, 16))] {
                    let store =
                        make::Tiff { little, compression, predictor, planar: true, piece, ..Default::default() };
                    let original = store.file(&rows);
                    assert_eq!(read(&original, 3).unwrap().1, rows, "{store:?}");
                    let result = carry(&original, 1);
                    assert_eq!(read(&result, 29).unwrap().1, rows, "{store:?} {layout:?} {depth:?}");
                    assert_eq!(number(&result, 0, 284), Some(2));
                    assert_eq!(number(&result, 0, 259), Some(compression.into()));
                    assert!(result == carry(&original, 1), "the same bytes each time");
                }
            }
        }
    }
}

#[test]
fn samples_without_levels_and_bands_come_out_bit_by_bit() {
    for (layout, depth) in [
        (Layout::Gray, Depth::Float),
        (Layout::Rgba, Depth::Float),
        (Layout::GrayAlpha, Depth::Half),
        (Layout::Gray, Depth::Double),
        (Layout::Rgb, Depth::Double),
        (Layout::Bands(3), Depth::Int32),
        (Layout::Gray, Depth::Int32),
        (Layout::Rgba, Depth::Uint32),
        (Layout::BandsAlpha(2), Depth::Half),
        (Layout::BandsAlpha(4), Depth::Double),
        (Layout::BandsAlpha(2), Depth::Int32),
        (Layout::BandsAlpha(3), Depth::Uint32),
        (Layout::Bands(7), Depth::Sixteen),
        (Layout::Bands(2), Depth::Eight),
    ] {
        let mut rows = make::pixels(layout, depth, 37, 29);
        match &mut rows.samples {
            Samples::F16(samples) => {
                samples[..4].copy_from_slice(&[f16::NAN, f16::INFINITY, f16::NEG_INFINITY, f16::NEG_ZERO]);
            }
            Samples::F32(samples) => {
                samples[..4].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0]);
            }
            Samples::F64(samples) => {
                samples[..4].copy_from_slice(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]);
            }
            Samples::I32(samples) => samples[..2].copy_from_slice(&[i32::MIN, i32::MAX]),
            Samples::U32(samples) => samples[..2].copy_from_slice(&[u32::MIN, u32::MAX]),
            _ => {}
        }
        for (compression, predictor) in [(1, false), (5, false), (8, true), (50_000, true), (32_773, false)] {
            for (little, big, piece) in [(true, true, (0, 7)), (false, false, (16, 16))] {
                let store = make::Tiff { little, big, compression, predictor, piece, ..Default::default() };
                let original = store.file(&rows);
                let (info, found) = read(&original, 5).unwrap();
                assert_eq!((info.layout, info.depth), (layout, depth));
                assert_eq!(found, rows, "{store:?}");
                let result = carry(&original, 1);
                assert_eq!(read(&result, 29).unwrap().1, rows, "{store:?}");
                assert_eq!(inspect(&result).unwrap(), info);
            }
        }
    }
}

#[test]
fn gray_of_few_bits_becomes_eight_and_that_is_told() {
    for (bits, width) in [(1_u16, 37_u32), (2, 18), (4, 9)] {
        let bytes = make::pixels(Layout::Gray, Depth::Eight, (width * u32::from(bits)).div_ceil(8), 29);
        let scale = 255 / ((1 << bits) - 1);
        let expected: Vec<u8> = values(&bytes, width, bits.into()).iter().map(|value| value * scale).collect();
        for white_is_zero in [false, true] {
            let photometric = if white_is_zero { 0 } else { 1 };
            let original = packed(&bytes, width, bits, vec![(262, 3, 1, short(photometric))]);
            let (info, rows) = read(&original, 5).unwrap();
            assert_eq!((info.width, info.layout, info.depth), (width, Layout::Gray, Depth::Eight));
            let light: Vec<u8> = expected.iter().map(|value| if white_is_zero { !value } else { *value }).collect();
            assert_eq!(rows.samples, Samples::U8(light), "{bits} bits");
            assert!(changed(&original)[0].contains("became 8 bits"), "{:?}", changed(&original));
            let result = carry(&original, 1);
            assert_eq!(read(&result, 29).unwrap().1, rows);
            assert_eq!(number(&result, 0, 262), Some(photometric.into()), "white stays what it was");
            assert_eq!(number(&result, 0, 258), Some(8));
        }
    }
}

#[test]
fn bits_in_reverse_order_are_read() {
    let bytes = make::pixels(Layout::Gray, Depth::Eight, 5, 9);
    let plain = packed(&bytes, 37, 1, Vec::new());
    let Samples::U8(samples) = &bytes.samples else { panic!("bytes were expected") };
    let reversed = Rows { samples: Samples::U8(samples.iter().map(|byte| byte.reverse_bits()).collect()), ..bytes };
    let reversed = packed(&reversed, 37, 1, vec![(266, 3, 1, short(2))]);
    assert_eq!(read(&plain, 9).unwrap().1, read(&reversed, 4).unwrap().1);
    assert_eq!(number(&carry(&reversed, 1), 0, 266), None);
}

#[test]
fn fax_becomes_eight_bits_and_deflate() {
    let bytes = make::pixels(Layout::Gray, Depth::Eight, 5, 29);
    let fields = vec![(256, 4, 1, long(40)), (258, 3, 1, short(1)), (262, 3, 1, short(0))];
    let original = make::Tiff { compression: 4, fields, ..Default::default() }.file(&bytes);
    let (_, rows) = read(&original, 5).unwrap();
    let expected: Vec<u8> = values(&bytes, 40, 1).iter().map(|value| if *value == 1 { 0 } else { 255 }).collect();
    assert_eq!(rows.samples, Samples::U8(expected));
    let result = carry(&original, 2);
    assert_eq!(read(&result, 29).unwrap().1, rows);
    assert_eq!(number(&result, 0, 259), Some(8));
    let told = changed(&original);
    assert!(told[0].contains("8 bits") && told[1].contains("fax"), "{told:?}");
}

#[test]
fn jpeg_in_a_tiff_becomes_deflate_without_further_loss() {
    for (layout, photometric, piece) in
        [(Layout::Gray, 1, (0, 16)), (Layout::Rgb, 6, (0, 16)), (Layout::Rgb, 6, (48, 32))]
    {
        let rows = Rows {
            samples: Samples::U8(vec![120; 64 * 48 * layout.channels()]),
            ..make::pixels(layout, Depth::Eight, 64, 48)
        };
        let fields = vec![(262, 3, 1, short(photometric))];
        let original = make::Tiff { compression: 7, piece, fields, ..Default::default() }.file(&rows);
        let (_, found) = read(&original, 48).unwrap();
        let Samples::U8(samples) = &found.samples else { panic!("the depth changed") };
        assert!(samples.iter().all(|sample| sample.abs_diff(120) <= 2));
        let result = carry(&original, 1);
        assert_eq!(read(&result, 7).unwrap().1, found, "nothing more is lost");
        assert_eq!(
            (number(&result, 0, 259), number(&result, 0, 262)),
            (Some(8), Some(layout.channels() as u64 / 2 + 1))
        );
        assert!(changed(&original)[0].contains("JPEG"));
    }
}

#[test]
fn a_palette_becomes_its_colours_without_loss() {
    let indices = make::pixels(Layout::Gray, Depth::Eight, 21, 10);
    let Samples::U8(values) = &indices.samples else { panic!("bytes were expected") };
    for (widen, depth) in [(257_u16, Depth::Eight), (256, Depth::Eight), (251, Depth::Sixteen)] {
        let color = |index: u16, channel: u16| (index ^ (channel * 85)) * widen;
        let map: Vec<u8> =
            (0..3).flat_map(|channel| (0..256).flat_map(move |index| short(color(index, channel)))).collect();
        let fields = vec![(262, 3, 1, short(3)), (320, 3, 768, map), (42_113, 2, 2, b"0\0".to_vec())];
        let original = make::Tiff { fields, compression: 8, ..Default::default() }.file(&indices);
        let (info, rows) = read(&original, 4).unwrap();
        assert_eq!((info.layout, info.depth), (Layout::Rgb, depth));
        let expected = values.iter().flat_map(|index| (0..3).map(|channel| color((*index).into(), channel)));
        match &rows.samples {
            Samples::U8(samples) => assert!(samples.iter().copied().eq(expected.map(|value| (value >> 8) as u8))),
            Samples::U16(samples) => assert!(samples.iter().copied().eq(expected)),
            _ => panic!("whole numbers were expected"),
        }
        let result = carry(&original, 1);
        assert_eq!(read(&result, 10).unwrap().1, rows);
        assert_eq!((number(&result, 0, 262), number(&result, 0, 320)), (Some(2), None));
        let told = changed(&original);
        assert!(told[0].contains("palette") && told[1].contains("no data"), "{told:?}");
    }
}

#[test]
fn white_as_zero_stays_and_is_read_as_light() {
    for depth in [Depth::Eight, Depth::Sixteen] {
        let stored = make::pixels(Layout::Gray, depth, 21, 10);
        let original = make::Tiff { fields: vec![(262, 3, 1, short(0))], ..Default::default() }.file(&stored);
        let plain = make::Tiff::default().file(&stored);
        let light = match stored.samples {
            Samples::U8(samples) => Samples::U8(samples.iter().map(|sample| !sample).collect()),
            Samples::U16(samples) => Samples::U16(samples.iter().map(|sample| !sample).collect()),
            _ => unreachable!(),
        };
        assert_eq!(read(&original, 10).unwrap().1.samples, light);
        let result = carry(&original, 3);
        assert_eq!(number(&result, 0, 262), Some(0));
        assert_eq!(result[8..8 + 21], plain[8..8 + 21], "the stored samples are the same");
    }
}

#[test]
fn signed_samples_are_read_from_the_lowest_to_the_highest_and_stay_signed() {
    let stored = make::pixels(Layout::Gray, Depth::Sixteen, 21, 10);
    let nodata = (42_113, 2, 6, b"-9999\0".to_vec());
    let original = make::Tiff { fields: vec![(339, 3, 1, short(2)), nodata], ..Default::default() }.file(&stored);
    let (info, rows) = read(&original, 10).unwrap();
    let Samples::U16(samples) = &stored.samples else { unreachable!() };
    assert_eq!(rows.samples, Samples::U16(samples.iter().map(|sample| sample ^ 0x8000).collect()));
    assert_eq!(info.more.nodata, Some(32_768.0 - 9_999.0));
    let result = carry(&original, 3);
    assert_eq!(result[8..8 + 42], original[8..8 + 42]);
    assert_eq!(number(&result, 0, 339), Some(2));
}

#[test]
fn associated_alpha_is_divided_out_and_multiplied_in_again() {
    let colors = [[10, 20, 30, 255], [5, 10, 15, 128], [7, 0, 1, 7], [0, 0, 0, 0]];
    let rows = Rows { width: 4, layout: Layout::Rgba, samples: Samples::U8(colors.concat()) };
    let original = make::Tiff { fields: vec![(338, 3, 1, short(1))], ..Default::default() }.file(&rows);
    let divided = [[10, 20, 30, 255], [10, 20, 30, 128], [255, 0, 36, 7], [0, 0, 0, 0]];
    assert_eq!(read(&original, 1).unwrap().1.samples, Samples::U8(divided.concat()));
    let result = carry(&original, 1);
    assert_eq!(result[8..24], original[8..24]);
    assert_eq!(number(&result, 0, 338), Some(1));
}

#[test]
fn no_data_is_told_as_decoded_samples_have_it() {
    let with = |depth, text: &[u8], more: Vec<(u16, u16, u32, Vec<u8>)>| {
        let mut fields = vec![(42_113, 2, text.len() as u32, text.to_vec())];
        fields.extend(more);
        let file = make::Tiff { fields, ..Default::default() }.file(&make::pixels(Layout::Gray, depth, 9, 9));
        inspect(&file).unwrap().more.nodata
    };
    assert_eq!(with(Depth::Eight, b"255\0", Vec::new()), Some(255.0));
    assert_eq!(with(Depth::Eight, b"255\0", vec![(262, 3, 1, short(0))]), Some(0.0));
    assert_eq!(with(Depth::Eight, b"-1\0", Vec::new()), None, "no sample has it");
    assert_eq!(with(Depth::Sixteen, b" 65535 \0", Vec::new()), Some(65_535.0));
    assert_eq!(with(Depth::Float, b"-3.4e38\0", Vec::new()), Some(-3.4e38));
    assert_eq!(with(Depth::Float, b"nan\0", Vec::new()), None, "NaN is no value anyway");
}

#[test]
fn empty_tiles_that_were_left_out_are_no_data() {
    let rows = make::pixels(Layout::Gray, Depth::Eight, 32, 32);
    for (text, empty) in [(&b"7\0"[..], 7), (b"x\0", 0)] {
        let fields = vec![(42_113, 2, 2, text.to_vec())];
        let store = make::Tiff { compression: 8, piece: (16, 16), fields, ..Default::default() };
        let mut original = store.file(&rows);
        let mut source = Cursor::new(original.clone());
        let header = tiff::Tiff::header(&mut source).unwrap();
        let directory = header.directory(&mut source, header.first).unwrap();
        // Set the second tile's offset and length to 0; the tables are found by their contents.
        for tag in [324, 325] {
            let table = header.bytes(&mut source, directory.find(tag).unwrap()).unwrap();
            let at = original.windows(table.len()).rposition(|bytes| bytes == table).unwrap();
            original[at + 4..at + 8].fill(0);
        }
        let Samples::U8(found) = read(&original, 9).unwrap().1.samples else { panic!("bytes were expected") };
        let Samples::U8(full) = &rows.samples else { panic!("bytes were expected") };
        for (i, (found, full)) in found.iter().zip(full).enumerate() {
            let hole = i % 32 >= 16 && i / 32 < 16;
            assert_eq!(*found, if hole { empty } else { *full }, "pixel {i}");
        }
    }
}

#[test]
fn a_mask_page_is_shown_as_alpha_and_kept_as_a_page() {
    let rows = make::pixels(Layout::Rgb, Depth::Eight, 16, 9);
    let bits = make::pixels(Layout::Gray, Depth::Eight, 2, 9);
    let fields = [(254, 4, 1, long(4)), (256, 4, 1, long(16)), (258, 3, 1, short(1)), (262, 3, 1, short(4))];
    let mask = make::Tiff { compression: 8, fields: fields.to_vec(), ..Default::default() };
    let original = make::Tiff::pages(&[(&make::Tiff::default(), &rows), (&mask, &bits)]);
    let (info, found) = read(&original, 4).unwrap();
    assert_eq!((info.layout, info.more.further_pages), (Layout::Rgba, 0));
    let (Samples::U8(found), Samples::U8(stored)) = (&found.samples, &rows.samples) else { unreachable!() };
    for (i, (pixel, bit)) in found.chunks(4).zip(values(&bits, 16, 1)).enumerate() {
        assert_eq!(pixel[..3], stored[3 * i..3 * i + 3]);
        assert_eq!(pixel[3], if bit == 1 { 255 } else { 0 });
    }
    let result = carry(&original, 3);
    assert_eq!(read(&result, 9).unwrap(), read(&original, 9).unwrap());
    assert_eq!((number(&result, 0, 277), number(&result, 1, 254)), (Some(3), Some(4)));
    assert_eq!(number(&result, 0, 338), None, "no alpha channel was added");
}

#[test]
fn every_page_is_kept_and_its_overviews_are_made_anew() {
    let pages = [
        make::pixels(Layout::Rgb, Depth::Eight, 30, 20),
        make::pixels(Layout::Gray, Depth::Sixteen, 11, 33),
        make::pixels(Layout::Gray, Depth::Eight, 64, 5),
    ];
    let small = make::Tiff { fields: vec![(254, 4, 1, long(1))], ..Default::default() };
    let (first, second) = (make::Tiff { compression: 5, ..Default::default() }, make::Tiff::default());
    let third = make::Tiff { compression: 8, piece: (16, 16), ..Default::default() };
    let thumbnail = make::pixels(Layout::Rgb, Depth::Eight, 6, 4);
    let original =
        make::Tiff::pages(&[(&first, &pages[0]), (&small, &thumbnail), (&second, &pages[1]), (&third, &pages[2])]);
    let info = inspect(&original).unwrap();
    assert_eq!((info.width, info.more.further_pages), (30, 2));
    let limits = Limits::default();
    let (mut heads, mut parts) = (Vec::new(), Vec::new());
    let infos = codec::inspect_pages(&mut Cursor::new(&original), &limits, &info, 0..3).unwrap();
    for (index, (expected, page)) in pages.iter().zip(infos).enumerate() {
        let mut reader = codec::open(Box::new(Cursor::new(original.clone())), &page).unwrap();
        assert_eq!(reader.read(0..page.height).unwrap(), *expected);
        heads.push(codec::head(&mut Cursor::new(&original), &page, page.layout).unwrap());
        let end = page.height;
        parts.push(vec![codec::part(&heads[index], 0, &slice(expected, 0, end)).unwrap()]);
    }
    let kept = &heads[0].keeping().kept;
    assert!(kept[0].contains("3 pages") && kept[1].contains("an overview, rebuilt"), "{kept:?}");
    let index: Vec<Vec<_>> =
        parts.iter().map(|parts| parts.iter().map(|part: &Part| part.index.clone()).collect()).collect();
    let all: Vec<_> = heads.iter().zip(&index).map(|(head, index)| (head, index.as_slice())).collect();
    let joiner = codec::join_pages(&all).unwrap();
    let result = joined(joiner, parts.into_iter().flatten().map(|part| part.bytes));
    let after = inspect(&result).unwrap();
    assert_eq!(after.more.further_pages, 2);
    let infos = codec::inspect_pages(&mut Cursor::new(&result), &limits, &after, 0..3).unwrap();
    for (index, (expected, page)) in pages.iter().zip(infos).enumerate() {
        let mut reader = codec::open(Box::new(Cursor::new(result.clone())), &page).unwrap();
        assert_eq!(reader.read(0..page.height).unwrap(), *expected, "page {index}");
    }
    let mut decoder = ::tiff::decoder::Decoder::new(Cursor::new(&result)).unwrap();
    let mut sides = vec![decoder.dimensions().unwrap()];
    while decoder.more_images() {
        decoder.next_image().unwrap();
        sides.push(decoder.dimensions().unwrap());
    }
    assert_eq!(sides, [(30, 20), (6, 4), (11, 33), (64, 5)]);
}

#[test]
fn pages_count_together_against_the_limit() {
    let page = make::pixels(Layout::Gray, Depth::Eight, 10, 10);
    let store = make::Tiff::default();
    let file = make::Tiff::pages(&[(&store, &page), (&store, &page), (&store, &page)]);
    let inspect = |max_pixels| codec::inspect(&mut Cursor::new(&file), &Limits { max_pixels, ..Limits::default() });
    assert!(inspect(300).is_ok());
    let sentence = inspect(299).unwrap_err().to_string();
    assert!(sentence.contains("3 pages") && sentence.contains("300"), "{sentence}");
}

#[test]
fn colours_in_planes_become_gray_in_one() {
    let rows = make::pixels(Layout::Rgb, Depth::Eight, 37, 29);
    let original = make::Tiff { planar: true, compression: 8, ..Default::default() }.file(&rows);
    let gray = make::pixels(Layout::Gray, Depth::Eight, 37, 29);
    assert_eq!(read(&write(&original, &gray, 1), 29).unwrap().1, gray);
}

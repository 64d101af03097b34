//! Results in another format: the pixels, and what of the metadata arrives.

use std::io::Cursor;

use server::codec::{self, Error, Limits};
use shared::equalize::Target;
use shared::job::{Format, Keeping};
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::{by_image, inspect, joined, make, read, sample, slice};

/// Writes an original's own pixels as another format, in parts of this many units.
fn converted(original: &[u8], target: Target, units: u32) -> codec::Result<(Vec<u8>, Keeping)> {
    let (info, rows) = read(original, 1_000)?;
    let source = &mut Cursor::new(original);
    let (head, conversion) = codec::head_as(target, source, &info, info.layout, &Limits::default())?;
    let step = head.unit_rows() * units;
    let firsts = (0..info.height).step_by(step as usize);
    let rows_of = |first: u32| {
        let rows = slice(&rows, first, (first + step).min(info.height));
        conversion.map_or_else(|| rows.clone(), |conversion| conversion.rows(rows.clone()))
    };
    let parts: Vec<_> = firsts.map(|first| codec::part(&head, first, &rows_of(first)).unwrap()).collect();
    let index: Vec<_> = parts.iter().map(|part| part.index.clone()).collect();
    let file = joined(codec::join(&head, &index)?, parts.into_iter().map(|part| part.bytes));
    Ok((file, head.keeping().clone()))
}

fn to(format: Format) -> Target {
    Target { format: Some(format), depth: None }
}

/// Rounds to 8 bits as numpy and Pillow do: to the nearest of 257ths.
fn narrowed(rows: &Rows) -> Vec<u8> {
    match &rows.samples {
        Samples::U16(samples) => samples.iter().map(|sample| (f64::from(*sample) / 257.0).round() as u8).collect(),
        Samples::U8(samples) => samples.clone(),
        _ => panic!("not these"),
    }
}

#[test]
fn lossless_formats_have_the_same_pixels() {
    for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
        for depth in [Depth::Eight, Depth::Sixteen] {
            let rows = make::pixels(layout, depth, 37, 301);
            for original in [make::png(&rows), make::Tiff::default().file(&rows)] {
                for format in [Format::Png, Format::Tiff] {
                    let (file, _) = converted(&original, to(format), 3).unwrap();
                    let (info, found) = read(&file, 50).unwrap();
                    assert_eq!((info.format, &found), (format, &rows), "{layout:?} {depth:?}");
                }
                let eight = Target { format: Some(Format::Png), depth: Some(Depth::Eight) };
                let (file, keeping) = converted(&original, eight, 2).unwrap();
                assert_eq!(by_image(&file), Samples::U8(narrowed(&rows)));
                assert_eq!(
                    keeping.changed.iter().any(|said| said == "Samples of 16 bits became 8 bits."),
                    depth == Depth::Sixteen
                );
                let (file, _) = converted(&original, to(Format::Webp), 5).unwrap();
                let (_, found) = read(&file, 50).unwrap();
                let gray = layout.colors() == 1;
                let Samples::U8(found) = &found.samples else { panic!("a WebP has 8 bits") };
                let expected: Vec<u8> = match gray {
                    true => narrowed(&rows)
                        .chunks(layout.channels())
                        .flat_map(|pixel| {
                            let alpha = &pixel[1..];
                            [&[pixel[0]; 3], alpha].concat()
                        })
                        .collect(),
                    false => narrowed(&rows),
                };
                assert!(found == &expected, "{layout:?} {depth:?}");
            }
        }
    }
}

#[test]
fn a_jpeg_is_close_and_says_what_it_lost() {
    let rows = make::pixels(Layout::Rgba, Depth::Sixteen, 64, 61);
    let smooth: Vec<u16> = (0..64 * 61 * 4).map(|i| (i % 256 / 4 * 800 + i / 256 * 200) as u16).collect();
    let rows = Rows { samples: Samples::U16(smooth), ..rows };
    let (file, keeping) = converted(&make::png(&rows), to(Format::Jpeg), 2).unwrap();
    assert!(file == converted(&make::png(&rows), to(Format::Jpeg), 1).unwrap().0);
    let (info, found) = read(&file, 61).unwrap();
    assert_eq!((info.layout, info.depth), (Layout::Rgb, Depth::Eight));
    let Samples::U8(found) = &found.samples else { panic!("a JPEG has 8 bits") };
    let expected: Vec<u8> = narrowed(&rows).chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
    let off: u64 = found.iter().zip(&expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    assert!(off < 2 * expected.len() as u64, "{off} of {}", expected.len());
    for words in ["16 bits became 8", "alpha channel was left out", "lossy"] {
        assert!(keeping.changed.iter().any(|said| said.contains(words)), "{words}: {:?}", keeping.changed);
    }
}

#[test]
fn profile_exif_and_xmp_arrive_and_the_rest_is_named() {
    let original = sample("made/pillow_lossy.webp");
    let info = inspect(&original).unwrap();
    let profile = |file: &[u8]| codec::profile(&mut Cursor::new(file), &inspect(file).unwrap()).unwrap();
    assert!(profile(&original).is_some() && info.orientation == 6);
    for format in [Format::Png, Format::Jpeg, Format::Tiff] {
        let (file, keeping) = converted(&original, to(format), 4).unwrap();
        assert_eq!(profile(&file), profile(&original), "{format:?}");
        assert_eq!(inspect(&file).unwrap().orientation, 6, "{format:?}");
        assert!(file.windows(12).any(|window| window == b"<x:xmpmeta x"), "{format:?}");
        let lost = keeping.changed.iter().find(|said| said.contains("isn't carried over"));
        assert_eq!(lost.is_some_and(|said| said.contains("EXIF")), format == Format::Tiff, "{lost:?}");
    }
    let text = make::with_chunks(
        &make::png(&make::pixels(Layout::Gray, Depth::Eight, 9, 9)),
        &[make::chunk(b"tEXt", b"Title\0x"), make::chunk(b"pHYs", &[0, 0, 0, 9, 0, 0, 0, 9, 1])],
    );
    let (_, keeping) = converted(&text, to(Format::Tiff), 1).unwrap();
    let said = &keeping.changed[0];
    assert!(said.contains("carried over to a TIFF: text, the resolution."), "{said}");
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    let refused = |original: &[u8], target| match converted(original, target, 1) {
        Err(Error::Refused(sentence)) => sentence,
        other => panic!("expected a refusal, got {:?}", other.map(|(_, keeping)| keeping)),
    };
    let float = make::Tiff::default().file(&make::pixels(Layout::Gray, Depth::Float, 8, 8));
    assert!(refused(&float, to(Format::Png)).contains("gdal_translate -ot UInt16 -scale LOW HIGH"));
    assert!(refused(&float, Target { format: None, depth: Some(Depth::Eight) }).contains("floating-point"));
    let bands = make::Tiff::default().file(&make::pixels(Layout::Bands(5), Depth::Eight, 8, 8));
    assert!(refused(&bands, to(Format::Webp)).contains("5 bands"));
    assert!(refused(&sample("multipage.tif"), to(Format::Jpeg)).contains("2 pages"));
    let wide = make::png(&make::pixels(Layout::Gray, Depth::Eight, 66_000, 1));
    assert!(refused(&wide, to(Format::Jpeg)).contains("65535"));
    assert!(refused(&wide, to(Format::Webp)).contains("16383"));
}

#[test]
fn the_same_format_and_depth_is_no_conversion() {
    let info = inspect(&sample("made/opencv_rgb16.png")).unwrap();
    assert!(!to(Format::Png).changes(&info) && !Target::default().changes(&info));
    assert!(to(Format::Tiff).changes(&info));
    assert!(Target { format: None, depth: Some(Depth::Eight) }.changes(&info));
}

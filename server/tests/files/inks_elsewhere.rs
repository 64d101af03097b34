//! Inks (CMYK) in TIFFs, in views, and in other formats.

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use server::codec::{self, View};
use shared::equalize::{Color, Recipe, Target};
use shared::job::Format;
use shared::pixels::{Depth, Layout, Rows, Samples};
use testkit::images::oracle;

use super::inks::originals;
use super::jpeg_kinds::{Folder, decoded, mean_difference, samples};
use super::{carry, inspect, joined, make, read, sample};

/// Values made with NumPy and OpenCV by the formulas of `docs/methods.md`.
#[test]
fn a_tiff_of_inks_has_the_inks_of_the_formula() {
    let file = sample("tiff/t_cmyk.tif");
    let samples_of = |file: &[u8]| samples(read(file, 7).unwrap().1);
    assert_eq!(crc32fast::hash(&samples_of(&file)), 0x928c_b6e8, "tifffile, and Pillow");
    for (color, crc) in [(Color::Luma, 0xe7d1_6fda), (Color::Channels, 0xea46_ce63_u32), (Color::Gray, 0x6ecf_6297)] {
        let result = oracle(&file, &Recipe::global(color));
        assert_eq!(crc32fast::hash(&samples_of(&result)), crc, "{color:?}");
        let layout = if color == Color::Gray { Layout::Gray } else { Layout::Cmyk };
        assert_eq!(inspect(&result).unwrap().layout, layout);
    }
}

#[test]
fn tiffs_of_inks_keep_their_structure() {
    for depth in [Depth::Eight, Depth::Sixteen] {
        let rows = make::pixels(Layout::Cmyk, depth, 37, 29);
        for (compression, piece, planar, predictor) in [
            (1, (0, 8), false, false),
            (1, (16, 16), true, false),
            (5, (0, 5), false, true),
            (8, (16, 32), false, true),
            (8, (0, 29), true, false),
            (32_773, (0, 8), false, false),
            (50_000, (32, 16), false, false),
        ] {
            for little in [true, false] {
                let store = make::Tiff { little, compression, piece, planar, predictor, ..make::Tiff::default() };
                let file = store.file(&rows);
                assert_eq!(read(&file, 3).unwrap().1, rows, "{store:?}");
                assert_eq!(read(&carry(&file, 2), 5).unwrap().1, rows, "{store:?}");
            }
        }
    }
}

fn view(file: &[u8], profile: Option<&[u8]>) -> View {
    let info = inspect(file).unwrap();
    let mut reader = codec::open(Box::new(Cursor::new(file.to_vec())), &info).unwrap();
    codec::view(reader.as_mut(), &info, profile, 4_000).unwrap()
}

fn colors_of(view: &View) -> Vec<u8> {
    assert_eq!(view.media_type, "image/jpeg");
    image::load_from_memory(&view.bytes).unwrap().into_rgb8().into_raw()
}

#[test]
fn views_show_inks_by_the_formula() {
    let folder = Folder::new();
    for (name, file) in originals() {
        let difference = mean_difference(&colors_of(&view(&file, None)), &folder.by_djpeg(&file, false));
        assert!(difference < 4.0, "{name}: {difference}");
        // A profile that isn't one of inks is ignored.
        assert_eq!(view(&file, Some(&profile_of_rgb())), view(&file, None), "{name}");
    }
    let wide = make::Tiff::default().file(&make::pixels(Layout::Cmyk, Depth::Sixteen, 64, 48));
    let narrow = make::Tiff::default().file(&make::pixels(Layout::Cmyk, Depth::Eight, 64, 48));
    assert!(mean_difference(&colors_of(&view(&wide, None)), &colors_of(&view(&narrow, None))) < 3.0);
}

/// Any profile of red, green and blue.
fn profile_of_rgb() -> Vec<u8> {
    let file = sample("rocket.jpg");
    codec::profile(&mut Cursor::new(&file), &inspect(&file).unwrap()).unwrap().unwrap()
}

fn vips(folder: &Path, words: &[&str]) {
    let done = Command::new("vips").args(words).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// libvips separates a picture into inks by its own profile, which it embeds; its own conversion back is the expectation.
#[test]
fn views_show_inks_by_their_profile_and_results_keep_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("coffee.png"), sample("coffee.png")).unwrap();
    vips(folder.path(), &["icc_transform", "coffee.png", "inks.jpg[Q=95]", "cmyk", "--input-profile", "srgb"]);
    vips(folder.path(), &["icc_transform", "inks.jpg", "rgb.png", "srgb", "--embedded", "--intent", "perceptual"]);
    let file = std::fs::read(folder.path().join("inks.jpg")).unwrap();
    let theirs = image::open(folder.path().join("rgb.png")).unwrap().into_rgb8().into_raw();
    let profile = |file: &[u8]| codec::profile(&mut Cursor::new(file), &inspect(file).unwrap()).unwrap().unwrap();
    let ours = colors_of(&view(&file, Some(&profile(&file))));
    let plain = mean_difference(&colors_of(&view(&file, None)), &theirs);
    let difference = mean_difference(&ours, &theirs);
    assert!(difference < 4.0 && plain > 10.0, "{difference}, by the formula {plain}");

    let result = oracle(&file, &Recipe::global(Color::Luma));
    assert_eq!((inspect(&result).unwrap().layout, profile(&result)), (Layout::Cmyk, profile(&file)));
    let black = |file: &[u8]| decoded(file).iter().skip(3).step_by(4).map(|ink| f64::from(*ink)).sum::<f64>();
    let ratio = black(&result) / black(&file);
    assert!((0.5..0.9).contains(&ratio), "a dark picture becomes lighter, with black in its share: {ratio}");
}

/// Writes a file's own pixels as another format; returns the file and the notes.
fn converted(original: &[u8], format: Option<Format>, depth: Option<Depth>) -> (Vec<u8>, Vec<String>) {
    let (info, rows) = read(original, 1_000).unwrap();
    let (source, target) = (&mut Cursor::new(original), Target { format, depth });
    let (head, conversion) = codec::head_as(target, source, &info, info.layout, &codec::Limits::default()).unwrap();
    let rows = conversion.expect("the target differs").rows(rows);
    let part = codec::part(&head, 0, &rows).unwrap();
    let file = joined(codec::join(&head, std::slice::from_ref(&part.index)).unwrap(), std::iter::once(part.bytes));
    (file, head.keeping().changed.clone())
}

#[test]
fn other_formats_have_the_colours_and_a_tiff_the_inks() {
    let folder = Folder::new();
    let icc = [&[0xff, 0xe2, 0, 20][..], b"ICC_PROFILE\0\x01\x01inks"].concat();
    for name in ["jpeg/cmyk.jpg", "jpeg/ycck.jpg"] {
        let plain = sample(name);
        let file = [&plain[..2], &icc, &plain[2..]].concat();
        let theirs = folder.by_djpeg(&file, false);
        for format in [Format::Png, Format::Webp] {
            let (result, notes) = converted(&file, Some(format), None);
            let (info, rows) = read(&result, 9).unwrap();
            assert_eq!((info.layout, samples(rows)), (Layout::Rgb, theirs.clone()), "{name} {format:?}");
            assert!(notes.iter().any(|note| note.contains("inks (CMYK) became")), "{notes:?}");
            assert_eq!(codec::profile(&mut Cursor::new(&result), &info).unwrap(), None);
        }
        let (result, _) = converted(&file, Some(Format::Tiff), None);
        let (info, rows) = read(&result, 9).unwrap();
        assert_eq!((info.layout, samples(rows)), (Layout::Cmyk, decoded(&file)), "{name}");
        assert_eq!(codec::profile(&mut Cursor::new(&result), &info).unwrap().as_deref(), Some(&b"inks"[..]));
    }
    let wide = make::pixels(Layout::Cmyk, Depth::Sixteen, 30, 20);
    let file = make::Tiff::default().file(&wide);
    let (result, _) = converted(&file, None, Some(Depth::Eight));
    let Samples::U16(wide_inks) = &wide.samples else { unreachable!() };
    let expected: Vec<u8> = wide_inks.iter().map(|ink| (f64::from(*ink) / 257.0).round() as u8).collect();
    assert_eq!(read(&result, 9).unwrap().1, Rows { samples: Samples::U8(expected), ..wide.clone() });
    let (jpeg, _) = converted(&file, Some(Format::Jpeg), None);
    assert_eq!(inspect(&jpeg).unwrap().layout, Layout::Rgb);
}

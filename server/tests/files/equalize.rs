//! `evenlight equalize`, the oracle: real and generated images through codec and kernels in one process.

use std::fs;
use std::io::{self, Cursor};

use image::ImageFormat;
use serde::Deserialize;
use server::codec::{self, Limits, Source};
use server::pipeline::local::{Equalized, Error, Local, Others, equalize_file};
use sha2::{Digest, Sha256};
use shared::equalize::{
    Color, Counts, Frame, Histogram, Intensity, Lut, Mask, Nodata, NodataRule, Recipe, Table, apply,
};
use shared::pixels::{Layout, Rows, Samples};
use testkit::images::{SAMPLES, float_tiff, pages_tiff, sample};

use crate::independent::{as_rows, decode, decode_pages, encode, encode_tiff_with_alpha, generated};

const COLORS: [Color; 6] = Color::ALL;

fn source(file: &[u8]) -> impl Fn() -> io::Result<Box<dyn Source>> {
    move || Ok(Box::new(Cursor::new(file.to_vec())))
}

fn equalize(file: &[u8], recipe: &Recipe) -> Result<(Vec<u8>, Equalized), Error> {
    let mut out = Cursor::new(Vec::new());
    let done = equalize_file(source(file), recipe, &mut out, &Limits::default(), &mut |_, _| ())?;
    Ok((out.into_inner(), done))
}

fn recipes() -> impl Iterator<Item = Recipe> {
    COLORS.into_iter().map(Recipe::global)
}

/// Returns the expected pixels: the kernels applied to the whole image at once.
fn at_once(recipe: &Recipe, rows: Rows) -> Rows {
    let mut histogram = Histogram::new(recipe, rows.layout, rows.samples.depth());
    histogram.count(&rows);
    apply(recipe, &Lut::from_histogram(&histogram), rows)
}

#[test]
fn gray_samples_have_the_pixels_of_opencv() {
    #[derive(Deserialize)]
    struct Golden {
        images: std::collections::BTreeMap<String, Expected>,
    }
    #[derive(Deserialize)]
    struct Expected {
        width: u32,
        height: usize,
        sha256: String,
    }
    let golden = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/tests/golden/samples.json")).unwrap();
    let golden: Golden = serde_json::from_slice(&golden).unwrap();
    assert_eq!(golden.images.len(), 4);
    for (name, expected) in golden.images {
        let rows = decode(&equalize(&sample(&name), &Recipe::default()).unwrap().0);
        assert_eq!((rows.layout, rows.width, rows.height()), (Layout::Gray, expected.width, expected.height), "{name}");
        let hash: String = Sha256::digest(rows.to_le_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, expected.sha256, "{name}");
    }
}

#[test]
fn samples_keep_format_size_and_depth_under_every_recipe() {
    for name in SAMPLES {
        let file = sample(name);
        for recipe in recipes() {
            let (result, done) = equalize(&file, &recipe).unwrap();
            assert_eq!(image::guess_format(&result).unwrap(), image::guess_format(&file).unwrap(), "{name}");
            let expected = at_once(&recipe, decode(&file));
            let rows = decode(&result);
            assert_eq!((rows.width, rows.height()), (done.info.width, done.info.height as usize), "{name}");
            assert_eq!((rows.layout, rows.samples.depth()), (expected.layout, expected.samples.depth()), "{name}");
            if name.ends_with(".png") {
                assert!(rows == expected, "{name} {recipe:?}: other pixels than the kernels on the whole image");
            }
        }
    }
}

#[test]
fn generated_images_of_every_layout_and_depth_have_the_pixels_of_the_kernels() {
    for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
        for sixteen in [false, true] {
            let image = generated(layout, sixteen);
            let formats: &[ImageFormat] =
                // The test's TIFF encoder doesn't write gray with alpha.
                if layout == Layout::GrayAlpha { &[ImageFormat::Png] } else { &[ImageFormat::Png, ImageFormat::Tiff] };
            for format in formats {
                let file = if (layout, *format) == (Layout::Rgba, ImageFormat::Tiff) {
                    encode_tiff_with_alpha(&image)
                } else {
                    encode(&image, *format)
                };
                // All recipes do the same to gray.
                for recipe in recipes().take(if layout.colors() == 1 { 1 } else { 4 }) {
                    let (result, _) = equalize(&file, &recipe).unwrap();
                    assert_eq!(image::guess_format(&result).unwrap(), *format);
                    let expected = at_once(&recipe, as_rows(image.clone()));
                    assert!(decode(&result) == expected, "{layout:?} {sixteen} {format:?} {recipe:?}");
                }
            }
        }
    }
}

#[test]
fn the_file_does_not_depend_on_the_number_of_threads() {
    let gray = encode(&generated(Layout::Gray, true), ImageFormat::Tiff);
    let colour = encode(&generated(Layout::Rgba, false), ImageFormat::Png);
    for file in [gray, colour, sample("rocket.jpg")] {
        let files: Vec<Vec<u8>> = [1, 2, 5]
            .into_iter()
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let local = Local { limits: Limits::default(), pool: Some(&pool), scratch: std::env::temp_dir() };
                let mut out = Cursor::new(Vec::new());
                local.equalize(source(&file), &Recipe::default(), Others::default(), &mut out, &mut |_, _| ()).unwrap();
                out.into_inner()
            })
            .collect();
        assert!(files.windows(2).all(|two| two[0] == two[1]));
    }
}

#[test]
fn progress_goes_up_to_its_total() {
    let file = encode(&generated(Layout::Rgb, true), ImageFormat::Tiff);
    let mut calls = Vec::new();
    let mut progress = |done, total| calls.push((done, total));
    equalize_file(source(&file), &Recipe::default(), &mut Cursor::new(Vec::new()), &Limits::default(), &mut progress)
        .unwrap();
    assert_eq!(calls.len(), 4);
    assert!(calls.windows(2).all(|two| two[0].0 < two[1].0));
    assert!(calls.last().is_some_and(|(done, total)| done == total));
}

#[test]
fn bad_files_are_refused_with_a_sentence_before_anything_is_written() {
    let png = sample("moon.png");
    let jpeg = sample("rocket.jpg");
    // The header of a PNG of 100,000 × 100,000 pixels, with a valid checksum.
    let mut huge = png[..33].to_vec();
    huge[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let crc = crc32fast::hash(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.to_be_bytes());
    for (what, file) in [
        ("empty", &b""[..]),
        ("text", b"This is not an image, whatever its name says."),
        ("a truncated PNG", &png[..png.len() / 2]),
        ("a PNG's signature", &png[..8]),
        ("a truncated JPEG", &jpeg[..200]),
        ("a huge PNG", &huge),
    ] {
        let mut out = Cursor::new(Vec::new());
        let result = equalize_file(source(file), &Recipe::default(), &mut out, &Limits::default(), &mut |_, _| ());
        match result {
            Err(Error::Codec(codec::Error::Refused(sentence))) => assert!(sentence.len() > 10, "{what}: {sentence}"),
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(codec::detect(out.get_ref()), None, "{what}: nothing that could be taken for a result");
    }
}

/// Equalizes rows at once, without parts.
fn in_one(recipe: &Recipe, nodata: Option<Nodata>, rows: Rows) -> Rows {
    let depth = rows.samples.depth();
    let frame = Frame { width: rows.width, height: rows.height() as u32, layout: rows.layout, depth, packed: None };
    let intensity = Intensity::of(recipe.color, rows.layout);
    let mask = Mask::of(&rows, nodata.map(|nodata| NodataRule::new(nodata, intensity)), None);
    let mut counts = Counts::new(recipe, &frame).unwrap();
    counts.count(0, &rows, mask.as_ref());
    while let Some(mut further) = counts.further() {
        further.count(0, &rows, mask.as_ref());
        counts = further;
    }
    Table::new(recipe, &counts, None).unwrap().apply(recipe, 0, rows, mask.as_ref())
}

#[test]
fn each_page_is_equalized_by_itself_and_all_are_kept() {
    for (file, count) in [(pages_tiff(), 3), (sample("multipage.tif"), 2)] {
        let before = decode_pages(&file);
        let (result, _) = equalize(&file, &Recipe::default()).unwrap();
        let after = decode_pages(&result);
        assert_eq!((before.len(), after.len()), (count, count));
        for (page, (before, after)) in before.into_iter().zip(after).enumerate() {
            assert!(count == 2 || before != after, "page {page} of the made file is equalized");
            assert!(in_one(&Recipe::default(), None, before) == after, "page {page}");
        }
    }
}

#[test]
fn floating_point_samples_keep_their_range_their_holes_and_more_values_than_bins() {
    let file = float_tiff(700, 1_100);
    let before = decode_pages(&file).remove(0);
    let (result, _) = equalize(&file, &Recipe::default()).unwrap();
    let after = decode_pages(&result).remove(0);
    assert!(in_one(&Recipe::default(), Nodata::new(-9_999.0), before.clone()) == after);
    let (Samples::F32(before), Samples::F32(after)) = (before.samples, after.samples) else { unreachable!() };
    let is_hole = |value: f32| !value.is_finite() || value == -9_999.0;
    for (before, after) in before.iter().zip(&after) {
        assert!(is_hole(*before) == is_hole(*after) && (!is_hole(*before) || before.to_bits() == after.to_bits()));
    }
    let ends = |values: &[f32]| {
        let real = values.iter().copied().filter(|value| !is_hole(*value));
        real.fold((f32::MAX, f32::MIN), |(lo, hi), value| (lo.min(value), hi.max(value)))
    };
    assert_eq!(ends(&before), ends(&after), "the range of the data");
    let mut values: Vec<u32> = after.iter().map(|value| value.to_bits()).collect();
    values.sort_unstable();
    values.dedup();
    assert!(values.len() > 1 << 16, "{} values", values.len());
}

#[test]
fn no_data_of_the_files_own_field_is_left_alone_and_not_counted() {
    use tiff::encoder::{TiffEncoder, colortype};

    // Half of the image is nodata (0); the darkest of the rest would become 0 too.
    let samples: Vec<u8> = (0..200 * 100).map(|at| if at % 200 < 100 { 0 } else { 60 + (at % 37) as u8 }).collect();
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<colortype::Gray8>(200, 100).unwrap();
    image.encoder().write_tag(tiff::tags::Tag::Unknown(42_113), "0").unwrap();
    image.write_data(&samples).unwrap();
    let Samples::U8(after) = decode(&equalize(&file.into_inner(), &Recipe::default()).unwrap().0).samples else {
        panic!("the depth changed")
    };
    let kept: Vec<u8> = samples.iter().copied().filter(|sample| *sample != 0).collect();
    let alone = Rows { width: kept.len() as u32, layout: Layout::Gray, samples: Samples::U8(kept) };
    let Samples::U8(alone) = at_once(&Recipe::default(), alone).samples else { unreachable!() };
    let mut alone = alone.into_iter();
    for (before, after) in samples.iter().zip(&after) {
        match before {
            0 => assert_eq!(*after, 0),
            // Valid pixels never become nodata: 0 becomes 1.
            _ => assert_eq!(*after, alone.next().unwrap().max(1)),
        }
    }
    assert!(after.contains(&1) && after.contains(&255));
}

#[test]
fn each_band_leaves_out_its_own_nodata() {
    // Written by rasterio, which reads these ranges and numbers of valid pixels.
    let expected = [
        (-2.4285715, 33.42857, 11_788),
        (45.142857, 116.85714, 11_388),
        (-2.4285715, 33.42857, 12_188),
        (-2.4285715, 33.42857, 12_188),
    ];
    let bands = |file: &[u8]| {
        let info = codec::inspect(&mut Cursor::new(file), &Limits::default()).unwrap();
        let rows = codec::open(Box::new(Cursor::new(file.to_vec())), &info).unwrap().read(0..info.height).unwrap();
        let Samples::F32(samples) = rows.samples else { panic!("floating point was expected") };
        [0, 1, 2, 3].map(|band| samples[band..].iter().step_by(4).copied().collect::<Vec<f32>>())
    };
    let file = sample("tiff/g_ms_perband.tif");
    let result = equalize(&file, &Recipe::global(Color::Channels)).unwrap().0;
    for ((before, after), (least, most, valid)) in bands(&file).iter().zip(bands(&result)).zip(expected) {
        let is_valid = |value: &&f32| **value != -9_999.0;
        assert!(before.iter().zip(&after).all(|(before, after)| is_valid(&before) == is_valid(&after)));
        assert_eq!(after.iter().filter(is_valid).count(), valid);
        // By definition: the share of the range is that of the valid values of this band below.
        let mut sorted: Vec<f32> = before.iter().copied().filter(|value| is_valid(&value)).collect();
        sorted.sort_by(f32::total_cmp);
        for (before, after) in before.iter().zip(&after).filter(|(before, _)| is_valid(before)) {
            let below = sorted.partition_point(|value| value < before) as f64 / valid as f64;
            let up_to = sorted.partition_point(|value| value <= before) as f64 / valid as f64;
            let share = f64::from(after - least) / f64::from(most - least);
            assert!((below - 1e-3..=up_to + 1e-3).contains(&share), "{before}: {share} isn't in {below}..{up_to}");
        }
    }
}

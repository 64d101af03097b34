//! Samples without levels: floating-point numbers of 16, 32 and 64 bits, and whole numbers of 32 bits. Files of tifffile and GDAL
//! are read and written without a change, and equalized to what numpy computes by the formulas (`scripts/golden/ranged.py`).

use std::io::Cursor;

use server::codec::{self, Limits};
use server::pipeline::local::equalize_file;
use shared::equalize::Recipe;
use shared::for_samples;
use shared::pixels::{Depth, Layout, Rows, SampleType, Samples, f16};

use super::golden::Golden;
use super::{carry, inspect, read, sample};

/// Equalizes a file; returns the result and the notes.
fn equalize(file: &[u8], recipe: &Recipe) -> (Vec<u8>, Vec<String>) {
    let mut out = Cursor::new(Vec::new());
    let source = || Ok(Box::new(Cursor::new(file.to_vec())) as Box<dyn codec::Source>);
    let done = equalize_file(source, recipe, &mut out, &Limits::default(), &mut |_, _| ()).unwrap();
    (out.into_inner(), done.notes)
}

fn values(rows: &Rows) -> Vec<f64> {
    for_samples!(&rows.samples, samples => samples.iter().map(|sample| sample.value()).collect())
}

/// The pixels of `samples/ranged`: 37 × 29.
fn pixel(depth: Depth, bands: u16) -> Rows {
    let base = (0..29_u32).flat_map(|y| (0..37_u32).map(move |x| (x, y)));
    let base: Vec<u32> =
        base.flat_map(|(x, y)| (0..u32::from(bands)).map(move |band| x * 511 + y * 257 * (band + 1))).collect();
    let float = base.iter().map(|base| f64::from(*base) / 7.0 - 1_000.0);
    let samples = match depth {
        Depth::Half => Samples::F16(float.map(f16::nearest).collect()),
        Depth::Double => Samples::F64(float.collect()),
        Depth::Int32 => Samples::I32(base.iter().map(|base| *base as i32 * 60_001 - 2_000_000_000).collect()),
        Depth::Uint32 => Samples::U32(base.iter().map(|base| base * 65_521 + 7).collect()),
        _ => unreachable!(),
    };
    Rows { width: 37, layout: if bands == 1 { Layout::Gray } else { Layout::Bands(bands) }, samples }
}

/// Decodes the first page with an independent decoder; bands side by side come one after the other.
fn by_tiff(file: &[u8]) -> Samples {
    use tiff::decoder::{Decoder, DecodingResult};

    match Decoder::new(Cursor::new(file)).unwrap().read_image().unwrap() {
        DecodingResult::F16(samples) => Samples::F16(samples),
        DecodingResult::F64(samples) => Samples::F64(samples),
        DecodingResult::I32(samples) => Samples::I32(samples),
        DecodingResult::U32(samples) => Samples::U32(samples),
        other => panic!("unexpected samples {other:?}"),
    }
}

#[test]
fn files_of_gdal_and_tifffile_come_out_bit_by_bit_in_their_structure() {
    for (name, depth, bands, is_decoded_by_tiff) in [
        ("f2_deflate3.tif", Depth::Half, 1, true),
        ("f2_lzw3_tiles_be.tif", Depth::Half, 1, true),
        ("f2_zstd3_big.tif", Depth::Half, 1, false),
        ("f8_deflate3_tiles.tif", Depth::Double, 1, true),
        ("f8_lzw2_bands.tif", Depth::Double, 2, false),
        ("f8_zstd3_planes_be.tif", Depth::Double, 2, false),
        ("i4_deflate2_tiles.tif", Depth::Int32, 1, true),
        ("i4_lzw2_planes.tif", Depth::Int32, 2, false),
        ("i4_packbits_be.tif", Depth::Int32, 1, true),
        ("u4_deflate2_big.tif", Depth::Uint32, 1, true),
        ("u4_none_tiles.tif", Depth::Uint32, 1, true),
        ("u4_zstd2_bands.tif", Depth::Uint32, 2, false),
    ] {
        let (original, expected) = (sample(&format!("ranged/{name}")), pixel(depth, bands));
        let (info, rows) = read(&original, 3).unwrap();
        assert_eq!((info.depth, &rows), (depth, &expected), "{name}");
        let result = carry(&original, 1);
        assert_eq!(read(&result, 29).unwrap(), (info, expected.clone()), "{name}");
        assert_eq!(result[..4], original[..4], "{name}: byte order and BigTIFF");
        if is_decoded_by_tiff {
            assert_eq!(by_tiff(&result), expected.samples, "{name}");
        }
        let unchanged: Recipe = serde_json::from_str(r#"{"method":"global","color":"channels","strength":0}"#).unwrap();
        let (result, notes) = equalize(&original, &unchanged);
        assert_eq!((read(&result, 29).unwrap().1, notes), (expected, vec![]), "{name} at strength 0");
    }
}

#[derive(Debug, serde::Deserialize)]
struct Case {
    name: String,
    recipe: Recipe,
    /// Words in the notes; if empty, there are none.
    notes: Vec<String>,
}

#[test]
fn results_are_what_numpy_computes_by_the_formulas() {
    let golden = Golden::to_check("ranged.py");
    let cases: Vec<Case> = golden.cases();
    for Case { name, recipe, notes } in &cases {
        let (result, said) = equalize(&golden.read(name), recipe);
        let said = said.join(" ");
        assert!(
            notes.iter().all(|words| said.contains(words)) && (!notes.is_empty() || said.is_empty()),
            "{name}: {said}"
        );
        golden.write(&format!("out-{name}"), result);
    }
    golden.check();
}

/// Returns the greatest distance of the CDF from that of evenly spread values, over their own range. Values that many pixels
/// share step by their share.
fn off_the_diagonal(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (least, greatest, count) = (values[0], values[values.len() - 1], values.len() as f64);
    let distance = |value: f64| {
        let share = (value - least) / (greatest - least);
        let (below, up_to) = (values.partition_point(|v| *v < value), values.partition_point(|v| *v <= value));
        (below as f64 / count - share).max(share - up_to as f64 / count)
    };
    values.iter().map(|value| distance(*value)).fold(0.0, f64::max)
}

#[test]
fn a_hot_pixel_flattens_nothing_and_is_reported() {
    let original = sample("tiff/f_hotpixel.tif");
    let (result, notes) = equalize(&original, &Recipe::default());
    let (before, after) = (values(&read(&original, 99).unwrap().1), values(&read(&result, 99).unwrap().1));
    let hot = before.iter().position(|value| *value == 1e6).unwrap();
    let others =
        |values: &[f64]| values.iter().enumerate().filter(|(at, _)| *at != hot).map(|(_, v)| *v).collect::<Vec<_>>();
    let ends = |values: &[f64]| values.iter().fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
    let (lo, hi) = ends(&others(&before));
    assert!(off_the_diagonal(others(&before)) > 0.1 && off_the_diagonal(others(&after)) < 0.001);
    assert_eq!((ends(&after), after[hot]), ((lo, hi), hi), "the range of the others");
    assert_eq!(notes.len(), 1);
    for words in ["-2.830456 to", "1 value is far away", "1000000", "--range LOW HIGH"] {
        assert!(notes[0].contains(words), "{notes:?} lacks {words}");
    }
    let (ranged, notes) =
        equalize(&original, &serde_json::from_str(r#"{"method":"global","range":[-2.9,1e6]}"#).unwrap());
    assert!(off_the_diagonal(others(&values(&read(&ranged, 99).unwrap().1))) > 0.1 && notes.is_empty());
}

#[test]
fn real_files_are_equalized_in_their_own_type() {
    for (name, nodata, ends) in [
        ("g_f64.tif", Some(-9_999.0), (-2.428_571_462_631_225_6, 33.428_569_793_701_17)),
        ("g_i32.tif", Some(-2_147_483_648.0), (4_000.0, 255_000.0)),
        ("g_u32.tif", None, (280_000.0, 17_850_000.0)),
        ("dt_i4.tif", None, (-96.0, 155.0)),
        ("dt_f2.tif", None, (-96.0, 155.0)),
    ] {
        let original = sample(&format!("tiff/{name}"));
        let (result, notes) = equalize(&original, &Recipe::default());
        assert!(!notes.iter().any(|note| note.contains("far away")), "{name}: {notes:?}");
        let ((info, before), (of_result, after)) = (read(&original, 99).unwrap(), read(&result, 99).unwrap());
        assert_eq!(info, of_result, "{name}");
        let (before, after) = (values(&before), values(&after));
        assert!(before.iter().zip(&after).all(|(before, after)| (Some(*before) == nodata) == (Some(*after) == nodata)));
        let valid: Vec<f64> = after.into_iter().filter(|value| Some(*value) != nodata).collect();
        let found = valid.iter().fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(*v), hi.max(*v)));
        assert_eq!(found, ends, "{name}");
        assert!(off_the_diagonal(valid) < 0.01, "{name}");
    }
}

/// Decodes all pages and overviews, in their order in the file, with an independent decoder.
fn all_by_tiff(file: &[u8]) -> Vec<((u32, u32), Vec<f64>)> {
    use tiff::decoder::{Decoder, DecodingResult};

    let mut decoder = Decoder::new(Cursor::new(file)).unwrap();
    let mut all = Vec::new();
    loop {
        let samples = match decoder.read_image().unwrap() {
            DecodingResult::F32(samples) => samples.into_iter().map(f64::from).collect(),
            DecodingResult::F64(samples) => samples,
            DecodingResult::I32(samples) => samples.into_iter().map(f64::from).collect(),
            DecodingResult::U32(samples) => samples.into_iter().map(f64::from).collect(),
            other => panic!("unexpected samples {other:?}"),
        };
        all.push((decoder.dimensions().unwrap(), samples));
        if !decoder.more_images() {
            return all;
        }
        decoder.next_image().unwrap();
    }
}

#[test]
fn overviews_are_means_of_the_pixels_that_are_not_nodata_of_their_own_type() {
    for (name, nodata, is_whole) in [
        ("tiff/g_f32_1e20_ovr.tif", f64::from(1e20_f32), false),
        ("tiff/g_f32_m34e38_ovr.tif", f64::from(-3.4e38_f32), false),
        ("ranged/f8_nodata_ovr.tif", -9_999.1, false),
        ("ranged/i4_nodata_ovr.tif", -2_147_483_648.0, true),
        ("ranged/u4_nodata_ovr.tif", 4_294_967_295.0, true),
    ] {
        let original = sample(name);
        let all = all_by_tiff(&equalize(&original, &Recipe::default()).0);
        let ((width, height), page) = &all[0];
        assert_eq!(all.len(), 3, "{name}");
        assert!(page.iter().filter(|value| **value == nodata).count() > 300, "{name} has nodata");
        for ((small_width, small_height), small) in &all[1..] {
            let factor = width.div_ceil(*small_width);
            assert_eq!((*small_width, *small_height), (width.div_ceil(factor), height.div_ceil(factor)), "{name}");
            for (at, found) in small.iter().enumerate() {
                let (x, y) = (at as u32 % small_width * factor, at as u32 / small_width * factor);
                let square = (y..(y + factor).min(*height))
                    .flat_map(|y| (x..(x + factor).min(*width)).map(move |x| page[(y * width + x) as usize]));
                let valid: Vec<f64> = square.filter(|value| *value != nodata).collect();
                let mean = valid.iter().sum::<f64>() / valid.len() as f64;
                let tolerance = if is_whole { 0.5 } else { 1e-3 };
                let is_right = if valid.is_empty() { *found == nodata } else { (found - mean).abs() <= tolerance };
                assert!(is_right, "{name}, 1/{factor}, at {x}, {y}: {found} instead of {mean}");
            }
        }
    }
}

#[test]
fn samples_of_other_sizes_are_refused_with_a_command() {
    let file = |bits: u16, format: u16| {
        let rows = super::make::pixels(Layout::Gray, Depth::Double, 8, 8);
        let short = |value: u16| value.to_le_bytes().to_vec();
        let fields = vec![(258, 3, 1, short(bits)), (339, 3, 1, short(format))];
        super::make::Tiff { fields, ..Default::default() }.file(&rows)
    };
    let sentence = inspect(&file(24, 3)).unwrap_err().to_string();
    assert!(sentence.contains("24 bits") && sentence.contains("gdal_translate -ot Float64"), "{sentence}");
    for (format, kind) in [(1, "unsigned"), (2, "signed")] {
        let sentence = inspect(&file(64, format)).unwrap_err().to_string();
        assert!(
            sentence.contains(&format!("{kind} samples of 64 bits")) && sentence.contains("gdal_translate -ot Float64")
        );
    }
}

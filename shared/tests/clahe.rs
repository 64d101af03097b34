//! CLAHE equals OpenCV's, and no cut of an image changes it. The golden files are written by `scripts/golden/clahe.py`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;
use shared::equalize::clahe::{Clahe, TileHistograms, TileTables, apply, apply_le_bytes_into};
use shared::equalize::{
    Arithmetic, Color, Counts, Frame, Intensity, Kernel, Mask, MergeError, Nodata, NodataRule, Recipe, Table,
};
use shared::pixels::{Depth, Layout, Rows, Samples};

#[derive(Deserialize)]
struct Golden {
    opencv: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    width: u32,
    height: u32,
    bits: u8,
    columns: u32,
    rows: u32,
    clip_limit: f64,
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/clahe").join(name)).unwrap()
}

/// An image and its height, in one piece.
fn equalize(kernel: Kernel, clahe: &Clahe, color: Color, image: Rows) -> Rows {
    let mut histograms = empty(clahe, color, &image);
    histograms.count_by(kernel, 0, &image);
    apply(kernel, color, &TileTables::from_histograms(clahe, &histograms), 0, image)
}

fn empty(clahe: &Clahe, color: Color, image: &Rows) -> TileHistograms {
    let depth = image.samples.depth();
    TileHistograms::new(clahe, color, image.layout, depth, image.width, image.height() as u32).unwrap()
}

#[test]
fn every_pixel_is_the_one_of_opencv() {
    let Golden { opencv, cases } = serde_json::from_slice(&golden("cases.json")).unwrap();
    assert!(cases.len() >= 16, "OpenCV {opencv}");
    for Case { name, width, height, bits, columns, rows, clip_limit } in cases {
        let clahe = Clahe { clip_limit, columns, rows };
        let depth = Depth::try_from(bits).unwrap();
        let original = Rows::from_le_bytes(width, Layout::Gray, depth, &golden(&format!("{name}.raw"))).unwrap();
        assert_eq!(original.height(), height as usize);
        for kernel in Kernel::available() {
            let result = equalize(kernel, &clahe, Color::Luma, original.clone());
            assert!(result.to_le_bytes() == golden(&format!("{name}.clahe")), "{name} by {}", kernel.name());
        }
    }
}

/// Up to 70 × 30 pixels in some layout and depth; alpha is often 0.
fn image() -> impl Strategy<Value = Rows> {
    let layout = select(&[Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba][..]);
    (layout, any::<bool>(), 1u32..70, 1usize..30).prop_flat_map(|(layout, eight, width, height)| {
        let count = width as usize * height * layout.channels();
        let sample = prop_oneof![1 => Just(0u16), 4 => any::<u16>(), 2 => 0x3000u16..0x3fff];
        proptest::collection::vec(sample, count).prop_map(move |samples| {
            let samples = if eight {
                Samples::U8(samples.iter().map(|sample| (sample >> 8) as u8).collect())
            } else {
                Samples::U16(samples)
            };
            Rows { width, layout, samples }
        })
    })
}

/// Small grids, as those of 16-bit images are large.
fn clahe() -> impl Strategy<Value = Clahe> {
    (select(&[0.0, 1.0, 2.5, 40.0][..]), 1u32..6, 1u32..5).prop_map(|(clip_limit, columns, rows)| Clahe {
        clip_limit,
        columns,
        rows,
    })
}

fn color() -> impl Strategy<Value = Color> {
    select(&[Color::Luma, Color::Channels, Color::Hsv, Color::Gray][..])
}

/// The rows in runs as long as the steps say, each with the number of its first row.
fn cut(image: &Rows, steps: &[usize]) -> Vec<(u32, Rows)> {
    let bytes = image.to_le_bytes();
    let row = bytes.len() / image.height();
    let mut runs = Vec::new();
    let mut first = 0;
    for step in steps.iter().cycle() {
        let end = (first + step).min(image.height());
        let part = &bytes[first * row..end * row];
        let rows = Rows::from_le_bytes(image.width, image.layout, image.samples.depth(), part).unwrap();
        runs.push((first as u32, rows));
        first = end;
        if first == image.height() {
            break;
        }
    }
    runs
}

/// OpenCV's CLAHE of one plane, as its source reads, one pixel at a time: the oracle of the kernels.
fn by_the_book(clahe: &Clahe, width: usize, height: usize, levels: usize, plane: &[u16]) -> Vec<u16> {
    let (columns, rows) = (clahe.columns as usize, clahe.rows as usize);
    let whole = width.is_multiple_of(columns) && height.is_multiple_of(rows);
    let extra = |side: usize, grid: usize| if whole { 0 } else { grid - side % grid };
    let (tile_width, tile_height) = ((width + extra(width, columns)) / columns, (height + extra(height, rows)) / rows);
    let mirror = |mut place: usize, side: usize| {
        while place >= side {
            place = if side == 1 { 0 } else { (2 * side - 2).abs_diff(place) };
        }
        place
    };
    let area = (tile_width * tile_height) as i32;
    let limit = ((clahe.clip_limit * f64::from(area) / levels as f64) as i32).max(1);
    let scale = (levels - 1) as f32 / area as f32;
    let mut tables = Vec::new();
    for tile in 0..columns * rows {
        let mut bins = vec![0i32; levels];
        for y in 0..tile_height {
            for x in 0..tile_width {
                let y = mirror(tile / columns * tile_height + y, height);
                let x = mirror(tile % columns * tile_width + x, width);
                bins[usize::from(plane[y * width + x])] += 1;
            }
        }
        if clahe.clip_limit > 0.0 {
            let clipped: i32 = bins.iter().map(|bin| (bin - limit).max(0)).sum();
            bins.iter_mut().for_each(|bin| *bin = (*bin).min(limit) + clipped / levels as i32);
            let rest = clipped % levels as i32;
            for place in 0..rest {
                let step = (levels as i32 / rest).max(1);
                bins[(place * step) as usize] += 1;
            }
        }
        let mut sum = 0;
        let table: Vec<u16> = bins
            .iter()
            .map(|bin| {
                sum += bin;
                (sum as f32 * scale).round_ties_even().clamp(0.0, (levels - 1) as f32) as u16
            })
            .collect();
        tables.push(table);
    }
    let between = |place: usize, length: usize, grid: usize| {
        let position = place as f32 * (1.0 / length as f32) - 0.5;
        let first = position.floor() as isize;
        let tile = |index: isize| index.clamp(0, grid as isize - 1) as usize;
        (tile(first), tile(first + 1), position - first as f32)
    };
    let pixel = |index: usize| {
        let (top, bottom, down) = between(index / width, tile_height, rows);
        let (left, right, across) = between(index % width, tile_width, columns);
        let entry = |row: usize, column: usize| f32::from(tables[row * columns + column][usize::from(plane[index])]);
        let upper = entry(top, left) * (1.0 - across) + entry(top, right) * across;
        let lower = entry(bottom, left) * (1.0 - across) + entry(bottom, right) * across;
        (upper * (1.0 - down) + lower * down).round_ties_even().clamp(0.0, (levels - 1) as f32) as u16
    };
    (0..width * height).map(pixel).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_cut_changes_a_pixel(
        clahe in clahe(), color in color(), image in image(), steps in proptest::collection::vec(1usize..9, 1..6),
        order in Just((0..30).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let mut whole = empty(&clahe, color, &image);
        whole.count(0, &image);
        let runs = cut(&image, &steps);
        let mut merged = empty(&clahe, color, &image);
        for (first, rows) in order.iter().filter_map(|index| runs.get(*index)) {
            let mut part = empty(&clahe, color, &image);
            part.count_le_bytes(Kernel::best(), *first, &rows.to_le_bytes());
            merged.merge(&part).unwrap();
        }
        prop_assert_eq!(&merged, &whole);

        let tables = TileTables::from_histograms(&clahe, &whole);
        let result = apply(Kernel::best(), color, &tables, 0, image.clone()).to_le_bytes();
        let mut elsewhere = vec![0; result.len()];
        apply_le_bytes_into(Kernel::best(), color, &tables, image.layout, 0, &image.to_le_bytes(), &mut elsewhere);
        prop_assert_eq!(&elsewhere, &result);
        let parts = runs.into_iter().map(|(first, rows)| apply(Kernel::best(), color, &tables, first, rows));
        prop_assert_eq!(parts.flat_map(|rows| rows.to_le_bytes()).collect::<Vec<u8>>(), result);
    }

    #[test]
    fn every_kernel_does_as_the_plain_one(clahe in clahe(), color in color(), image in image()) {
        let plain = equalize(Kernel::SCALAR, &clahe, color, image.clone());
        for kernel in Kernel::available() {
            prop_assert_eq!(&equalize(kernel, &clahe, color, image.clone()), &plain, "{}", kernel.name());
        }
    }

    #[test]
    fn gray_is_what_opencvs_source_says(clahe in clahe(), image in image()) {
        prop_assume!(image.layout == Layout::Gray);
        let (levels, height) = (image.samples.depth().levels(), image.height());
        let plane = |image: &Rows| match &image.samples {
            Samples::U8(samples) => samples.iter().map(|sample| u16::from(*sample)).collect(),
            Samples::U16(samples) => samples.clone(),
            _ => unreachable!(),
        };
        let expected = by_the_book(&clahe, image.width as usize, height, levels, &plane(&image));
        prop_assert_eq!(plane(&equalize(Kernel::best(), &clahe, Color::Luma, image)), expected);
    }

    #[test]
    fn fully_transparent_pixels_neither_count_nor_change(clahe in clahe(), color in color(), image in image(), other: u8) {
        prop_assume!(image.layout.has_alpha() && image.samples.depth() == Depth::Eight && color != Color::Gray);
        let channels = image.layout.channels();
        let Samples::U8(samples) = &image.samples else { unreachable!() };
        let mut changed = samples.clone();
        for pixel in changed.chunks_mut(channels).filter(|pixel| pixel[channels - 1] == 0) {
            pixel[..channels - 1].fill(other);
        }
        let changed = Rows { samples: Samples::U8(changed), ..image.clone() };
        let (result, result_changed) =
            (equalize(Kernel::best(), &clahe, color, image.clone()), equalize(Kernel::best(), &clahe, color, changed.clone()));
        let pixels = |rows: &Rows| rows.to_le_bytes().chunks(channels).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let all = pixels(&result).into_iter().zip(pixels(&result_changed)).zip(pixels(&changed));
        for ((pixel, of_changed), before) in all {
            if before[channels - 1] == 0 {
                prop_assert_eq!(of_changed, before);
            } else {
                prop_assert_eq!(of_changed, pixel);
            }
        }
    }
}

#[test]
fn older_jobs_and_the_full_range_count_16_bits_as_opencv() {
    let original = golden("53x37-16-8x8-3.0.raw");
    let rows = Rows::from_le_bytes(53, Layout::Gray, Depth::Sixteen, &original).unwrap();
    let frame = Frame { width: 53, height: 37, layout: Layout::Gray, depth: Depth::Sixteen, packed: None };
    let recipe = |more: &str| -> Recipe {
        serde_json::from_str(&format!(r#"{{"method":"clahe","clip_limit":3,"tiles":[8,8]{more}}}"#)).unwrap()
    };
    let older = recipe("").pinned(Arithmetic::of(9));
    for recipe in [older, recipe(r#","range":[0,65535]"#)] {
        let mut counts = Counts::new(&recipe, &frame).unwrap();
        counts.count(0, &rows, None);
        assert!(counts.further().is_none() && !Counts::needs_ranges(&recipe, Depth::Sixteen));
        let result = Table::new(&recipe, &counts, None).unwrap().apply(&recipe, 0, rows.clone(), None);
        assert!(result.to_le_bytes() == golden("53x37-16-8x8-3.0.clahe"), "{recipe:?}");
    }
    assert!(Counts::needs_ranges(&recipe(""), Depth::Sixteen) && !Counts::needs_ranges(&recipe(""), Depth::Eight));
}

#[test]
fn a_tile_without_pixels_takes_the_mean_of_its_neighbours_and_of_the_linear_table() {
    // 3 × 1 tiles of 4 × 2 pixels; the middle one is transparent. Levels from 0 to 220.
    let image = |alpha: u8| {
        let pixels = (0..2).flat_map(|_| (0..12u8).flat_map(|x| [20 * x, if x / 4 == 1 { alpha } else { 255 }]));
        Rows { width: 12, layout: Layout::GrayAlpha, samples: Samples::U8(pixels.collect()) }
    };
    let frame = Frame { width: 12, height: 2, layout: Layout::GrayAlpha, depth: Depth::Eight, packed: None };
    let recipe: Recipe = serde_json::from_str(r#"{"method":"clahe","clip_limit":0,"tiles":[3,1]}"#).unwrap();
    let tables = |algo, alpha| {
        let recipe = recipe.clone().pinned(Arithmetic::of(algo));
        let mut counts = Counts::new(&recipe, &frame).unwrap();
        counts.count(0, &image(alpha), None);
        let Table::Tiles(tables) = Table::new(&recipe, &counts, None).unwrap() else { unreachable!() };
        let Samples::U8(entries) = tables.entries() else { unreachable!() };
        entries.chunks(256).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let filled = tables(11, 0);
    let mean = |of: &dyn Fn(usize) -> Vec<f64>| {
        let mean = |level| of(level).iter().sum::<f64>() / of(level).len() as f64;
        (0..256).map(|level| (mean(level) + 0.5).floor() as u8).collect::<Vec<u8>>()
    };
    let known = |level: usize| [filled[0][level], filled[2][level]].map(f64::from);
    let linear = |level: usize| (level as f64 * 255.0 / 220.0 + 0.5).floor().min(255.0);
    assert_eq!(filled[1], mean(&|level| [&known(level)[..], &[linear(level)]].concat()));
    // All pixels count, so no version fills anything. Jobs of older versions keep theirs.
    assert_ne!(tables(11, 255)[1], filled[1]);
    assert!((9..11).all(|algo| tables(algo, 255) == tables(11, 255)));
    assert_eq!(tables(10, 0)[1], mean(&|level| known(level).to_vec()));
    let identity: Vec<u8> = (0..=255).collect();
    assert_eq!(tables(9, 0)[1], identity);
}

#[test]
fn the_linear_table_covers_the_range_without_outliers() {
    // 3 × 1 tiles of 100 × 100 pixels, of 16 bits; the middle one is missing, the others have the levels 300 to 4,298,
    // each equally often.
    let level = |x: u16, y: u16| if x / 100 == 1 { 0 } else { 300 + (x % 100 + 100 * (y % 20)) * 2 };
    let mut samples: Vec<u16> = (0..100).flat_map(|y| (0..300).map(move |x| level(x, y))).collect();
    // Hot pixels: 0.01 %.
    (samples[7], samples[4_250]) = (65_535, 60_000);
    let rows = Rows { width: 300, layout: Layout::Gray, samples: Samples::U16(samples) };
    let frame = Frame { width: 300, height: 100, layout: Layout::Gray, depth: Depth::Sixteen, packed: None };
    let tables = |range: &str| {
        let json = format!(r#"{{"method":"clahe","clip_limit":0,"tiles":[3,1]{range}}}"#);
        let recipe: Recipe = serde_json::from_str(&json).unwrap();
        let nodata = NodataRule::new(Nodata::new(0.0).unwrap(), Intensity::of(Color::Luma, Layout::Gray));
        let mask = Mask::of(&rows, Some(nodata), None);
        let mut counts = Counts::new(&recipe, &frame).unwrap();
        counts.count(0, &rows, mask.as_ref());
        while let Some(mut further) = counts.further() {
            further.count(0, &rows, mask.as_ref());
            counts = further;
        }
        Table::new(&recipe, &counts, None).unwrap()
    };
    // The three tables are nearly linear from 300 to 4,298. The middle of the missing tile has only its own one.
    for range in ["", r#","range":[0,65535]"#] {
        let table = tables(range);
        let recipe: Recipe = serde_json::from_str(&format!(r#"{{"method":"clahe","tiles":[3,1]{range}}}"#)).unwrap();
        let mut one = rows.clone();
        let Samples::U16(samples) = &mut one.samples else { unreachable!() };
        samples.fill(2_300);
        let Samples::U16(result) = table.apply(&recipe, 0, one, None).samples else { unreachable!() };
        let middle = f64::from(result[150]);
        assert!((middle - 65_535.0 / 2.0).abs() < 1_000.0, "{range}: {middle}");
    }
}

#[test]
fn histograms_of_other_grids_are_not_merged() {
    let image = Rows { width: 9, layout: Layout::Gray, samples: Samples::U8(vec![3; 81]) };
    let grid = |columns| Clahe { columns, rows: 3, clip_limit: 2.0 };
    let mut ours = empty(&grid(3), Color::Luma, &image);
    assert!(matches!(ours.merge(&empty(&grid(2), Color::Luma, &image)), Err(MergeError::Shape { .. })));
    ours.count(0, &image);
    let twice = ours.clone();
    assert_eq!(ours.merge(&twice), Err(MergeError::Overflow));
    assert_eq!(ours, twice);
}

//! Results look as people expect. The inputs are in `server/tests/samples/looks`.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::path::Path;

use serde_json::json;
use shared::decode::{self, Limits};
use shared::equalize::{Counts, Frame, Intensity, Mask, NodataRule, Recipe, Table};
use shared::pixels::{Depth, Layout, Rows, Samples};

fn sample(name: &str) -> Rows {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/samples/looks").join(name);
    let mut source = Cursor::new(std::fs::read(path).unwrap());
    let info = decode::inspect(&mut source, &Limits::default()).unwrap();
    decode::open(source, &info).unwrap().read(0..info.height).unwrap()
}

fn equalized(recipe: &serde_json::Value, rows: &Rows) -> Rows {
    let recipe: Recipe = serde_json::from_value(recipe.clone()).unwrap();
    let (layout, depth) = (rows.layout, rows.samples.depth());
    let frame = Frame { width: rows.width, height: rows.height() as u32, layout, depth, packed: None };
    let nodata = recipe.nodata.map(|nodata| NodataRule::new(nodata, Intensity::of(recipe.color, rows.layout)));
    let mask = Mask::of(rows, nodata, None);
    let mut counts = Counts::new(&recipe, &frame).unwrap();
    counts.count(0, rows, mask.as_ref());
    while let Some(mut further) = counts.further() {
        further.count(0, rows, mask.as_ref());
        counts = further;
    }
    Table::new(&recipe, &counts, None).unwrap().apply(&recipe, 0, rows.clone(), mask.as_ref())
}

fn gray(width: u32, samples: Samples) -> Rows {
    Rows { width, layout: Layout::Gray, samples }
}

fn levels(rows: &Rows) -> Vec<f64> {
    match &rows.samples {
        Samples::U8(samples) => samples.iter().map(|sample| f64::from(*sample)).collect(),
        Samples::U16(samples) => samples.iter().map(|sample| f64::from(*sample) / 257.0).collect(),
        _ => unreachable!(),
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// Mean difference, in levels of 8 bits.
fn apart(one: &Rows, other: &Rows) -> f64 {
    mean(levels(one).iter().zip(levels(other)).map(|(one, other)| (one - other).abs()))
}

fn map(rows: &Rows, to: impl Fn(u16) -> u16) -> Rows {
    let Samples::U16(samples) = &rows.samples else { unreachable!() };
    gray(rows.width, Samples::U16(samples.iter().map(|sample| to(*sample)).collect()))
}

fn eight(rows: &Rows, to: impl Fn(u16) -> u8) -> Rows {
    let Samples::U16(samples) = &rows.samples else { unreachable!() };
    gray(rows.width, Samples::U8(samples.iter().map(|sample| to(*sample)).collect()))
}

fn clahe(limit: f64, tiles: [u32; 2]) -> serde_json::Value {
    json!({"method": "clahe", "clip_limit": limit, "tiles": tiles})
}

#[test]
fn clahe_of_12_bits_looks_as_that_of_8() {
    let image = sample("clahe_12in16.png");
    let small = eight(&image, |sample| (sample >> 4) as u8);
    for tiles in [[8, 8], [4, 4], [16, 16], [3, 5]] {
        for limit in [1.0, 2.0, 4.0] {
            let expected = equalized(&clahe(limit, tiles), &small);
            let difference = apart(&equalized(&clahe(limit, tiles), &image), &expected);
            assert!(difference < 8.0, "{tiles:?}, clip limit {limit}: {difference}");
        }
        let limits = [2.0, 4.0].map(|limit| equalized(&clahe(limit, tiles), &image));
        assert!(apart(&limits[0], &limits[1]) > 4.0, "{tiles:?}");
    }
}

#[test]
fn where_the_levels_lie_and_a_hot_pixel_make_no_difference_to_clahe() {
    let image = sample("clahe_12in16.png");
    let expected = equalized(&clahe(2.0, [8, 8]), &image);
    for (name, other) in [
        ("shifted", map(&image, |level| level + 20_000)),
        ("16 bits", map(&image, |level| level * 16)),
        ("reflectance", map(&image, |level| level * 2 + 150)),
    ] {
        let difference = apart(&equalized(&clahe(2.0, [8, 8]), &other), &expected);
        assert!(difference < 0.1, "{name}: {difference}");
    }
    let mut hot = image.clone();
    let Samples::U16(samples) = &mut hot.samples else { unreachable!() };
    (samples[100_000], samples[7]) = (65_535, 0);
    let difference = apart(&equalized(&clahe(2.0, [8, 8]), &hot), &expected);
    assert!(difference < 0.5, "with a hot pixel: {difference}");
}

#[test]
fn clahe_has_no_dark_edge_along_nodata() {
    let image = sample("clahe_nodata_edge.png");
    assert_eq!(image.samples.depth(), Depth::Sixteen);
    let (width, levels_of) = (image.width as usize, levels);
    let edge = width / 2;
    let near = |rows: &Rows, first: usize| {
        let levels = levels_of(rows);
        let rows = levels.chunks(width).collect::<Vec<_>>();
        mean(rows.iter().flat_map(|row| row[first..first + 10].to_vec()))
    };
    // Mirrored, as the left half isn't known: a whole scene with the same pixels at the edge.
    let Samples::U16(samples) = &image.samples else { unreachable!() };
    let whole = samples.chunks(width).flat_map(|row| {
        let right = row[edge..].to_vec();
        right.iter().rev().copied().chain(right.clone()).collect::<Vec<u16>>()
    });
    let whole = gray(image.width, Samples::U16(whole.collect()));
    for depth in [Depth::Sixteen, Depth::Eight] {
        let to = |rows: &Rows| match depth {
            Depth::Eight => eight(rows, |sample| if sample == 0 { 0 } else { ((sample - 300) / 22 + 1) as u8 }),
            _ => rows.clone(),
        };
        for (limit, tiles) in [(0.0, [4, 4]), (2.0, [4, 4]), (2.0, [8, 8]), (40.0, [6, 2])] {
            let mut recipe = clahe(limit, tiles);
            recipe["nodata"] = json!(0);
            let (ours, expected) = (equalized(&recipe, &to(&image)), equalized(&recipe, &to(&whole)));
            let (near, expected) = (near(&ours, edge), near(&expected, edge));
            assert!(near >= 0.85 * expected, "{depth:?}, {tiles:?}, clip limit {limit}: {near}, {expected}");
        }
    }
}

/// Share of the pixels with a channel that is black or white now and wasn't before.
fn newly_clipped(before: &Rows, after: &Rows) -> f64 {
    let (Samples::U8(before), Samples::U8(after)) = (&before.samples, &after.samples) else { unreachable!() };
    let ends = |sample: u8| matches!(sample, 0 | 255);
    let clipped = before.chunks(3).zip(after.chunks(3)).map(|(before, after)| {
        f64::from(u8::from(before.iter().zip(after).any(|(before, after)| ends(*after) && !ends(*before))))
    });
    mean(clipped)
}

#[test]
fn oklab_clips_no_more_than_cielab() {
    let image = sample("oklab_coffee.png");
    let clipped = |color: &str| newly_clipped(&image, &equalized(&json!({"method": "global", "color": color}), &image));
    let (oklab, lab, luma) = (clipped("oklab"), clipped("lab"), clipped("luma"));
    assert!(oklab < 0.3 && oklab <= lab, "oklab {oklab}, lab {lab}, luma {luma}");
}

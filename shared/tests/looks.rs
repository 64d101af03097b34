//! Results look as people expect. The inputs are in `server/tests/samples/looks`.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use shared::decode::{self, Limits};
use shared::equalize::{Arithmetic, Counts, Frame, Intensity, Mask, NodataRule, Recipe, Table};
use shared::pixels::{Depth, Layout, Rows, Samples};

fn sample(name: &str) -> Rows {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/samples/looks").join(name);
    let mut source = Cursor::new(std::fs::read(path).unwrap());
    let info = decode::inspect(&mut source, &Limits::default()).unwrap();
    decode::open(source, &info).unwrap().read(0..info.height).unwrap()
}

fn equalized(recipe: &serde_json::Value, rows: &Rows) -> Rows {
    equalized_by(Arithmetic::default(), recipe, rows)
}

/// As jobs that are pinned to this arithmetic.
fn equalized_by(arithmetic: Arithmetic, recipe: &serde_json::Value, rows: &Rows) -> Rows {
    let recipe = serde_json::from_value::<Recipe>(recipe.clone()).unwrap().pinned(arithmetic);
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

/// How bright CLAHE is within 10 pixels of nodata, from 0 to 255, by `scripts/golden/nodata.py`.
#[derive(Deserialize)]
struct Beside {
    bits: u8,
    limit: f64,
    tiles: [u32; 2],
    /// With half of the scene missing.
    half: f64,
    /// With the whole scene.
    whole: f64,
}

#[test]
fn clahe_of_half_a_scene_is_as_bright_at_its_edge_as_of_the_whole() {
    let image = sample("clahe_nodata_edge.png");
    let (Samples::U16(right), Samples::U16(scene)) = (&image.samples, &sample("clahe_12in16.png").samples) else {
        unreachable!()
    };
    // The same scene, with noise in its left half.
    let whole =
        right.iter().zip(scene).map(|(right, scene)| if *right == 0 { (scene >> 4) * 11 + 300 } else { *right });
    let whole = gray(image.width, Samples::U16(whole.collect()));
    let width = image.width as usize;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/nodata.json");
    let cases: Vec<Beside> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for Beside { bits, limit, tiles, half: expected_half, whole: expected_whole } in cases {
        let mut recipe = clahe(limit, tiles);
        recipe["nodata"] = json!(0);
        let [half, whole] = [&image, &whole].map(|rows| {
            let rows = match bits {
                8 => eight(rows, |sample| if sample == 0 { 0 } else { ((sample - 300) / 22 + 1) as u8 }),
                _ => rows.clone(),
            };
            let levels = levels(&equalized(&recipe, &rows));
            mean(levels.chunks(width).flat_map(|row| row[width / 2..][..10].to_vec()))
        });
        // Of 8 bits, tables and results are rounded, and bins clipped at whole numbers.
        let tolerance = if bits == 8 { 0.6 } else { 0.05 };
        let case = format!("{bits} bits, {tiles:?}, clip limit {limit}: {half} of {whole}");
        assert!((half - expected_half).abs() < tolerance, "{case}; expected {expected_half}");
        assert!((whole - expected_whole).abs() < tolerance, "{case}; expected {expected_whole}");
        assert!(half >= 0.86 * whole, "{case}");
    }
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

/// An 8-bit scene in gray, without the level 0.
fn scene(name: &str) -> Rows {
    let rows = sample(name);
    let channels = rows.layout.channels();
    let gray: Vec<u8> = match &rows.samples {
        Samples::U16(samples) => samples.iter().map(|sample| (sample >> 4) as u8).collect(),
        Samples::U8(samples) if channels < 3 => samples.iter().step_by(channels).copied().collect(),
        // Green.
        Samples::U8(samples) => samples.iter().skip(1).step_by(channels).copied().collect(),
        _ => unreachable!(),
    };
    self::gray(rows.width, Samples::U8(gray.into_iter().map(|level| level.max(1)).collect()))
}

/// Which parts of a square from −1 to 1 are known.
const SHAPES: [(&str, fn(f64, f64) -> bool); 7] = [
    ("right", |x, _| x > 0.0),
    ("left", |x, _| x < 0.0),
    ("lower", |_, y| y > 0.0),
    ("upper", |_, y| y < 0.0),
    ("right of 53 %", |x, _| x > 0.06),
    ("disk", |x, y| x * x + y * y < 0.85),
    ("diagonal", |x, y| x + y > -0.1),
];

/// Mean of the pixels within 10 columns or rows of a missing one, as a share of that with the whole scene.
fn brightness_beside_nodata(arithmetic: Arithmetic, recipe: &serde_json::Value, whole: &Rows, known: &[bool]) -> f64 {
    let Samples::U8(samples) = &whole.samples else { unreachable!() };
    let width = whole.width as usize;
    let height = samples.len() / width;
    let near = |place: usize| {
        let (x, y) = (place % width, place / width);
        let across = (x.saturating_sub(10)..(x + 11).min(width)).any(|x| !known[y * width + x]);
        known[place] && (across || (y.saturating_sub(10)..(y + 11).min(height)).any(|y| !known[y * width + x]))
    };
    let near: Vec<usize> = (0..samples.len()).filter(|place| near(*place)).collect();
    let cut = samples.iter().zip(known).map(|(sample, known)| if *known { *sample } else { 0 });
    let [ours, expected] = [gray(whole.width, Samples::U8(cut.collect())), whole.clone()].map(|rows| {
        let levels = levels(&equalized_by(arithmetic, recipe, &rows));
        mean(near.iter().map(|place| levels[*place]))
    });
    ours / expected
}

/// Scenes differ, and what is missing isn't known: some edges are darker than with the whole scene, some brighter. Fewer are
/// than with the tables of version 10.
#[test]
fn clahe_beside_nodata_is_nearly_as_bright_as_in_the_whole_scene() {
    let scenes = ["looks/clahe_12in16.png", "coffee.png", "moon.png", "cell.png", "rocket.jpg", "page.png"];
    let mut off = [0; 2];
    let mut dark = [0; 2];
    let mut squares = [0.0; 2];
    let mut count = 0;
    for name in scenes {
        let whole = scene(&format!("../{name}"));
        let (width, height) = (whole.width as usize, whole.height());
        for (_, is_known) in SHAPES {
            let place = |at: usize, of: usize| 2.0 * (at as f64 + 0.5) / of as f64 - 1.0;
            let known = (0..width * height).map(|at| is_known(place(at % width, width), place(at / width, height)));
            let known: Vec<bool> = known.collect();
            for (limit, tiles) in [(0.0, [4, 4]), (2.0, [8, 8]), (2.0, [3, 5])] {
                let mut recipe = clahe(limit, tiles);
                recipe["nodata"] = json!(0);
                count += 1;
                for (index, algo) in [10, 11].into_iter().enumerate() {
                    let share = brightness_beside_nodata(Arithmetic::of(algo), &recipe, &whole, &known);
                    off[index] += usize::from(!(0.85..1.0 / 0.85).contains(&share));
                    dark[index] += usize::from(share < 0.85);
                    squares[index] += share.ln() * share.ln();
                }
            }
        }
    }
    let said = format!("of {count}: off {off:?}, dark {dark:?}, squares {squares:?}");
    println!("versions 10 and 11, {said}");
    assert!(squares[1] < squares[0] && dark[1] <= dark[0], "{said}");
    assert!(off[1] <= off[0], "{said}");
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

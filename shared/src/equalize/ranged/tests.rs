#![allow(clippy::unwrap_used)]

use super::super::intensity::Color;
use super::super::recipe::{Method, Recipe};
use super::super::strength::Strength;
use super::super::stretch::Cut;
use super::super::tone::Tone;
use super::super::{Arithmetic, Counts, Frame, GivenRange};
use super::*;
use crate::pixels::{Depth, Layout, Rows, Samples};

fn gray(values: &[f32]) -> Rows {
    Rows { width: 1, layout: Layout::Gray, samples: Samples::F32(values.to_vec()) }
}

fn floats(rows: Rows) -> Vec<f32> {
    match rows.samples {
        Samples::F32(samples) => samples,
        _ => unreachable!(),
    }
}

/// Equalizes rows in parts of `cut` rows.
fn equalize(recipe: &Recipe, rows: &Rows, nodata: Option<f64>, cut: usize) -> Vec<f32> {
    let cuts: Vec<usize> = (cut..rows.height()).step_by(cut).collect();
    floats(in_parts::equalize(recipe, rows, nodata, &cuts).0)
}

fn global(rows: &Rows, cut: usize) -> Vec<f32> {
    equalize(&Recipe::default(), rows, None, cut)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn what_is_spread_evenly_stays_to_within_a_bin_and_isnt_quantized() {
    let values: Vec<f32> = (0..300_000).map(|i| 1_000.0 + i as f32 * 1e-4).collect();
    let after = global(&gray(&values), 70_000);
    for (before, after) in values.iter().zip(&after) {
        assert!((before - after).abs() < 30.0 / BINS as f32 + 1e-3, "{before} {after}");
    }
    let mut distinct = after.clone();
    distinct.dedup();
    assert!(distinct.len() > 2 * BINS, "{} values for {BINS} bins", distinct.len());
    assert!(after.is_sorted(), "order is kept");
}

fn over(range: [f64; 2], method: Method) -> Recipe {
    Recipe { range: Some(GivenRange::new(range).unwrap()), ..Recipe::new(method, Color::Luma) }
}

#[test]
fn a_range_that_is_given_is_what_the_cdf_goes_over_and_what_lies_beyond_becomes_its_ends() {
    let values: Vec<f32> = (0..5_000).map(|i| (i as f32 / 10.0 - 100.0).powi(3) / 1e5).collect();
    // A given range equal to that of the data doesn't change the result.
    let (lo, hi) = (f64::from(values[0]), f64::from(values[4_999]));
    let own = equalize(&over([lo, hi], Method::Global), &gray(&values), None, 700);
    assert_eq!(bits(&own), bits(&global(&gray(&values), 900)));

    // By definition: the share of the values below, where values outside count as the bounds.
    let after = equalize(&over([-2.0, 8.0], Method::Global), &gray(&values), None, 700);
    let clamped: Vec<f32> = values.iter().map(|value| value.clamp(-2.0, 8.0)).collect();
    for (value, after) in clamped.iter().zip(&after) {
        let below = clamped.iter().filter(|other| *other < value).count() as f64 / 5_000.0;
        let up_to = clamped.iter().filter(|other| *other <= value).count() as f64 / 5_000.0;
        // Values of one bin share its slope: around 0, where the values rise slowly, a bin holds about 40.
        let (least, most) = (-2.0 + 10.0 * below - 0.1, -2.0 + 10.0 * up_to + 0.1);
        let edge = *value == -2.0 || *value == 8.0;
        assert!(edge || (least..=most).contains(&f64::from(*after)), "{value} {after}");
    }
    assert!(after.is_sorted() && after[0] == -2.0 && after[4_999] == 8.0, "{} {}", after[0], after[4_999]);
}

#[test]
fn a_range_that_is_given_leaves_alone_what_is_no_value_and_needs_no_look_for_it() {
    let recipe = over([0.0, 1.0], Method::Stretch { cut: Cut::millionths(0, 0).unwrap(), tone: Tone::default() });
    let rows = gray(&[f32::NAN, -9_999.0, 0.25, f32::INFINITY, 7.0, -3.0]);
    let after = equalize(&recipe, &rows, Some(-9_999.0), 2);
    assert!(after[0].is_nan() && after[3] == f32::INFINITY && after[1] == -9_999.0);
    assert_eq!(
        [after[2], after[4], after[5]],
        [0.25, 1.0, 0.0],
        "the ends are those of the range: nothing is to stretch"
    );
    assert_eq!((Counts::looks(&recipe, Depth::Float), Counts::looks(&Recipe::default(), Depth::Float)), (1, 2));
    let frame = Frame { width: 1, height: 6, layout: Layout::Gray, depth: Depth::Float, packed: None };
    assert!(Counts::new(&recipe, &frame).unwrap().further().is_none());
}

#[test]
fn what_is_no_value_is_neither_counted_nor_changed_however_it_is_cut() {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -9_999.0];
    let values: Vec<f32> = (0..400).flat_map(|i| [odd[i % 4], (i * i) as f32 / 100.0]).collect();
    let whole = |cut| equalize(&Recipe::default(), &gray(&values), Some(-9_999.0), cut);
    let after = whole(800);
    for (before, after) in values.iter().zip(&after).step_by(2) {
        assert_eq!(before.to_bits(), after.to_bits());
    }
    let real: Vec<f32> = values.iter().skip(1).step_by(2).copied().collect();
    let alone = global(&gray(&real), 400);
    assert!(after.iter().skip(1).step_by(2).eq(&alone));
    for cut in [7, 130] {
        assert_eq!(bits(&whole(cut)), bits(&after));
    }
}

#[test]
fn the_result_is_the_cdf_over_the_range_of_the_data() {
    // By hand: the first value lies at the lower edge of its bin, the start of the range; the last one at the upper
    // edge of the last bin.
    let after = global(&gray(&[0.0, 1.0, 2.0, 4.0]), 4);
    for (after, expected) in after.iter().zip([0.0, 1.0, 2.0, 4.0]) {
        assert!((after - expected).abs() < 1e-3, "{after} {expected}");
    }
    let skewed: Vec<f32> = (0..1_000).map(|i| (i as f32 / 1_000.0).powi(4)).collect();
    let after = global(&gray(&skewed), 1_000);
    for (i, after) in after.iter().enumerate().skip(200) {
        assert!((after - i as f32 / 1_000.0).abs() < 0.02, "{i}: {after}");
    }
}

#[test]
fn a_pixel_that_is_there_never_becomes_no_data() {
    // No value maps to nodata here: −1 and 1 stay, −0.5 becomes −1/3.
    let values = [-1.0, 1.0, -0.5, f32::NAN, 0.0];
    let after = equalize(&Recipe::default(), &gray(&values), Some(0.0), 5);
    assert_eq!(after[4], 0.0);
    assert!(after[..3].iter().all(|value| *value != 0.0), "{after:?}");
}

#[test]
fn luma_shifts_all_colours_alike_and_alpha_stays() {
    let pixels = [[0.0_f32, 0.1, 0.2, 1.0], [0.5, 0.1, 0.9, 0.5], [9.0, 9.0, 9.0, 0.0], [0.3, 0.3, 0.3, 1.0]];
    let rows = Rows { width: 4, layout: Layout::Rgba, samples: Samples::F32(pixels.concat()) };
    let after = global(&rows, 1);
    for (before, after) in pixels.iter().zip(after.chunks(4)) {
        let shift = after[0] - before[0];
        assert!(before.iter().zip(after).take(3).all(|(b, a)| (a - b - shift).abs() < 1e-6));
        assert_eq!(before[3], after[3]);
    }
    assert_eq!(after[8..12], pixels[2]);
    let to_gray = equalize(&Recipe::global(Color::Gray), &rows, None, 1);
    assert_eq!(to_gray.len(), 8);
    for (pixel, gray) in after.chunks(4).zip(to_gray.chunks(2)) {
        assert!((luma(pixel) - gray[0]).abs() < 1e-6 && pixel[3] == gray[1]);
    }
}

#[test]
fn channels_and_bands_are_equalized_each_by_itself() {
    let pixels: Vec<[f32; 3]> = (0..500).map(|i| [i as f32, (i * i) as f32, -(i as f32).sqrt()]).collect();
    let of = |layout| Rows { width: 50, layout, samples: Samples::F32(pixels.concat()) };
    let recipe = Recipe::global(Color::Channels);
    let rgb = equalize(&recipe, &of(Layout::Rgb), None, 3);
    assert_eq!(bits(&rgb), bits(&equalize(&recipe, &of(Layout::Bands(3)), None, 10)));
    for channel in 0..3 {
        let alone: Vec<f32> = pixels.iter().map(|pixel| pixel[channel]).collect();
        let alone = global(&gray(&alone), 500);
        assert!(rgb.iter().skip(channel).step_by(3).eq(&alone));
    }
}

#[test]
fn one_value_or_none_stays() {
    for values in [vec![3.5; 9], vec![f32::NAN; 4]] {
        assert_eq!(bits(&global(&gray(&values), 2)), bits(&values));
    }
}

#[test]
fn half_of_the_strength_goes_half_of_the_way() {
    let values: Vec<f32> = (0..1_000).map(|i| (i as f32 / 10.0).powi(3)).collect();
    let full = global(&gray(&values), 1_000);
    let recipe = Recipe { strength: Strength::thousandths(500).unwrap(), ..Recipe::default() };
    let half = equalize(&recipe, &gray(&values), None, 1_000);
    for ((value, full), half) in values.iter().zip(full).zip(half) {
        assert!((half - (value + full) / 2.0).abs() <= 0.2, "{value} {full} {half}");
    }
}

#[test]
fn a_stretch_clips_outliers_to_the_range_of_the_data() {
    let mut values: Vec<f32> = (0..1_000).map(|i| i as f32).collect();
    (values[0], values[999]) = (-9_000.0, 10_000.0);
    let cut = Cut::millionths(20_000, 20_000).unwrap();
    let recipe = Recipe::new(Method::Stretch { cut, tone: Tone::default() }, Color::Luma);
    let after = equalize(&recipe, &gray(&values), None, 300);
    assert_eq!((after[0], after[10], after[999], after[990]), (-9_000.0, -9_000.0, 10_000.0, 10_000.0));
    // Values within the cut are stretched linearly.
    let (low, middle, high) = (after[100], after[500], after[900]);
    assert!((middle - (low + high) / 2.0).abs() < 30.0 && high - low > 15_000.0, "{low} {middle} {high}");
}

#[test]
fn ranges_are_kept_by_json_to_the_last_bit() {
    let recipe = Recipe::global(Color::Channels);
    let mut spread = Spread::new(&recipe, Layout::Bands(3), Depth::Float);
    let values = vec![0.1, f32::NAN, 1e-45, 0.3, f32::NAN, 3e38];
    spread.look(&Rows { width: 2, layout: Layout::Bands(3), samples: Samples::F32(values) }, None);
    let json = serde_json::to_string(&spread.spans()).unwrap();
    let [low, high] = [0.1_f32, 0.3].map(f32::to_bits);
    assert!(json.starts_with(&format!("[[{low},{high}],null,[1,")), "{json}");
    let spans: Spans = serde_json::from_str(&json).unwrap();
    let of = |layout| Ranges::of(&recipe, layout, Depth::Float, &spans);
    assert_eq!(of(Layout::Bands(3)), Some(spread.ranges()));
    assert_eq!(of(Layout::Rgb).map(|ranges| ranges.spans()), Some(spans.clone()));
    assert_eq!(of(Layout::Gray), None);
    assert_eq!(spread.filled(&spread.to_bytes()).unwrap(), spread);
    assert!(spread.filled(&spread.to_bytes()[..20]).is_err());
}

#[test]
fn older_jobs_exchange_the_least_and_the_greatest_value_as_before() {
    let recipe = Recipe::default().pinned(Arithmetic::Ten);
    let mut spread = Spread::new(&recipe, Layout::Gray, Depth::Float);
    spread.look(&gray(&[0.1, -0.0, f32::NAN, 7.5]), None);
    let bytes = [&b"EVLr\x01\x00\x20\x00\x01"[..], &0.0_f32.to_le_bytes(), &7.5_f32.to_le_bytes()].concat();
    assert_eq!(spread.to_bytes(), bytes);
    assert_eq!(spread.filled(&bytes).unwrap().spans(), spread.spans());
    assert_eq!(serde_json::to_string(&spread.spans()).unwrap(), format!("[[0,{}]]", 7.5_f32.to_bits()));
    let mut sum = Spread::new(&recipe, Layout::Gray, Depth::Float);
    sum.merge(&spread.filled(&bytes).unwrap()).unwrap();
    assert_eq!(sum.spans(), spread.spans());
}

#[test]
fn older_jobs_keep_their_range_up_to_an_outlier() {
    let mut values: Vec<f32> = (0..10_000).map(|i| (i % 251) as f32).collect();
    values[77] = 1e6;
    let of = |recipe: &Recipe| equalize(recipe, &gray(&values), None, 3_000);
    let (old, new) = (of(&Recipe::default().pinned(Arithmetic::Ten)), of(&Recipe::default()));
    assert!(old[250] > 900_000.0 && (249.0..=250.0).contains(&new[250]), "{} {}", old[250], new[250]);
    assert_eq!((old[77], new[77]), (1e6, 250.0));
    let noted = |recipe: &Recipe| {
        let mut spread = Spread::new(recipe, Layout::Gray, Depth::Float);
        spread.look(&gray(&values), None);
        spread.notes().len()
    };
    assert_eq!((noted(&Recipe::default().pinned(Arithmetic::Ten)), noted(&Recipe::default())), (0, 1));
}

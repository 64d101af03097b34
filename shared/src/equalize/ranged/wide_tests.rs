//! Tests with samples of all types without levels.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::GivenRange;
use super::super::intensity::Color;
use super::super::recipe::{Method, Recipe};
use super::super::strength::Strength;
use super::super::stretch::Cut;
use super::super::tone::Tone;
use super::in_parts::equalize;
use super::*;
use crate::for_samples;
use crate::pixels::{Depth, Layout, Rows, SampleType, Samples, f16};

fn row(samples: impl Into<Samples>) -> Rows {
    Rows { width: 1, layout: Layout::Gray, samples: samples.into() }
}

fn global<S: SampleType>(samples: &[S]) -> Vec<S> {
    let result = equalize(&Recipe::default(), &row(samples.to_vec()), None, &[]).0;
    S::slice(&result.samples).unwrap().to_vec()
}

#[test]
fn whole_numbers_with_a_bin_each_are_equalized_as_levels() {
    // As at 16 bits: c = 1, 3, 4, 8 of 8; (c − 1) / 7 of the range from −50 to 50.
    let after = global(&[-50, 0, 0, 20, 50, 50, 50, 50]);
    assert_eq!(after, [-50, -21, -21, -7, 50, 50, 50, 50]);
    assert_eq!(global(&[7_u32, 7, 7]), [7, 7, 7]);
    assert_eq!(global(&[u32::MAX, u32::MAX - 1]), [u32::MAX, u32::MAX - 1]);
}

#[test]
fn whole_numbers_beyond_binary32_stay_exact() {
    let values: Vec<u32> = (0..100_000).map(|i| 4_000_000_001 + 2 * i).collect();
    let after = global(&values);
    for (before, after) in values.iter().zip(&after) {
        assert!(before.abs_diff(*after) <= 4, "{before} {after}");
    }
    assert_eq!((after[0], after[99_999]), (4_000_000_001, 4_000_199_999));
    let whole: Vec<i32> = (0..=65_537_i64).map(|i| (i * 65_535 - (1 << 31)) as i32).chain([i32::MAX]).collect();
    let after = global(&whole);
    assert!(after.is_sorted() && after[0] == i32::MIN && *after.last().unwrap() == i32::MAX);
}

#[test]
fn the_widest_ranges_have_a_length() {
    let values = [-f64::MAX, -1.0, 0.0, 1.0, f64::MAX];
    let after = global(&values);
    assert!(after.is_sorted() && after.iter().all(|value| value.is_finite()), "{after:?}");
    assert_eq!((after[0], after[4]), (-f64::MAX, f64::MAX));
    let tiny: Vec<f64> = (0..5_000).map(|i| f64::from(i) * 5e-324).collect();
    let after = global(&tiny);
    assert!(after.is_sorted() && tiny.iter().zip(&after).all(|(before, after)| (before - after).abs() <= 5e-324));
}

#[test]
fn nodata_of_each_type_is_neither_counted_nor_changed() {
    let half = |value: f64| f16::from_f64_const(value);
    // No sample of binary16 is −9999; as in GDAL, it means the nearest, −10000.
    let samples: Vec<f16> = [-10_000.0, 1.0, 2.0, 4.0].map(half).to_vec();
    let after = equalize(&Recipe::default(), &row(samples), Some(-9_999.0), &[2]).0;
    let after = f16::slice(&after.samples).unwrap();
    assert_eq!((after[0], after[1], after[3]), (half(-10_000.0), half(1.0), half(4.0)));
    let whole = row(vec![i32::MIN, 5, 6, 9, i32::MIN]);
    let after = equalize(&Recipe::default(), &whole, Some(-2_147_483_648.0), &[1]).0;
    assert_eq!(after.samples, Samples::I32(vec![i32::MIN, 5, 7, 9, i32::MIN]));
    // Of bands each sample on its own: −1 in the first, nowhere in the second.
    let bands = Rows { width: 1, layout: Layout::Bands(2), samples: Samples::I32(vec![-1, 10, 3, 20, 4, 30]) };
    let (after, _) = equalize(&Recipe::global(Color::Channels), &bands, Some(-1.0), &[1]);
    assert_eq!(after.samples, Samples::I32(vec![-1, 10, 3, 20, 4, 30]));
}

#[test]
fn a_valid_whole_number_never_becomes_nodata() {
    // 7 would become 3.
    let (after, _) = equalize(&Recipe::default(), &row(vec![0, 3, 7, 7, 9, 9, 9, 9]), Some(3.0), &[]);
    assert_eq!(after.samples, Samples::I32(vec![0, 3, 4, 4, 9, 9, 9, 9]));
}

#[test]
fn the_luma_of_whole_numbers_shifts_all_colours_within_their_type() {
    let pixels = [[0_u32, 10, 20], [4_000_000_000, 4_294_967_295, 10], [2_000_000_000, 2_000_000_000, 2_000_000_000]];
    let rows = Rows { width: 1, layout: Layout::Rgb, samples: Samples::U32(pixels.concat()) };
    let (after, _) = equalize(&Recipe::default(), &rows, None, &[1]);
    let after = u32::slice(&after.samples).unwrap();
    // The darkest and the lightest pixel keep their luma.
    assert_eq!((&after[..3], &after[3..6]), (&pixels[0][..], &pixels[1][..]));
    assert!(after[6] == after[7] && after[7] == after[8]);
    let (gray, _) = equalize(&Recipe { strength: Strength::NONE, ..Recipe::global(Color::Gray) }, &rows, None, &[2]);
    assert_eq!((gray.layout, gray.samples), (Layout::Gray, Samples::U32(vec![8, 3_717_145_803, 2_000_000_000])));
}

/// Values from 0 to 999, each 20 times, with these in place of the first ones.
fn with_outliers(far: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = (0..20_000).map(|i| f64::from(i % 1_000)).collect();
    values[..far.len()].copy_from_slice(far);
    values
}

#[test]
fn outliers_share_the_end_of_the_range_in_their_order() {
    let values = with_outliers(&[1e300, -1e200, 5e299, 2e299]);
    let (after, notes) = equalize(&Recipe::default(), &row(values.clone()), None, &[7, 900]);
    let after = f64::slice(&after.samples).unwrap();
    assert_eq!((after[0], after[1]), (999.0, 0.0));
    assert!(998.8 < after[3] && after[3] < after[2] && after[2] < after[0], "{:?}", &after[..4]);
    // A value's bin has a thousandth of the range, 0.999, and the four values in place of others move it by at most 4 × 999 / 20,000.
    assert!(values.iter().zip(after).skip(4).all(|(before, after)| (before - after).abs() < 1.2));
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].contains("is 0 to 999: 4 values are far away") && notes[0].contains("-1e200 to 1e300"),
        "{notes:?}"
    );
}

#[test]
fn what_is_no_outlier_keeps_the_range() {
    let kept = |values: Vec<f64>| equalize(&Recipe::default(), &row(values), None, &[10]).1.is_empty();
    assert!(kept(with_outliers(&[])));
    assert!(!kept(with_outliers(&[101_000.0])) && kept(with_outliers(&[99_000.0])), "100 widths of the core");
    // More than 0.5 % of the pixels.
    assert!(kept(with_outliers(&[1e9; 101])) && !kept(with_outliers(&[1e9; 100])));
    let sparse: Vec<f64> = (0..20_000).map(|i| if i < 50 { 1e6 + f64::from(i) } else { 0.0 }).collect();
    assert!(kept(sparse), "a core of one value has no width");
    let points = Tone::new(1_000, Some(GivenRange::new([0.0, 1e9]).unwrap())).unwrap();
    let by_points = Recipe::new(Method::Stretch { cut: Cut::millionths(0, 0).unwrap(), tone: points }, Color::Luma);
    assert!(equalize(&by_points, &row(with_outliers(&[1e9])), None, &[]).1.is_empty());
}

#[test]
fn a_stretch_clamps_outliers() {
    let stretch = Method::Stretch { cut: Cut::millionths(0, 0).unwrap(), tone: Tone::default() };
    let recipe = Recipe::new(stretch, Color::Luma);
    let values = with_outliers(&[1e9, -1e9]);
    let (after, notes) = equalize(&recipe, &row(values.clone()), None, &[99]);
    let after = f64::slice(&after.samples).unwrap();
    assert_eq!((after[0], after[1], notes.len()), (999.0, 0.0, 1));
    assert!(values.iter().zip(after).skip(2).all(|(before, after)| (before - after).abs() < 1e-9));
}

#[test]
fn strength_moves_outliers_part_of_the_way() {
    let recipe = Recipe { strength: Strength::thousandths(250).unwrap(), ..Recipe::default() };
    let values: Vec<i32> = with_outliers(&[1_000_999.0]).into_iter().map(|value| value as i32).collect();
    let (after, _) = equalize(&recipe, &row(values), None, &[]);
    assert_eq!(i32::slice(&after.samples).unwrap()[0], 1_000_999 - 250_000);
}

#[test]
fn damaged_spreads_are_refused() {
    let mut spread = Spread::new(&Recipe::default(), Layout::Gray, Depth::Int32);
    spread.look(&row(vec![5, -9, 5_000_000]), None);
    let bytes = spread.to_bytes();
    assert_eq!(spread.filled(&bytes).unwrap(), spread);
    for end in 0..bytes.len() {
        assert!(spread.filled(&bytes[..end]).is_err(), "{end}");
    }
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 0x80;
        assert!(spread.filled(&other) != Ok(spread.clone()), "{at}");
    }
    let of_floats = Spread::new(&Recipe::default(), Layout::Gray, Depth::Float);
    assert!(of_floats.filled(&bytes).is_err() && spread.clone().merge(&of_floats).is_err());
}

/// Rows of a type, of values at all scales.
fn rows(depth: Depth) -> impl Strategy<Value = Rows> {
    let value = prop_oneof![
        4 => -300.0..300.0_f64,
        2 => (-100..100).prop_map(f64::from),
        1 => any::<f64>(),
        1 => any::<i32>().prop_map(f64::from),
    ];
    let layout = prop_oneof![Just(Layout::Gray), Just(Layout::GrayAlpha), Just(Layout::Rgba), Just(Layout::Bands(2))];
    (layout, 1_usize..4, proptest::collection::vec(value, 12..1_500)).prop_map(move |(layout, width, values): (Layout, usize, Vec<f64>)| {
        let line = width * layout.channels();
        let values = &values[..values.len() / line * line];
        let samples = crate::for_depth!(depth, S => {
            Samples::from(values.iter().map(|value| S::nearest(if value.is_nan() && !depth.is_float() { 0.0 } else { *value })).collect::<Vec<S>>())
        });
        Rows { width: width as u32, layout, samples }
    })
}

fn depths() -> impl Strategy<Value = Depth> {
    prop_oneof![Just(Depth::Half), Just(Depth::Float), Just(Depth::Double), Just(Depth::Int32), Just(Depth::Uint32)]
}

fn recipes() -> impl Strategy<Value = Recipe> {
    let range = GivenRange::new([-7.0, 120.0]).ok();
    prop_oneof![
        Just(Recipe::global(Color::Channels)),
        Just(Recipe { strength: Strength::thousandths(400).unwrap(), ..Recipe::global(Color::Channels) }),
        Just(Recipe { range, ..Recipe::global(Color::Channels) }),
        Just(Recipe::new(
            Method::Stretch { cut: Cut::millionths(20_000, 50_000).unwrap(), tone: Tone::default() },
            Color::Channels
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn results_do_not_depend_on_the_cut_keep_order_and_stay_in_the_range(
        rows in depths().prop_flat_map(rows), recipe in recipes(), seed in any::<u64>(), nodata in prop_oneof![Just(None), Just(Some(3.0))],
    ) {
        let depth = rows.samples.depth();
        let range = recipe.range.filter(|range| range.samples(depth).is_some());
        let recipe = Recipe { range, ..recipe };
        let height = rows.height();
        let mut cuts: Vec<usize> = (0..3).map(|i| seed.rotate_left(i * 17) as usize % (height + 1)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts.retain(|cut| (1..height).contains(cut));
        let (whole, notes) = equalize(&recipe, &rows, nodata, &[]);
        prop_assert_eq!(&(whole.clone(), notes), &equalize(&recipe, &rows, nodata, &cuts));

        let (channels, colors) = (rows.layout.channels(), rows.layout.colors());
        let values = |rows: &Rows, plane: usize| -> Vec<f64> {
            for_samples!(&rows.samples, samples => samples[plane..].iter().step_by(channels).map(|sample| sample.value()).collect())
        };
        for plane in 0..channels {
            let (before, after) = (values(&rows, plane), values(&whole, plane));
            if plane >= colors {
                prop_assert!(before.iter().zip(&after).all(|(before, after)| before.to_bits() == after.to_bits()));
                continue;
            }
            let alpha = rows.layout.has_alpha().then(|| values(&rows, channels - 1));
            let counts = |at: usize| {
                before[at].is_finite() && Some(before[at]) != nodata && alpha.as_ref().is_none_or(|alpha| alpha[at] > 0.0 || alpha[at].is_nan())
            };
            let mut pairs: Vec<(f64, f64)> =
                (0..before.len()).filter(|at| counts(*at)).map(|at| (before[at], after[at])).collect();
            pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
            prop_assert!(pairs.windows(2).all(|two| two[0].1 <= two[1].1), "{:?} in {:?}", pairs, depth);
            if let (Some(first), Some(last)) = (pairs.first(), pairs.last()) {
                // Moved away from nodata, a value may be the next one.
                let (lo, hi) = recipe.range.and_then(|range| range.samples(depth)).map_or((first.0, last.0), |ends| (ends[0], ends[1]));
                let beyond = |value: f64| value < lo || value > hi;
                prop_assert!(pairs.iter().all(|pair| !beyond(pair.1) || nodata.is_some()), "{:?} in {:?}", pairs, depth);
            }
            for at in (0..before.len()).filter(|at| !counts(*at)) {
                prop_assert_eq!(before[at].to_bits(), after[at].to_bits());
            }
        }
    }

    #[test]
    fn at_strength_none_nothing_changes(rows in depths().prop_flat_map(rows), recipe in recipes()) {
        let range = recipe.range.filter(|range| range.samples(rows.samples.depth()).is_some());
        let recipe = Recipe { range, strength: Strength::NONE, ..recipe };
        prop_assert_eq!(equalize(&recipe, &rows, Some(3.0), &[]).0, rows);
    }
}

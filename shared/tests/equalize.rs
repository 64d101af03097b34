//! The properties of equalization that the array relies on: no cut and no order of merging changes anything.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use shared::equalize::{Color, Histogram, Lut, MergeError, Recipe, apply, output_layout};
use shared::pixels::{Depth, Layout, Rows, Samples};

const LAYOUTS: [Layout; 4] = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba];
const COLORS: [Color; 6] = Color::ALL;

fn recipe() -> impl Strategy<Value = Recipe> {
    proptest::sample::select(&COLORS[..]).prop_map(Recipe::global)
}

/// Up to 40 × 40 pixels. Few levels or all of them; alpha is often 0.
fn image() -> impl Strategy<Value = Rows> {
    let layout = proptest::sample::select(&LAYOUTS[..]);
    let shape = (layout, any::<bool>(), 1u32..40, 1usize..40, prop_oneof![Just(3u16), Just(200), Just(u16::MAX)]);
    shape.prop_flat_map(|(layout, eight, width, height, max)| {
        let count = width as usize * height * layout.channels();
        let sample = prop_oneof![1 => Just(0), 3 => 0..=max];
        proptest::collection::vec(sample, count).prop_map(move |samples| {
            let samples =
                if eight { Samples::U8(samples.iter().map(|s| *s as u8).collect()) } else { Samples::U16(samples) };
            Rows { width, layout, samples }
        })
    })
}

/// The same rows in runs of `step(i)` rows.
fn cut(image: &Rows, mut step: impl FnMut() -> usize) -> Vec<Rows> {
    let bytes = image.to_le_bytes();
    let row = bytes.len() / image.height();
    let mut runs = Vec::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (run, after) = rest.split_at((step().max(1) * row).min(rest.len()));
        runs.push(Rows::from_le_bytes(image.width, image.layout, image.samples.depth(), run).unwrap());
        rest = after;
    }
    runs
}

fn empty(recipe: &Recipe, image: &Rows) -> Histogram {
    Histogram::new(recipe, image.layout, image.samples.depth())
}

fn count<'a>(recipe: &Recipe, runs: impl IntoIterator<Item = &'a Rows>) -> Histogram {
    let mut runs = runs.into_iter().peekable();
    let mut histogram = empty(recipe, runs.peek().unwrap());
    runs.for_each(|rows| histogram.count(rows));
    histogram
}

/// All samples of an image as one type, in pixels.
fn pixels(image: &Rows) -> Vec<Vec<u16>> {
    let samples: Vec<u16> = match &image.samples {
        Samples::U8(samples) => samples.iter().map(|s| u16::from(*s)).collect(),
        Samples::U16(samples) => samples.clone(),
        _ => unreachable!(),
    };
    samples.chunks(image.layout.channels()).map(<[u16]>::to_vec).collect()
}

/// The design's formulas in wide arithmetic, one pixel at a time: the oracle of the kernels.
fn by_the_book(recipe: &Recipe, image: &Rows) -> Vec<Vec<u16>> {
    let depth = image.samples.depth();
    let max = depth.levels() as i64 - 1;
    let color = recipe.color;
    let luma =
        |p: &[u16]| (19_595 * i64::from(p[0]) + 38_470 * i64::from(p[1]) + 7_471 * i64::from(p[2]) + 32_768) >> 16;
    let colors = image.layout.colors();
    let intensities = |p: &[u16]| -> Vec<i64> {
        match color {
            _ if colors == 1 => vec![p[0].into()],
            Color::Luma | Color::Gray => vec![luma(p)],
            Color::Hsv => vec![p[..3].iter().copied().max().unwrap().into()],
            Color::Channels => p[..3].iter().copied().map(i64::from).collect(),
            Color::Oklab | Color::OklabClipped | Color::Lab => {
                unreachable!("they have their own oracles, as they aren't integers")
            }
        }
    };
    let visible = |p: &[u16]| !image.layout.has_alpha() || *p.last().unwrap() != 0;
    let counted: Vec<Vec<i64>> = pixels(image).iter().filter(|p| visible(p)).map(|p| intensities(p)).collect();
    let equalized = |plane: usize, level: i64| -> i64 {
        let lowest = counted.iter().map(|values| values[plane]).min().unwrap();
        let up_to = |level: i64| counted.iter().filter(|values| values[plane] <= level).count() as i64;
        let (sum, whole) = (up_to(level) - up_to(lowest), counted.len() as i64 - up_to(lowest));
        match depth {
            _ if whole == 0 => level,
            Depth::Eight => (sum as f32 * (255f32 / whole as f32)).round_ties_even() as i64,
            Depth::Sixteen => (2 * sum * 65_535 + whole) / (2 * whole),
            _ => unreachable!(),
        }
    };
    let change = |p: Vec<u16>| -> Vec<u16> {
        let alpha = &p[colors..];
        let gray = color == Color::Gray && colors == 3;
        if !visible(&p) {
            let kept = if gray { vec![luma(&p) as u16] } else { p[..colors].to_vec() };
            return [&kept, alpha].concat();
        }
        let from = intensities(&p);
        let to: Vec<i64> = from.iter().enumerate().map(|(plane, level)| equalized(plane, *level)).collect();
        let changed: Vec<i64> = match color {
            _ if colors == 1 || gray => to,
            Color::Channels => to,
            Color::Hsv if from[0] == 0 => vec![to[0]; 3],
            Color::Hsv => p[..3].iter().map(|c| (2 * i64::from(*c) * to[0] + from[0]) / (2 * from[0])).collect(),
            _ => p[..3].iter().map(|c| (i64::from(*c) + to[0] - from[0]).clamp(0, max)).collect(),
        };
        changed.into_iter().map(|c| c as u16).chain(alpha.iter().copied()).collect()
    };
    pixels(image).into_iter().map(change).collect()
}

proptest! {
    #[test]
    fn no_cut_changes_the_histogram_or_a_pixel(
        recipe in recipe(), image in image(), steps in proptest::collection::vec(1usize..9, 40),
    ) {
        let whole = count(&recipe, [&image]);
        let lut = Lut::from_histogram(&whole);
        let result = apply(&recipe, &lut, image.clone());
        let mut random = steps.iter().copied().cycle();
        for runs in [cut(&image, || 1), cut(&image, || 7), cut(&image, || random.next().unwrap())] {
            prop_assert_eq!(&count(&recipe, &runs), &whole);
            let joined: Vec<u8> = runs.into_iter().flat_map(|rows| apply(&recipe, &lut, rows).to_le_bytes()).collect();
            prop_assert_eq!(joined, result.to_le_bytes());
        }
    }

    #[test]
    fn every_pixel_is_the_one_of_the_designs_formulas(recipe in recipe(), image in image()) {
        prop_assume!(!matches!(recipe.color, Color::Oklab | Color::Lab) || image.layout.colors() == 1);
        let lut = Lut::from_histogram(&count(&recipe, [&image]));
        let expected = by_the_book(&recipe, &image);
        let result = apply(&recipe, &lut, image.clone());
        prop_assert_eq!(result.layout, output_layout(&recipe, image.layout));
        prop_assert_eq!(result.height(), image.height());
        prop_assert_eq!(pixels(&result), expected);
    }

    #[test]
    fn merging_in_any_order_is_counting_at_once(
        recipe in recipe(), image in image(), order in Just((0..40).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let parts: Vec<Histogram> = cut(&image, || 1).iter().map(|rows| count(&recipe, [rows])).collect();
        let mut merged = empty(&recipe, &image);
        for part in order.iter().filter_map(|index| parts.get(*index)) {
            merged.merge(part).unwrap();
        }
        prop_assert_eq!(merged, count(&recipe, [&image]));
    }

    #[test]
    fn bytes_keep_everything(recipe in recipe(), image in image()) {
        let histogram = count(&recipe, [&image]);
        prop_assert_eq!(&Histogram::from_bytes(&histogram.to_bytes()).unwrap(), &histogram);
        let lut = Lut::from_histogram(&histogram);
        prop_assert_eq!(&Lut::from_bytes(&lut.to_bytes()).unwrap(), &lut);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4_000), head in 0u8..10) {
        let mut with_header = Histogram::new(
            &Recipe::global(COLORS[usize::from(head) % COLORS.len()]),
            Layout::Rgb,
            if head < 5 { Depth::Eight } else { Depth::Sixteen },
        ).to_bytes();
        with_header.truncate(8);
        with_header.extend(&bytes);
        for bytes in [bytes, with_header] {
            if let Ok(histogram) = Histogram::from_bytes(&bytes) {
                Lut::from_histogram(&histogram);
            }
            let _ = Lut::from_bytes(&bytes);
        }
    }

    #[test]
    fn bytes_cut_short_or_too_long_are_refused(recipe in recipe(), image in image(), at in any::<proptest::sample::Index>()) {
        let histogram = count(&recipe, [&image]);
        for (bytes, read) in [
            (histogram.to_bytes(), (|b| Histogram::from_bytes(b).is_ok()) as fn(&[u8]) -> bool),
            (Lut::from_histogram(&histogram).to_bytes(), |b| Lut::from_bytes(b).is_ok()),
        ] {
            prop_assert!(!read(&bytes[..at.index(bytes.len())]));
            prop_assert!(!read(&[&bytes[..], &[0]].concat()));
        }
    }
}

#[test]
fn histograms_of_different_things_are_not_merged() {
    let shapes = [
        (Color::Luma, Layout::Gray, Depth::Eight),
        (Color::Luma, Layout::Gray, Depth::Sixteen),
        (Color::Luma, Layout::Rgb, Depth::Eight),
        (Color::Oklab, Layout::Rgb, Depth::Eight),
        (Color::Lab, Layout::Rgb, Depth::Eight),
        (Color::Hsv, Layout::Rgb, Depth::Eight),
        (Color::Channels, Layout::Rgb, Depth::Eight),
    ];
    let all: Vec<Histogram> =
        shapes.iter().map(|(color, layout, depth)| Histogram::new(&Recipe::global(*color), *layout, *depth)).collect();
    for (i, ours) in all.iter().enumerate() {
        for (k, theirs) in all.iter().enumerate() {
            let merged = ours.clone().merge(theirs);
            assert_eq!(merged.is_ok(), i == k);
            assert!(i == k || matches!(merged, Err(MergeError::Shape { .. })));
        }
    }
}

#[test]
fn a_histogram_of_more_pixels_than_any_image_has_is_refused() {
    let mut half = Histogram::new(&Recipe::default(), Layout::Gray, Depth::Eight).to_bytes();
    half.truncate(8);
    // Bin 0 = 2⁶², the others empty.
    half.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0, 0xfe, 0x01]);
    let largest = Histogram::from_bytes(&half).unwrap();
    assert_eq!(largest.total(), Histogram::MAX_TOTAL);
    assert_eq!(largest.clone().merge(&largest), Err(MergeError::Overflow));
    half[8] |= 1;
    assert!(Histogram::from_bytes(&half).is_err());
}

#[test]
fn nothing_counted_is_the_identity() {
    for depth in [Depth::Eight, Depth::Sixteen] {
        let lut = Lut::from_histogram(&Histogram::new(&Recipe::default(), Layout::Rgba, depth));
        let levels: Vec<usize> = match lut.entries() {
            Samples::U8(entries) => entries.iter().map(|e| usize::from(*e)).collect(),
            Samples::U16(entries) => entries.iter().map(|e| usize::from(*e)).collect(),
            _ => unreachable!(),
        };
        assert!(levels.iter().copied().eq(0..depth.levels()));
    }
}

#[test]
fn a_fully_transparent_image_stays_as_it_is() {
    let image = Rows { width: 2, layout: Layout::Rgba, samples: Samples::U8(vec![1, 2, 3, 0, 9, 9, 200, 0]) };
    for color in [Color::Luma, Color::Oklab, Color::Channels, Color::Hsv] {
        let recipe = Recipe::global(color);
        let lut = Lut::from_histogram(&count(&recipe, [&image]));
        assert_eq!(apply(&recipe, &lut, image.clone()), image);
    }
}

#[test]
fn a_recipe_reads_and_writes_its_tagged_form() {
    let text = r#"{"method":"global","color":"luma"}"#;
    assert_eq!(serde_json::from_str::<Recipe>(text).unwrap(), Recipe::default());
    assert_eq!(serde_json::from_str::<Recipe>(r#"{"method":"global"}"#).unwrap(), Recipe::default());
    assert_eq!(serde_json::to_string(&Recipe::default()).unwrap(), text);
    assert!(serde_json::from_str::<Recipe>(r#"{"method":"global","colour":"luma"}"#).is_err());
}

#[test]
fn bands_are_equalized_each_on_its_own() {
    let recipe = Recipe::global(Color::Channels);
    let bands: Vec<Vec<u8>> = (0..5).map(|band| (0..60u32).map(|i| (i * (band + 1) % 97) as u8).collect()).collect();
    let samples = Samples::U8((0..60).flat_map(|i| bands.iter().map(move |band| band[i])).collect());
    let image = Rows { width: 10, layout: Layout::Bands(5), samples };
    let one = |rows: &Rows| {
        let mut histogram = Histogram::new(&recipe, rows.layout, Depth::Eight);
        histogram.count(rows);
        let histogram = Histogram::from_bytes(&histogram.to_bytes()).unwrap();
        let lut = Lut::from_bytes(&Lut::from_histogram(&histogram).to_bytes()).unwrap();
        apply(&recipe, &lut, rows.clone())
    };
    let Samples::U8(together) = one(&image).samples else { panic!("the depth changed") };
    for (index, band) in bands.iter().enumerate() {
        let alone = one(&Rows { width: 10, layout: Layout::Gray, samples: Samples::U8(band.clone()) });
        let taken: Vec<u8> = together.iter().skip(index).step_by(5).copied().collect();
        assert_eq!(alone.samples, Samples::U8(taken), "band {index}");
    }
}

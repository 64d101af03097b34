//! Every method × colour × depth × mask: however the rows are cut, counted and merged, the result is that of one machine
//! which sees the whole image at once.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use shared::equalize::{
    Arithmetic, Color, Counts, Frame, Histogram, Intensity, Mask, Nodata, NodataRule, Recipe, Spans, Strength, Table,
};
use shared::packed::Packed;
use shared::pixels::{Depth, Layout, Rows, Samples};

const LAYOUTS: [Layout; 5] = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba, Layout::Cmyk];

/// An image, and what its mask image says of each pixel.
#[derive(Debug, Clone)]
struct Case {
    recipe: Recipe,
    frame: Frame,
    samples: Samples,
    mask: Option<Vec<u8>>,
    reference: Rows,
}

/// Few levels and many zeros, so that nodata, transparency and ties occur. Packed samples have levels of the file only.
fn samples(depth: Depth, packed: Option<Packed>, count: usize) -> BoxedStrategy<Samples> {
    match depth {
        Depth::Eight => {
            let level = prop_oneof![2 => Just(0u8), 1 => Just(255u8), 5 => any::<u8>()];
            proptest::collection::vec(level, count).prop_map(Samples::U8).boxed()
        }
        Depth::Sixteen => {
            let level = prop_oneof![2 => Just(0u16), 1 => Just(65_535u16), 5 => any::<u16>()];
            let level = level.prop_map(move |level| packed.map_or(level, |packed| packed.nearest(level)));
            proptest::collection::vec(level, count).prop_map(Samples::U16).boxed()
        }
        _ => unreachable!("whole numbers alone"),
    }
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let id = "00000000000000000000000000000001";
    let method = prop_oneof![
        Just(json!({"method": "global"})),
        Just(json!({"method": "match", "reference": id})),
        (1u32..8).prop_map(|limit| json!({"method": "global", "clip_limit": f64::from(limit) / 2.0})),
        (0u32..60, 0u32..40).prop_map(|(low, cut)| json!({"method": "stretch", "low": low, "high": 100 - cut})),
        (0u32..60, 1u32..70_000, 1u32..40).prop_map(|(black, more, gamma)| {
            json!({"method": "stretch", "black": black, "white": black + more, "gamma": f64::from(gamma) / 10.0})
        }),
        (0u32..5_000, 1u16..6, 1u16..6).prop_map(|(limit, columns, rows)| {
            json!({"method": "clahe", "clip_limit": f64::from(limit) / 1e3, "tiles": [columns, rows]})
        }),
    ];
    let nodata = select(vec![None, Some(0), Some(255)]);
    let strength = select(vec![1_000u32, 1_000, 0, 250, 999]);
    (method, select(&Color::ALL[..]), strength, nodata).prop_map(|(mut fields, color, strength, nodata)| {
        fields["color"] = json!(color);
        fields["strength"] = json!(f64::from(strength) / 1e3);
        if let Some(nodata) = nodata {
            fields["nodata"] = json!(nodata);
        }
        serde_json::from_value(fields).unwrap()
    })
}

/// Adds what only CLAHE of 16 bits has, a range; and sometimes the arithmetic of older jobs.
fn of_depth(recipe: Recipe, depth: Depth, range: Option<[u16; 2]>, arithmetic: Arithmetic) -> Recipe {
    let mut fields = serde_json::to_value(&recipe).unwrap();
    if let Some(range) = range.filter(|_| depth == Depth::Sixteen && recipe.clahe().is_some()) {
        fields["range"] = json!(range);
    }
    serde_json::from_value::<Recipe>(fields).unwrap().pinned(arithmetic)
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (1u32..14, 1u32..20, select(&LAYOUTS[..]), select(vec![Depth::Eight, Depth::Sixteen]));
    let other = (select(&LAYOUTS[..]), select(vec![Depth::Eight, Depth::Sixteen]));
    let range = select(vec![None, None, Some([0, 65_535]), Some([300, 40_000])]);
    let packed = select(vec![None, None, Packed::new(9), Packed::new(12), Packed::new(15)]);
    let more = (range, select(vec![Arithmetic::Eleven, Arithmetic::Eleven, Arithmetic::Ten, Arithmetic::Nine]), packed);
    (recipe(), shape, other, more).prop_flat_map(
        |(recipe, shape, (other, other_depth), (range, arithmetic, packed))| {
            let (width, height, layout, depth) = shape;
            let packed = packed.filter(|_| depth == Depth::Sixteen && layout != Layout::Cmyk);
            // Inks by themselves are matched with inks, and channels with channels; other pairs are refused before.
            let inks = |layout| layout == Layout::Cmyk;
            let apart = recipe.color == Color::Channels && inks(layout) != inks(other);
            let other = if apart { layout } else { other };
            // The ranges are of 16 bits.
            let recipe = of_depth(recipe, depth, range.filter(|_| packed.is_none()), arithmetic);
            let pixels = (width * height) as usize;
            let frame = Frame { width, height, layout, depth, packed };
            let mask = prop_oneof![Just(None), proptest::collection::vec(0u8..3, pixels).prop_map(Some)];
            let reference = samples(other_depth, None, 30 * other.channels());
            (samples(depth, packed, pixels * layout.channels()), mask, reference).prop_map(
                move |(samples, mask, reference)| Case {
                    recipe: recipe.clone(),
                    frame,
                    samples,
                    mask,
                    reference: Rows { width: 30, layout: other, samples: reference },
                },
            )
        },
    )
}

impl Case {
    /// Some rows of the image with their mask.
    fn rows(&self, from: u32, to: u32) -> (Rows, Option<Mask>) {
        let row = self.frame.width as usize * self.frame.layout.channels();
        let range = from as usize * row..to as usize * row;
        let samples = match &self.samples {
            Samples::U8(samples) => Samples::U8(samples[range].to_vec()),
            Samples::U16(samples) => Samples::U16(samples[range].to_vec()),
            _ => unreachable!("whole numbers alone"),
        };
        let rows = Rows { width: self.frame.width, layout: self.frame.layout, samples };
        let pixels = (from * self.frame.width) as usize..(to * self.frame.width) as usize;
        let mask = Mask::of(&rows, self.nodata(), self.mask.as_ref().map(|mask| &mask[pixels]));
        (rows, mask)
    }

    fn nodata(&self) -> Option<NodataRule> {
        let intensity = Intensity::of(self.recipe.color, self.frame.layout);
        let packed = self.frame.packed;
        let widen = |nodata: Nodata| packed.map_or(Some(nodata.value()), |packed| packed.widen_number(nodata.value()));
        let nodata = self.recipe.nodata.and_then(widen).and_then(Nodata::new);
        nodata.map(|nodata| NodataRule::new(nodata, intensity).of_packed(packed))
    }

    fn apply(&self, table: &Table, first: u32, rows: Rows, mask: Option<&Mask>) -> Rows {
        let mut rows = table.apply(&self.recipe, first, rows, mask);
        if let Some(nodata) = self.nodata() {
            nodata.keep_apart(&mut rows, mask);
        }
        rows
    }

    fn table(&self, counts: &Counts) -> Table {
        let (image, reference) = (self.frame.layout, &self.reference);
        let mut histogram = Histogram::for_reference(&self.recipe, image, reference.layout, reference.samples.depth());
        histogram.count(reference);
        Table::new(&self.recipe, counts, Some(&histogram)).unwrap()
    }

    fn counts(&self) -> Counts {
        Counts::new(&self.recipe, &self.frame).unwrap()
    }

    /// One machine, the whole image at once.
    fn at_once(&self) -> Rows {
        let (rows, mask) = self.rows(0, self.frame.height);
        let mut counts = self.counts();
        counts.count(0, &rows, mask.as_ref());
        while let Some(mut further) = counts.further() {
            further.count(0, &rows, mask.as_ref());
            counts = further;
        }
        self.apply(&self.table(&counts), 0, rows, mask.as_ref())
    }

    /// The sum of counts of these rows, each of which went through bytes; `empty` are counts of the pass.
    fn counted(&self, empty: Counts, cuts: &[u32], order: &[usize]) -> Counts {
        let mut sum = empty.clone();
        for index in order.iter().filter(|index| **index + 1 < cuts.len()) {
            let (from, to) = (cuts[*index], cuts[*index + 1]);
            let (rows, mask) = self.rows(from, to);
            let mut counts = empty.clone();
            counts.count(from, &rows, mask.as_ref());
            sum.merge(&empty.filled(&counts.to_bytes()).unwrap()).unwrap();
        }
        sum
    }

    /// Tasks of these rows, in this order, each with counts of its own that went through bytes, as did the table.
    fn in_tasks(&self, cuts: &[u32], order: &[usize]) -> Vec<u8> {
        let mut sum = self.counted(self.counts(), cuts, order);
        if let Some(spans) = sum.spans() {
            // As a job's record carries them.
            let spans: Spans = serde_json::from_value(serde_json::to_value(spans).unwrap()).unwrap();
            sum = self.counted(Counts::over(&self.recipe, &self.frame, &spans).unwrap(), cuts, order);
        }
        assert_eq!(sum.further(), None);
        let table = Table::from_bytes(&self.recipe, &self.frame, &self.table(&sum).to_bytes()).unwrap();
        let equalized = cuts.windows(2).map(|cut| {
            let (rows, mask) = self.rows(cut[0], cut[1]);
            self.apply(&table, cut[0], rows, mask.as_ref()).to_le_bytes()
        });
        equalized.flatten().collect()
    }
}

/// The samples of the pixels that a mask hides.
fn left_alone(rows: &Rows, hidden: &[bool]) -> Vec<u16> {
    let samples: Vec<u16> = match &rows.samples {
        Samples::U8(samples) => samples.iter().map(|sample| u16::from(*sample)).collect(),
        Samples::U16(samples) => samples.clone(),
        _ => unreachable!("whole numbers alone"),
    };
    let pixels = samples.chunks(rows.layout.channels()).zip(hidden);
    pixels.filter(|(_, hidden)| **hidden).flat_map(|(pixel, _)| pixel.to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn tasks_of_any_rows_in_any_order_give_what_one_machine_gives(
        case in case(),
        steps in proptest::collection::vec(1u32..6, 20),
        order in Just((0..20).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let mut cuts = vec![0];
        for step in steps {
            let last = *cuts.last().unwrap();
            if last < case.frame.height {
                cuts.push((last + step).min(case.frame.height));
            }
        }
        prop_assert_eq!(case.in_tasks(&cuts, &order), case.at_once().to_le_bytes());
    }

    #[test]
    fn pixels_that_are_left_alone_stay_and_change_no_other(case in case(), other: u8) {
        prop_assume!(case.recipe.color != Color::Gray || case.frame.layout.colors() == 1);
        let Some(image) = case.mask.clone() else { return Ok(()) };
        let case = Case { recipe: Recipe { nodata: None, ..case.recipe.clone() }, ..case };
        let hidden: Vec<bool> = image.iter().map(|byte| *byte == 0).collect();
        let shown: Vec<bool> = hidden.iter().map(|hidden| !hidden).collect();
        let (before, after) = (case.rows(0, case.frame.height).0, case.at_once());
        prop_assert_eq!(left_alone(&before, &hidden), left_alone(&after, &hidden));

        // Whatever the hidden pixels are, the others become the same.
        let mut altered = case.clone();
        let channels = case.frame.layout.channels();
        let places = (0..hidden.len() * channels).filter(|place| hidden[place / channels]);
        match &mut altered.samples {
            Samples::U8(samples) => places.for_each(|place| samples[place] ^= other),
            Samples::U16(samples) => places.for_each(|place| samples[place] ^= u16::from(other)),
            _ => unreachable!("whole numbers alone"),
        }
        prop_assert_eq!(left_alone(&altered.at_once(), &shown), left_alone(&after, &shown));
    }

    #[test]
    fn channels_are_equalized_as_gray_images_of_their_own_each_with_its_own_nodata(case in case()) {
        let (colors, channels) = (case.frame.layout.colors(), case.frame.layout.channels());
        prop_assume!(case.recipe.reference().is_none());
        let case = Case { recipe: Recipe { color: Color::Channels, ..case.recipe.clone() }, ..case };
        let together = case.at_once();
        for color in 0..colors {
            let layout = if channels > colors { Layout::GrayAlpha } else { Layout::Gray };
            let kept = |i: &usize| i % channels == color || i % channels >= colors;
            fn pick<S: Copy>(samples: &[S], kept: impl Fn(&usize) -> bool) -> Vec<S> {
                (0..samples.len()).filter(kept).map(|i| samples[i]).collect()
            }
            let of = |samples: &Samples| match samples {
                Samples::U8(samples) => Samples::U8(pick(samples, kept)),
                Samples::U16(samples) => Samples::U16(pick(samples, kept)),
                _ => unreachable!("whole numbers alone"),
            };
            let alone = Case { frame: Frame { layout, ..case.frame }, samples: of(&case.samples), ..case.clone() };
            prop_assert_eq!(alone.at_once().samples, of(&together.samples), "colour {}", color);
        }
    }

    #[test]
    fn packed_samples_are_equalized_as_if_their_levels_were_all_there_are(
        levels in proptest::collection::vec(0u16..512, 1..200), bits in 9u8..16, strength in select(vec![1_000u16, 400]),
    ) {
        let packed = Packed::new(bits).unwrap();
        let highest = u64::from(packed.highest());
        let recipe = Recipe { strength: Strength::thousandths(strength).unwrap(), ..Recipe::default() };
        let (layout, depth, width) = (Layout::Gray, Depth::Sixteen, levels.len() as u32);
        let frame = Frame { width, height: 1, layout, depth, packed: Some(packed) };
        let samples = Samples::U16(levels.iter().map(|level| packed.widen(*level)).collect());
        let rows = Rows { width, layout, samples };
        let mut counts = Counts::new(&recipe, &frame).unwrap();
        counts.count(0, &rows, None);
        let after = Table::new(&recipe, &counts, None).unwrap().apply(&recipe, 0, rows, None);
        let up_to = |level: u16| levels.iter().filter(|other| **other <= level).count() as u64;
        let lowest = up_to(*levels.iter().min().unwrap());
        let whole = levels.len() as u64 - lowest;
        let expected = levels.iter().map(|level| {
            let to = match whole {
                0 => u64::from(*level),
                _ => (2 * (up_to(*level) - lowest) * highest + whole) / (2 * whole),
            };
            let strength = u64::from(strength);
            packed.widen((((1_000 - strength) * u64::from(*level) + strength * to + 500) / 1_000) as u16)
        });
        prop_assert_eq!(after.samples, Samples::U16(expected.collect()));
    }

    #[test]
    fn no_strength_changes_nothing(case in case()) {
        prop_assume!(case.recipe.color != Color::Gray || case.frame.layout.colors() == 1);
        // Levels outside of a given range become its ends.
        prop_assume!(case.recipe.range.is_none_or(|range| range.numbers() == [0.0, 65_535.0]));
        let recipe = Recipe { strength: Strength::thousandths(0).unwrap(), ..case.recipe.clone() };
        let case = Case { recipe, ..case };
        prop_assert_eq!(case.at_once(), case.rows(0, case.frame.height).0);
    }

    #[test]
    fn any_bytes_are_counts_and_tables_or_are_refused(case in case(), bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut with_header = case.counts().to_bytes();
        with_header.truncate(8);
        with_header.extend(&bytes);
        for bytes in [bytes, with_header] {
            if let Ok(mut counts) = Counts::from_bytes(&case.recipe, &case.frame, &bytes) {
                while let Some(further) = counts.further() {
                    counts = further.filled(&bytes).unwrap_or(further);
                }
                case.table(&counts);
            }
            let _ = Table::from_bytes(&case.recipe, &case.frame, &bytes);
        }
    }
}

//! Four inks (CMYK): the colours of a result are those of the same colours equalized as red, green and blue, sample for sample.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use shared::equalize::{Color, Counts, Frame, Mask, Recipe, Table, inks_to_rgb};
use shared::pixels::{Layout, Rows, Samples};

/// Every colour that is a pixel's own, i.e. all but the single channels.
const COLORS: [Color; 5] = [Color::Luma, Color::Oklab, Color::Lab, Color::Hsv, Color::Gray];

fn recipe() -> impl Strategy<Value = Recipe> {
    let method = prop_oneof![
        Just(json!({"method": "global"})),
        Just(json!({"method": "global", "clip_limit": 1.5})),
        Just(json!({"method": "stretch", "low": 3, "high": 90})),
        Just(json!({"method": "stretch", "black": 20, "white": 180, "gamma": 1.7})),
        (1u16..5, 1u16..5).prop_map(|(columns, rows)| json!({"method": "clahe", "tiles": [columns, rows]})),
    ];
    (method, select(&COLORS[..]), select(vec![1.0, 0.3])).prop_map(|(mut fields, color, strength)| {
        fields["color"] = json!(color);
        fields["strength"] = json!(strength);
        serde_json::from_value(fields).unwrap()
    })
}

/// Inks with many blank and full ones, as in print.
fn image() -> impl Strategy<Value = Rows> {
    (1u32..30, 1usize..30, any::<bool>()).prop_flat_map(|(width, height, eight)| {
        let ink = prop_oneof![2 => Just(0u16), 1 => Just(u16::MAX), 4 => any::<u16>()];
        proptest::collection::vec(ink, width as usize * height * 4).prop_map(move |inks| {
            let samples = match eight {
                true => Samples::U8(inks.into_iter().map(|ink| (ink >> 8) as u8).collect()),
                false => Samples::U16(inks),
            };
            Rows { width, layout: Layout::Cmyk, samples }
        })
    })
}

fn equalized(recipe: &Recipe, rows: &Rows, shown: Option<&[u8]>) -> Rows {
    let mask = Mask::of(rows, None, shown);
    let (height, depth) = (rows.height() as u32, rows.samples.depth());
    let mut counts =
        Counts::new(recipe, &Frame { width: rows.width, height, layout: rows.layout, depth, packed: None }).unwrap();
    counts.count(0, rows, mask.as_ref());
    while let Some(mut further) = counts.further() {
        further.count(0, rows, mask.as_ref());
        counts = further;
    }
    Table::new(recipe, &counts, None).unwrap().apply(recipe, 0, rows.clone(), mask.as_ref())
}

/// Inks of each pixel whose colour is the same in both images.
fn of_same_color(one: &Rows, other: &Rows) -> Vec<[u16; 4]> {
    let inks = |rows: &Rows| -> Vec<u16> {
        match &rows.samples {
            Samples::U8(samples) => samples.iter().map(|sample| (*sample).into()).collect(),
            Samples::U16(samples) => samples.clone(),
            _ => unreachable!("inks have 8 or 16 bits"),
        }
    };
    let colors = [one, other].map(|rows| inks(&inks_to_rgb(rows.clone())));
    let same = colors[0].chunks(3).zip(colors[1].chunks(3)).map(|(a, b)| a == b);
    inks(one).as_chunks::<4>().0.iter().zip(same).filter(|(_, same)| *same).map(|(inks, _)| *inks).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn colours_of_the_result_are_those_of_the_equalized_colours(recipe in recipe(), image in image(), seed: u64) {
        let pixels = image.samples.len() / 4;
        let shown: Vec<u8> = (0..pixels).map(|pixel| u8::from(!(seed >> (pixel % 61)).is_multiple_of(4))).collect();
        for shown in [None, Some(shown.as_slice())] {
            let result = equalized(&recipe, &image, shown);
            let expected = equalized(&recipe, &inks_to_rgb(image.clone()), shown);
            prop_assert_eq!(&inks_to_rgb(result.clone()), &expected);
            if recipe.color != Color::Gray {
                // Where the colour stayed, so did the inks.
                prop_assert_eq!(of_same_color(&image, &result), of_same_color(&result, &image));
            }
        }
    }

    #[test]
    fn pictures_of_black_ink_alone_stay_so(recipe in recipe(), blacks in proptest::collection::vec(any::<u8>(), 1..300)) {
        prop_assume!(recipe.color != Color::Gray);
        let inks = blacks.iter().flat_map(|black| [0, 0, 0, *black]).collect();
        let image = Rows { width: blacks.len() as u32, layout: Layout::Cmyk, samples: Samples::U8(inks) };
        let gray: Vec<u8> = blacks.iter().map(|black| 255 - black).collect();
        let gray = Rows { width: image.width, layout: Layout::Gray, samples: Samples::U8(gray) };
        let Samples::U8(result) = equalized(&recipe, &image, None).samples else { unreachable!() };
        // Oklab and CIELAB give gray colours that are off by a level.
        prop_assert!(result.chunks(4).all(|inks| inks[..3].iter().all(|ink| *ink <= 4)), "{:?}", result);
        if matches!(recipe.color, Color::Luma | Color::Hsv) {
            let Samples::U8(expected) = equalized(&recipe, &gray, None).samples else { unreachable!() };
            let expected: Vec<u8> = expected.iter().flat_map(|gray| [0, 0, 0, 255 - gray]).collect();
            prop_assert_eq!(result, expected);
        }
    }
}

#[test]
fn a_mask_of_inks_hides_where_it_is_printed_black() {
    let inks = vec![0, 0, 0, 255, 0, 0, 0, 0, 255, 255, 255, 0, 255, 0, 0, 0];
    let mask = Rows { width: 4, layout: Layout::Cmyk, samples: Samples::U8(inks) };
    assert_eq!(Mask::image(&mask), [0, 255, 0, 255]);
}

#[test]
fn inks_by_themselves_start_at_blank_paper() {
    // A fifth of the pixels has each of these amounts; blank stays blank, the greatest amount becomes full.
    let inks = [[0, 0, 10, 7], [20, 0, 20, 7], [30, 0, 30, 7], [40, 0, 40, 7], [50, 9, 50, 7]].concat();
    let image = Rows { width: 5, layout: Layout::Cmyk, samples: Samples::U8(inks) };
    let recipe = Recipe::global(Color::Channels);
    let Samples::U8(result) = equalized(&recipe, &image, None).samples else { unreachable!() };
    let expected = [[0, 0, 0, 7], [64, 0, 64, 7], [128, 0, 128, 7], [191, 0, 191, 7], [255, 255, 255, 7]].concat();
    assert_eq!(result, expected);
}

//! Our tables beside those of OpenCV, Pillow, scikit-image and ImageMagick. Where they differ, this says by which formula,
//! and holds the other library to it; `docs/methods.md` says it in words.
//! `scripts/golden/libraries.py` makes the golden file.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::json;
use shared::equalize::{Color, Counts, Frame, Histogram, Recipe, Table};
use shared::pixels::{Depth, Layout, Rows, Samples};

#[derive(serde::Deserialize)]
struct Golden {
    tables: Vec<Image>,
    color: serde_json::Value,
}

/// An image by its counts, and what each of its levels becomes.
#[derive(serde::Deserialize)]
struct Image {
    name: String,
    levels: Vec<u8>,
    counts: Vec<u64>,
    made: BTreeMap<String, Vec<f64>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/libraries.json")).unwrap()
}

impl Image {
    fn rows(&self) -> Rows {
        let pixels = self.levels.iter().zip(&self.counts);
        let samples: Vec<u8> = pixels.flat_map(|(level, count)| vec![*level; *count as usize]).collect();
        Rows { width: samples.len() as u32, layout: Layout::Gray, samples: Samples::U8(samples) }
    }

    /// What each of the levels becomes here.
    fn ours(&self, recipe: serde_json::Value, reference: Option<&Image>) -> Vec<f64> {
        let recipe: Recipe = serde_json::from_value(recipe).unwrap();
        let rows = self.rows();
        let frame = Frame { width: rows.width, height: 1, layout: Layout::Gray, depth: Depth::Eight };
        let mut counts = Counts::new(&recipe, &frame).unwrap();
        counts.count(0, &rows, None);
        let reference = reference.map(|reference| {
            let mut histogram = Histogram::for_reference(&recipe, Layout::Gray, Layout::Gray, Depth::Eight);
            histogram.count(&reference.rows());
            histogram
        });
        let Table::Whole(lut) = Table::new(&recipe, &counts, reference.as_ref()).unwrap() else { unreachable!() };
        let Samples::U8(entries) = lut.entries() else { unreachable!() };
        self.levels.iter().map(|level| f64::from(entries[usize::from(*level)])).collect()
    }

    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// For each level, how many pixels have it or a lower one.
    fn cumulated(&self) -> Vec<u64> {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        sums.collect()
    }
}

#[test]
fn global_is_opencvs() {
    for image in golden().tables {
        assert_eq!(image.made["opencv equalizeHist"], image.ours(json!({"method": "global"}), None), "{}", image.name);
    }
}

#[test]
fn pillow_counts_the_levels_below_and_not_the_level_itself() {
    for image in golden().tables {
        let (n, sums) = (image.total(), image.cumulated());
        let step = (n - image.counts.last().unwrap()) / 255;
        let formula =
            sums.iter().zip(&image.counts).map(|(sum, count)| ((step / 2 + sum - count) / step).min(255) as f64);
        assert_eq!(image.made["pillow equalize"], formula.collect::<Vec<_>>(), "{}", image.name);
    }
}

#[test]
fn scikit_image_does_not_take_the_lowest_level_to_black() {
    for image in golden().tables {
        for (theirs, sum) in image.made["skimage equalize_hist"].iter().zip(image.cumulated()) {
            assert!((theirs - sum as f64 / image.total() as f64).abs() < 1e-6, "{}", image.name);
        }
    }
}

#[test]
fn imagemagick_takes_black_to_black_and_rounds_down() {
    for image in golden().tables {
        let black = if image.levels[0] == 0 { image.counts[0] } else { 0 };
        let formula = image.cumulated().into_iter().map(|sum| ((sum - black) * 255 / (image.total() - black)) as f64);
        assert_eq!(image.made["imagemagick equalize"], formula.collect::<Vec<_>>(), "{}", image.name);
    }
}

#[test]
fn stretch_is_pillows_and_imagemagicks_but_that_they_round_down() {
    for image in golden().tables {
        let ours = image.ours(json!({"method": "stretch", "low": 2, "high": 98}), None);
        let low = image.levels.iter().zip(&ours).rev().find(|(_, to)| **to == 0.0);
        let high = image.levels.iter().zip(&ours).find(|(_, to)| **to == 255.0);
        let (low, high) = (f64::from(*low.unwrap().0), f64::from(*high.unwrap().0));
        for library in ["pillow autocontrast 2", "imagemagick contrast-stretch 2%x2%"] {
            for ((theirs, ours), level) in image.made[library].iter().zip(&ours).zip(&image.levels) {
                let exact = ((f64::from(*level) - low) * 255.0 / (high - low)).clamp(0.0, 255.0);
                assert!((exact - ours).abs() <= 0.5, "{} {level}", image.name);
                assert_eq!(*theirs, (exact + 1e-9).floor(), "{library} {} {level}", image.name);
            }
        }
        // Percentiles of numpy lie between levels only where it interpolates; here they are the same levels.
        for (theirs, ours) in image.made["skimage rescale_intensity 2 98"].iter().zip(&ours) {
            assert!((theirs - ours).abs() <= 0.5 + 1e-9, "{}", image.name);
        }
    }
}

#[test]
fn scikit_image_matches_to_levels_between_those_of_the_reference() {
    let images = golden().tables;
    for image in &images {
        for reference in &images {
            let ours = image.ours(json!({"method": "match", "reference": "0".repeat(32)}), Some(reference));
            let theirs = &image.made[&format!("skimage match_histograms {}", reference.name)];
            for (ours, theirs) in ours.iter().zip(theirs) {
                let at = reference.levels.iter().position(|level| f64::from(*level) == *ours);
                let at = at.expect("ours is a level of the reference");
                // Theirs interpolates between the level before and this one; below all of them it stays at the lowest.
                let before = f64::from(reference.levels[at.saturating_sub(1)]);
                let within = before - 1e-6 <= *theirs && *theirs <= ours + 1e-6;
                assert!(within, "{} to {}: {ours}, {theirs}", image.name, reference.name);
            }
        }
    }
}

/// What a colour image becomes here, and what the golden file says.
fn color(recipe: Color, library: &str) -> (Vec<u8>, Vec<u8>) {
    let golden = golden().color;
    let read = |name: &str| -> Vec<u8> { serde_json::from_value(golden[name].clone()).unwrap() };
    let rows = Rows { width: 32, layout: Layout::Rgb, samples: Samples::U8(read("rgb")) };
    let recipe = Recipe::global(recipe);
    let frame = Frame { width: 32, height: 24, layout: Layout::Rgb, depth: Depth::Eight };
    let mut counts = Counts::new(&recipe, &frame).unwrap();
    counts.count(0, &rows, None);
    let result = Table::new(&recipe, &counts, None).unwrap().apply(&recipe, 0, rows, None);
    (result.to_le_bytes(), read(library))
}

#[test]
fn channels_are_opencvs() {
    let (ours, theirs) = color(Color::Channels, "opencv channels");
    assert_eq!(ours, theirs);
}

#[test]
fn luma_is_opencvs_but_for_its_rounding_of_y_and_chroma() {
    let (ours, theirs) = color(Color::Luma, "opencv YCrCb");
    let differences: Vec<u8> = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = differences.iter().map(|d| f64::from(*d)).sum::<f64>() / differences.len() as f64;
    assert!(
        differences.iter().all(|difference| *difference <= 4) && mean < 1.0,
        "{mean} {:?}",
        differences.iter().max()
    );
}

#[test]
fn the_value_of_hsv_is_opencvs() {
    let value = |rgb: &[u8]| -> Vec<u8> { rgb.chunks(3).map(|pixel| *pixel.iter().max().unwrap()).collect() };
    let (ours, theirs) = color(Color::Hsv, "opencv HSV");
    assert_eq!(value(&ours), value(&theirs));
}

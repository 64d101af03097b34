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
    clahe: Adaptive,
}

/// An image, and what CLAHE makes of it.
#[derive(serde::Deserialize)]
struct Adaptive {
    width: usize,
    tiles: [usize; 2],
    gray: Vec<u8>,
    /// By the clip limit.
    skimage: BTreeMap<u32, Vec<f64>>,
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
        let frame = Frame { width: rows.width, height: 1, layout: Layout::Gray, depth: Depth::Eight, packed: None };
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
    let frame = Frame { width: 32, height: 24, layout: Layout::Rgb, depth: Depth::Eight, packed: None };
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

impl Adaptive {
    /// What the image becomes here.
    fn ours(&self, clip: u32) -> Vec<f64> {
        let rows = Rows { width: self.width as u32, layout: Layout::Gray, samples: Samples::U8(self.gray.clone()) };
        let recipe = json!({"method": "clahe", "clip_limit": clip, "tiles": self.tiles});
        let recipe: Recipe = serde_json::from_value(recipe).unwrap();
        let height = (self.gray.len() / self.width) as u32;
        let frame = Frame { width: rows.width, height, layout: Layout::Gray, depth: Depth::Eight, packed: None };
        let mut counts = Counts::new(&recipe, &frame).unwrap();
        counts.count(0, &rows, None);
        let table = Table::new(&recipe, &counts, None).unwrap();
        table.apply(&recipe, 0, rows, None).to_le_bytes().into_iter().map(f64::from).collect()
    }

    /// What scikit-image makes of it by its own formulas (skimage/exposure/_adapthist.py), its last stretch left out.
    fn by_their_formulas(&self, clip: u32) -> Vec<f64> {
        const GRAYS: f64 = 16_383.0;
        let (width, [across, down]) = (self.width, self.tiles);
        let (tile, height) = (width / across, self.gray.len() / width);
        assert_eq!(tile * down, height);
        // The range of the image is stretched first, and 65 of those levels are a bin.
        let (least, most) = (*self.gray.iter().min().unwrap(), *self.gray.iter().max().unwrap());
        let bin = |level: u8| (f64::from(level - least) * GRAYS / f64::from(most - least)).round() as usize / 65;
        let pixels = (tile * tile) as i64;
        let limit = if clip == 0 { pixels } else { (i64::from(clip) * pixels / 256).max(1) };
        let map = |column: usize, row: usize| -> Vec<f64> {
            let mut bins = vec![0; 256];
            for y in row * tile..(row + 1) * tile {
                self.gray[y * width + column * tile..][..tile].iter().for_each(|level| bins[bin(*level)] += 1);
            }
            clip_again_and_again(&mut bins, limit);
            let sums = bins.iter().scan(0, |sum, bin| {
                *sum += bin;
                Some(*sum)
            });
            sums.map(|sum| (sum as f64 * GRAYS / pixels as f64).min(GRAYS).floor()).collect()
        };
        let maps: Vec<Vec<f64>> = (0..across * down).map(|tile| map(tile % across, tile / across)).collect();
        // The tiles before and after a pixel, between whose middles it lies, and how far from the first.
        let between = |at: usize, tiles: usize| {
            let (index, rest) = ((at + tile / 2) / tile, (at + tile / 2) % tile);
            (index.saturating_sub(1), index.min(tiles - 1), rest as f64 / tile as f64)
        };
        let value = |(at, level): (usize, &u8)| {
            let ((left, right, x), (above, below, y)) = (between(at % width, across), between(at / width, down));
            let map = |row: usize, column: usize| maps[row * across + column][bin(*level)];
            let line = |row| map(row, left) * (1.0 - x) + map(row, right) * x;
            (line(above) * (1.0 - y) + line(below) * y).floor()
        };
        self.gray.iter().enumerate().map(value).collect()
    }
}

/// scikit-image's `clip_histogram`: what is cut off is given to the bins below the limit until nothing of it is left.
fn clip_again_and_again(bins: &mut [i64], limit: i64) {
    let mut excess: i64 = bins.iter().map(|bin| (bin - limit).max(0)).sum();
    bins.iter_mut().for_each(|bin| *bin = (*bin).min(limit));
    let share = excess / bins.len() as i64;
    let upper = limit - share;
    for bin in bins.iter_mut().filter(|bin| **bin < upper) {
        *bin += share;
        excess -= share;
    }
    for bin in bins.iter_mut().filter(|bin| (upper..limit).contains(*bin)) {
        excess -= limit - *bin;
        *bin = limit;
    }
    while excess > 0 {
        let before = excess;
        for first in 0..bins.len() {
            let under = bins.iter().filter(|bin| **bin < limit).count() as i64;
            let step = (under / excess).max(1) as usize;
            for bin in bins[first..].iter_mut().step_by(step).filter(|bin| **bin < limit) {
                *bin += 1;
                excess -= 1;
            }
            if excess <= 0 {
                break;
            }
        }
        if before == excess {
            break;
        }
    }
}

/// Values over all of 0 to 255, as scikit-image leaves them.
fn stretched(values: &[f64]) -> Vec<f64> {
    let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(lo, hi), value| (lo.min(*value), hi.max(*value)));
    values.iter().map(|value| (value - least) / (most - least) * 255.0).collect()
}

/// How far values lie apart at most, and on average.
fn apart(ours: &[f64], theirs: &[f64]) -> (f64, f64) {
    let apart: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).collect();
    (apart.iter().copied().fold(0.0, f64::max), apart.iter().sum::<f64>() / apart.len() as f64)
}

#[test]
fn scikit_images_clahe_is_ours_but_that_it_clips_again_and_again_and_stretches_in_the_end() {
    let image = golden().clahe;
    for (clip, theirs) in &image.skimage {
        // f32 in theirs: a floor may come out one of 16,383 levels lower.
        let (most, _) = apart(&stretched(&image.by_their_formulas(*clip)), theirs);
        assert!(most < 0.05, "clip limit {clip}: these are their formulas to within {most}");
    }
    // Where nothing is clipped only rounding is left: we give levels, they give fractions of bins.
    let (most, mean) = apart(&stretched(&image.ours(0)), &image.skimage[&0]);
    assert!(most <= 2.5 && mean <= 1.0, "without a clip limit {most}, {mean} on average");
    // Where it is, it is the clipping that makes the difference.
    let (most, mean) = apart(&stretched(&image.ours(2)), &image.skimage[&2]);
    assert!(most <= 52.0 && mean <= 14.0 && mean > 1.0, "with a clip limit of 2 {most}, {mean} on average");
}

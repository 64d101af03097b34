//! Gray 8-bit equalization equals OpenCV's `equalizeHist`. The golden files are written by `scripts/golden/opencv.py`.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use serde::Deserialize;
use shared::equalize::{Color, Histogram, Lut, Recipe, apply};
use shared::pixels::{Depth, Layout, Rows, Samples};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// What OpenCV makes of the levels that occur in an image.
#[derive(Deserialize)]
struct Table {
    name: String,
    levels: Vec<u8>,
    counts: Vec<u64>,
    equalized: Vec<u8>,
}

/// A histogram with these counts.
fn histogram(table: &Table) -> Histogram {
    let mut histogram = Histogram::new(&Recipe::default(), Layout::Gray, Depth::Eight);
    for (level, count) in table.levels.iter().zip(&table.counts) {
        let samples = Samples::U8(vec![*level; *count as usize]);
        histogram.count(&Rows { width: 1, layout: Layout::Gray, samples });
    }
    histogram
}

#[test]
fn every_table_is_the_one_of_opencv() {
    let tables: Vec<Table> = serde_json::from_slice(&std::fs::read(golden("tables.json")).unwrap()).unwrap();
    assert!(tables.len() > 50);
    for table in &tables {
        let lut = Lut::from_histogram(&histogram(table));
        let Samples::U8(entries) = lut.entries() else { panic!("a table of 16 bits") };
        let ours: Vec<u8> = table.levels.iter().map(|level| entries[usize::from(*level)]).collect();
        assert_eq!(ours, table.equalized, "{}", table.name);
    }
}

#[test]
fn every_pixel_is_the_one_of_opencv_whatever_the_colour() {
    for name in ["gradient-53x37", "noise-53x37", "constant-53x37"] {
        let original = std::fs::read(golden(&format!("{name}.gray"))).unwrap();
        let expected = std::fs::read(golden(&format!("{name}.equalized"))).unwrap();
        for color in [Color::Luma, Color::Channels, Color::Hsv, Color::Gray] {
            let recipe = Recipe::global(color);
            let rows = Rows::from_le_bytes(53, Layout::Gray, Depth::Eight, &original).unwrap();
            let mut histogram = Histogram::new(&recipe, Layout::Gray, Depth::Eight);
            histogram.count(&rows);
            let result = apply(&recipe, &Lut::from_histogram(&histogram), rows);
            assert_eq!(result.to_le_bytes(), expected, "{name} {color:?}");
        }
    }
}

//! The images that clients upload, with their expected results.

use std::sync::OnceLock;

use shared::equalize::Recipe;
use testkit::Dice;
use testkit::images::{gray8_tiff, oracle, rgb16_tiff, rgba_png};

/// An image and its result.
pub struct Sample {
    /// File name extension.
    pub ending: &'static str,
    /// The original.
    pub bytes: Vec<u8>,
    /// The expected result, as `evenlight equalize` writes it.
    pub expected: Vec<u8>,
    /// Share of the uploads, in percent.
    weight: usize,
}

/// All samples. Below 5,000 pixels an image is one task; the large ones have several tasks per phase.
pub fn pool() -> &'static [Sample] {
    static POOL: OnceLock<Vec<Sample>> = OnceLock::new();
    POOL.get_or_init(|| {
        let of = |ending, weight, bytes: Vec<u8>| {
            let expected = oracle(&bytes, &Recipe::default());
            Sample { ending, bytes, expected, weight }
        };
        vec![
            of("png", 20, rgba_png(60, 50)),
            of("tif", 20, gray8_tiff(70, 60)),
            of("tif", 15, rgb16_tiff(64, 48)),
            of("jpg", 15, jpeg(64, 64)),
            of("png", 10, rgba_png(160, 120)),
            of("tif", 8, rgb16_tiff(200, 150)),
            of("jpg", 5, jpeg(300, 200)),
            of("tif", 3, gray8_tiff(1_400, 1_600)),
            of("png", 2, rgba_png(700, 800)),
            of("tif", 2, rgb16_tiff(700, 800)),
        ]
    })
}

/// Draws a sample by weight and returns its index.
pub fn draw(dice: &mut Dice) -> usize {
    let mut left = dice.index(pool().iter().map(|sample| sample.weight).sum());
    for (at, sample) in pool().iter().enumerate() {
        match left.checked_sub(sample.weight) {
            Some(rest) => left = rest,
            None => return at,
        }
    }
    0
}

/// Generates a colour JPEG with some noise.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let (columns, rows) = (usize::from(width), usize::from(height));
    let pixels: Vec<u8> = (0..columns * rows * 3)
        .map(|at| (60 + (at / 3 % columns) * 80 / columns + ((at * 2_654_435_761) >> 7) % 24 + at % 3 * 9) as u8)
        .collect();
    let mut file = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut file, 85);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    file
}

//! The original images of all runs with the oracle's results: generated once, as small as several parts allow.

use std::io::Cursor;
use std::sync::{Arc, OnceLock};

use shared::equalize::Recipe;
use testkit::images::{gray8_tiff, oracle, rgb16_tiff, rgba_png};

/// An image to upload, and its expected result.
pub struct Original {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub expected: Vec<u8>,
}

/// Returns all originals: one part, several parts, with and without a split, and JPEG, which is decoded as a whole.
pub fn all() -> &'static [Arc<Original>] {
    static ALL: OnceLock<Vec<Arc<Original>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let made = [
            ("three-parts.tif", gray8_tiff(1_024, 2_200)),
            ("small-rgb16.tif", rgb16_tiff(40, 30)),
            ("small-rgba.png", rgba_png(60, 45)),
            ("small.jpg", jpeg(64, 48)),
            ("two-parts.tif", gray8_tiff(1_024, 1_200)),
        ];
        let original = |(name, bytes): (&'static str, Vec<u8>)| {
            let expected = oracle(&bytes, &Recipe::default());
            Arc::new(Original { name, bytes, expected })
        };
        made.into_iter().map(original).collect()
    })
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let pixel = |x, y| image::Rgb([(x * 3 % 190) as u8, (y * 4 % 170) as u8, ((x * y) % 97) as u8]);
    let mut file = Cursor::new(Vec::new());
    image::RgbImage::from_fn(width, height, pixel).write_to(&mut file, image::ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

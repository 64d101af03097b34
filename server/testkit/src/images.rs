//! Test images: the samples, and generated ones.

use std::io::Cursor;
use std::path::Path;

use codec::{Limits, Source};
use pipeline::local::{Local, Opener, Others};
use shared::equalize::Recipe;
use tiff::encoder::{TiffEncoder, colortype};

/// Returns a sample's bytes.
pub fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/samples").join(name)).unwrap()
}

/// The single-page samples.
pub const SAMPLES: [&str; 8] = [
    "brick.png",
    "cell.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
];

/// Returns a deterministic number stream (xorshift64*, G. Marsaglia and S. Vigna), so that generated images are never flat.
fn noise(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        seed.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// Generates a 16-bit RGB TIFF: a dim gradient with noise.
pub fn rgb16_tiff(width: u32, height: u32) -> Vec<u8> {
    let mut next = noise(7);
    let samples: Vec<u16> =
        (0..width * height * 3).map(|at| (at % 9_973 + (next() % 4_096) as u32) as u16 + 900).collect();
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    encoder.write_image::<colortype::RGB16>(width, height, &samples).unwrap();
    file.into_inner()
}

/// Generates a lossless WebP with alpha.
pub fn rgba_webp(width: u32, height: u32) -> Vec<u8> {
    let mut next = noise(13);
    let samples: Vec<u8> = (0..width * height * 4).map(|at| (at / 9_001) as u8 / 2 + (next() % 24) as u8).collect();
    let mut file = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut file);
    encoder.encode(&samples, width, height, image_webp::ColorType::Rgba8).unwrap();
    file
}

/// Generates an 8-bit gray TIFF in strips.
pub fn gray8_tiff(width: u32, height: u32) -> Vec<u8> {
    let mut next = noise(11);
    let samples: Vec<u8> = (0..u64::from(width) * u64::from(height))
        .map(|at| 40 + ((at / 7_001) % 60) as u8 + (next() % 32) as u8)
        .collect();
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<colortype::Gray8>(width, height).unwrap();
    image.rows_per_strip(64).unwrap();
    image.write_data(&samples).unwrap();
    file.into_inner()
}

/// Generates a floating-point TIFF whose value rises unevenly, with nodata (−9999, declared in GDAL's field), NaN and
/// infinities.
pub fn float_tiff(width: u32, height: u32) -> Vec<u8> {
    let mut next = noise(5);
    let value = |at: u32, noise: u64| match noise % 50 {
        0 => -9_999.0,
        1 => f32::NAN,
        2 => f32::INFINITY,
        _ => (at as f32 / 1e4).powi(3) - 120.0 + noise as u8 as f32,
    };
    let samples: Vec<f32> = (0..width * height).map(|at| value(at, next())).collect();
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let mut image = encoder.new_image::<colortype::Gray32Float>(width, height).unwrap();
    image.encoder().write_tag(tiff::tags::Tag::Unknown(42_113), "-9999").unwrap();
    image.rows_per_strip(16).unwrap();
    image.write_data(&samples).unwrap();
    file.into_inner()
}

/// Generates a TIFF of pages with different sizes, depths and layouts.
pub fn pages_tiff() -> Vec<u8> {
    let mut next = noise(13);
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let gray: Vec<u8> = (0..900 * 1_300).map(|_| 30 + (next() % 60) as u8).collect();
    encoder.write_image::<colortype::Gray8>(900, 1_300, &gray).unwrap();
    let rgb: Vec<u16> = (0..3 * 250 * 400).map(|at| at as u16 / 3 + (next() % 999) as u16).collect();
    encoder.write_image::<colortype::RGB16>(250, 400, &rgb).unwrap();
    let float: Vec<f32> = (0..120 * 90).map(|at| (at as f32).sqrt() + (next() % 7) as f32).collect();
    encoder.write_image::<colortype::Gray32Float>(120, 90, &float).unwrap();
    file.into_inner()
}

/// Generates an RGBA PNG whose lower left is fully transparent, with colours underneath that must be kept.
pub fn rgba_png(width: u32, height: u32) -> Vec<u8> {
    let mut next = noise(3);
    let pixel = |at: u32, noise: u64| {
        let (x, y) = (at % width, at / width);
        let alpha = if x < y { 0 } else { 255 - (noise % 3) as u8 * 60 };
        [(x % 200) as u8, (noise % 90) as u8, (y % 150) as u8, alpha]
    };
    let samples: Vec<u8> = (0..width * height).flat_map(|at| pixel(at, next())).collect();
    png_of(width, height, png::ColorType::Rgba, &samples)
}

/// Generates a mask: a gray PNG of this size that is black in the middle and on a line.
pub fn mask_png(width: u32, height: u32) -> Vec<u8> {
    let black = |x: u32, y: u32| y == height / 9 || (width / 3..width / 2).contains(&x) && y > height / 2;
    let samples: Vec<u8> = (0..width * height).map(|at| if black(at % width, at / width) { 0 } else { 200 }).collect();
    png_of(width, height, png::ColorType::Grayscale, &samples)
}

/// Encodes 8-bit samples as PNG.
fn png_of(width: u32, height: u32, color: png::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(samples).unwrap();
    file
}

/// Returns what `evenlight equalize` writes for these bytes: the oracle.
pub fn oracle(original: &[u8], recipe: &Recipe) -> Vec<u8> {
    oracle_with(original, recipe, None, None)
}

/// The same with the companion files of a recipe.
pub fn oracle_with(original: &[u8], recipe: &Recipe, reference: Option<&[u8]>, mask: Option<&[u8]>) -> Vec<u8> {
    let open = |bytes: &[u8]| {
        let bytes = bytes.to_vec();
        move || Ok(Box::new(Cursor::new(bytes.clone())) as Box<dyn Source>)
    };
    let (reference, mask) = (reference.map(open), mask.map(open));
    let others = Others {
        reference: reference.as_ref().map(|open| open as &Opener<'_>),
        mask: mask.as_ref().map(|open| open as &Opener<'_>),
    };
    let local = Local { limits: Limits::default(), pool: None, scratch: std::env::temp_dir() };
    let mut file = Cursor::new(Vec::new());
    local.equalize(open(original), recipe, others, &mut file, &mut |_, _| {}).unwrap();
    file.into_inner()
}

//! Pixels a second of every kernel that the machine has, on a strip as a task has them, in one thread.
//!
//! `cargo bench -p shared --bench kernels [-- FILTER]`. `memcpy` is what memory alone allows. Beside OpenCV, on whole images:
//! `scripts/bench/kernels.py`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use shared::equalize::clahe::{self, Clahe, TileHistograms, TileTables};
use shared::equalize::{Color, Histogram, Kernel, Lut, Recipe, apply_le_bytes_into, output_layout};
use shared::pixels::{Depth, Layout};

const WIDTH: u32 = 2_000;
const HEIGHT: u32 = 500;
const PIXELS: usize = (WIDTH * HEIGHT) as usize;

const IMAGES: [(&str, Layout, Depth); 6] = [
    ("gray 8", Layout::Gray, Depth::Eight),
    ("gray+alpha 8", Layout::GrayAlpha, Depth::Eight),
    ("RGB 8", Layout::Rgb, Depth::Eight),
    ("RGBA 8", Layout::Rgba, Depth::Eight),
    ("gray 16", Layout::Gray, Depth::Sixteen),
    ("RGB 16", Layout::Rgb, Depth::Sixteen),
];

/// Smooth shapes with a sensor's noise; every 16th pixel is fully transparent where there is alpha.
fn strip(layout: Layout, depth: Depth) -> Vec<u8> {
    let mut noise = 1u32;
    let channels = layout.channels();
    let samples = (0..PIXELS * channels).flat_map(|index| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (pixel, channel) = (index / channels, index % channels);
        let slope = (pixel % WIDTH as usize) as f32 / WIDTH as f32;
        let level = 0.2 + 0.5 * slope + 0.08 * channel as f32 + 0.02 * (noise >> 8) as f32 / (1 << 24) as f32;
        let alpha = layout.has_alpha() && channel == channels - 1;
        let sample = if alpha { u16::from(!pixel.is_multiple_of(16)) * u16::MAX } else { (level * 65_535.0) as u16 };
        let bytes = sample.to_le_bytes();
        bytes[2 - depth.bytes()..].to_vec()
    });
    samples.collect()
}

/// Colours of all hues at full saturation, of which an equalized lightness is often outside of sRGB.
fn saturated(depth: Depth) -> Vec<u8> {
    let wave = |pixel: usize, channel: usize| {
        let (x, y) = (pixel % WIDTH as usize, pixel / WIDTH as usize);
        let phase = x as f32 / 90.0 + channel as f32 * std::f32::consts::TAU / 3.0;
        (0.1 + 0.9 * y as f32 / HEIGHT as f32) * (0.5 + 0.5 * phase.sin())
    };
    let samples = (0..3 * PIXELS).map(|index| (wave(index / 3, index % 3) * 65_535.0) as u16);
    samples.flat_map(|sample| sample.to_le_bytes()[2 - depth.bytes()..].to_vec()).collect()
}

fn ways_of(layout: Layout) -> &'static [Color] {
    match layout.colors() {
        1 => &[Color::Luma],
        _ => &[Color::Luma, Color::Hsv, Color::Channels, Color::Gray],
    }
}

fn count(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("count");
    group.throughput(Throughput::Elements(PIXELS as u64));
    for (name, layout, depth) in IMAGES {
        let bytes = strip(layout, depth);
        for color in ways_of(layout) {
            let mut histogram = Histogram::new(&Recipe::global(*color), layout, depth);
            for kernel in Kernel::available() {
                let id = BenchmarkId::new(format!("{name} {color:?}"), kernel.name());
                group.bench_function(id, |bencher| {
                    bencher.iter(|| histogram.count_le_bytes(kernel, layout, black_box(&bytes)));
                });
            }
        }
    }
    group.finish();
}

fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.throughput(Throughput::Elements(PIXELS as u64));
    for (name, layout, depth) in IMAGES {
        let bytes = strip(layout, depth);
        let mut out = vec![0; bytes.len()];
        group.bench_function(BenchmarkId::new(name, "memcpy"), |bencher| {
            bencher.iter(|| out.copy_from_slice(black_box(&bytes)));
        });
        for color in ways_of(layout) {
            let recipe = Recipe::global(*color);
            let mut histogram = Histogram::new(&recipe, layout, depth);
            histogram.count_le_bytes(Kernel::best(), layout, &bytes);
            let lut = Lut::from_histogram(&histogram);
            let out = &mut out[..PIXELS * output_layout(&recipe, layout).channels() * depth.bytes()];
            for kernel in Kernel::available() {
                let id = BenchmarkId::new(format!("{name} {color:?}"), kernel.name());
                group.bench_function(id, |bencher| {
                    bencher.iter(|| apply_le_bytes_into(kernel, &recipe, &lut, layout, black_box(&bytes), out));
                });
            }
        }
    }
    group.finish();
}

/// Counting and applying with each definition of lightness, of a part of the strip, as two of them take long. Gamut mapping takes longer
/// the more colours are outside of sRGB.
fn lightness(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lightness");
    let (pixels, kernel) = (PIXELS / 10, Kernel::best());
    group.throughput(Throughput::Elements(pixels as u64));
    for depth in [Depth::Eight, Depth::Sixteen] {
        for (name, all) in [("muted", strip(Layout::Rgb, depth)), ("saturated", saturated(depth))] {
            let bytes: Vec<u8> =
                all.chunks(10 * 3 * depth.bytes()).flat_map(|ten| ten[..3 * depth.bytes()].to_vec()).collect();
            let mut out = vec![0; bytes.len()];
            for color in [Color::Luma, Color::Lab, Color::Oklab] {
                let recipe = Recipe::global(color);
                let id = BenchmarkId::new(format!("{name} RGB {} {color:?}", depth.bits()), kernel.name());
                group.bench_function(id, |bencher| {
                    bencher.iter(|| {
                        let mut histogram = Histogram::new(&recipe, Layout::Rgb, depth);
                        histogram.count_le_bytes(kernel, Layout::Rgb, black_box(&bytes));
                        let lut = Lut::from_histogram(&histogram);
                        apply_le_bytes_into(kernel, &recipe, &lut, Layout::Rgb, black_box(&bytes), &mut out);
                    });
                });
            }
        }
    }
    group.finish();
}

fn tiles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("clahe");
    group.throughput(Throughput::Elements(PIXELS as u64));
    let (clahe, color) = (Clahe::default(), Color::Luma);
    for (name, layout, depth) in IMAGES.into_iter().filter(|(_, layout, _)| !layout.has_alpha()) {
        let bytes = strip(layout, depth);
        let mut out = vec![0; bytes.len()];
        // Counted again and again, more than the image has, which only merging would refuse.
        let mut histograms = TileHistograms::new(&clahe, color, layout, depth, WIDTH, HEIGHT).unwrap();
        histograms.count_le_bytes(Kernel::best(), 0, &bytes);
        let tables = TileTables::from_histograms(&clahe, &histograms);
        for kernel in Kernel::available() {
            group.bench_function(BenchmarkId::new(format!("count {name}"), kernel.name()), |bencher| {
                bencher.iter(|| histograms.count_le_bytes(kernel, 0, black_box(&bytes)));
            });
            group.bench_function(BenchmarkId::new(format!("apply {name}"), kernel.name()), |bencher| {
                bencher.iter(|| {
                    clahe::apply_le_bytes_into(kernel, color, &tables, layout, 0, black_box(&bytes), &mut out);
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    targets = count, apply, lightness, tiles
}
criterion_main!(benches);

use std::io::Cursor;

use server::codec::{self, View};
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::{inspect, make, sample};

fn view(file: &[u8], max_side: u32) -> View {
    let info = inspect(file).unwrap();
    let profile = codec::profile(&mut Cursor::new(file.to_vec()), &info).unwrap();
    let mut reader = codec::open(Box::new(Cursor::new(file.to_vec())), &info).unwrap();
    codec::view(reader.as_mut(), &info, profile.as_deref(), max_side).unwrap()
}

fn oriented(rows: &Rows, orientation: u8) -> Vec<u8> {
    let fields = vec![(274, 3, 1, vec![orientation, 0])];
    make::Tiff { fields, ..make::Tiff::default() }.file(rows)
}

#[test]
fn a_view_is_never_larger_than_asked_and_never_enlarged() {
    let moon = view(&sample("moon.png"), 200);
    assert_eq!((moon.width, moon.height, moon.media_type), (200, 200, "image/jpeg"));
    let page = view(&sample("page.png"), 2_048);
    assert_eq!((page.width, page.height), (384, 191));
    let rocket = image::load_from_memory(&view(&sample("rocket.jpg"), 64).bytes).unwrap();
    assert_eq!((rocket.width(), rocket.height()), (64, 43));
    let line = make::png(&make::pixels(Layout::Gray, Depth::Eight, 5_000, 1));
    let line = view(&line, 100);
    assert_eq!((line.width, line.height), (100, 1));
}

#[test]
fn a_view_is_the_average_of_the_area_that_each_pixel_covers() {
    // 3 → 2 pixels: each covers one and a half.
    let rows = Rows { width: 3, layout: Layout::GrayAlpha, samples: Samples::U8(vec![0, 255, 90, 255, 240, 255]) };
    let picture = image::load_from_memory(&view(&make::png(&rows), 2).bytes).unwrap().into_luma_alpha8();
    assert_eq!(picture.as_raw(), &[30, 255, 190, 255]);
}

#[test]
fn transparent_pixels_lend_a_view_no_colour() {
    let samples = Samples::U16(vec![65_535, 0, 0, 65_535, 0, 65_535, 0, 0]);
    let rows = Rows { width: 2, layout: Layout::Rgba, samples };
    let view = view(&make::png(&rows), 1);
    assert_eq!(view.media_type, "image/png");
    let picture = image::load_from_memory(&view.bytes).unwrap().into_rgba8();
    assert_eq!(picture.as_raw(), &[255, 0, 0, 128]);
}

#[test]
fn a_view_is_upright_for_every_orientation() {
    // The upright image, 2 × 3 pixels, and how it is stored in each orientation, according to the standard.
    let seen = [[10_u8, 20], [30, 40], [50, 60]];
    for orientation in 1..=8 {
        let turned = orientation >= 5;
        let (width, height) = if turned { (3, 2) } else { (2, 3) };
        let mut stored = Vec::new();
        for row in 0..height {
            for column in 0..width {
                // Where the 0th row and column are on the upright image (CIPA DC-008, table of Orientation).
                let (y, x) = match orientation {
                    1 => (row, column),
                    2 => (row, 1 - column),
                    3 => (2 - row, 1 - column),
                    4 => (2 - row, column),
                    5 => (column, row),
                    6 => (column, 1 - row),
                    7 => (2 - column, 1 - row),
                    _ => (2 - column, row),
                };
                stored.extend([seen[y][x], 255]);
            }
        }
        let rows = Rows { width: width as u32, layout: Layout::GrayAlpha, samples: Samples::U8(stored) };
        let file = oriented(&rows, orientation);
        assert_eq!(inspect(&file).unwrap().displayed(), (2, 3));
        let picture = image::load_from_memory(&view(&file, 100).bytes).unwrap().into_luma8();
        assert_eq!((picture.width(), picture.height()), (2, 3));
        assert_eq!(picture.as_raw(), seen.as_flattened(), "orientation {orientation}");
    }
}

#[test]
fn a_view_shows_the_image() {
    let file = sample("coffee.png");
    let whole = image::load_from_memory(&file).unwrap();
    let small = image::load_from_memory(&view(&file, 300).bytes).unwrap().into_rgb8();
    let expected = whole.resize_exact(300, 200, image::imageops::FilterType::Triangle).into_rgb8();
    let error: u64 =
        small.as_raw().iter().zip(expected.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
    assert!(error / (small.as_raw().len() as u64) < 120, "mean squared error {}", error / small.as_raw().len() as u64);
}

//! Views show colours according to the file's profile. The golden file is written by `scripts/golden/colors.py`.

use std::io::Cursor;

use base64::Engine;
use jpeg_encoder::{ColorType, Encoder};
use server::codec::{self, LevelRows, PYRAMID_ENTRY, PYRAMID_TAIL, View};
use shared::pixels::{Depth, Layout, Rows, Samples};
use shared::pyramid::{Pyramid, place};

use super::{inspect, make, sample};

/// Side in pixels of a patch of one colour, large enough that lossy compression changes it little.
const PATCH: usize = 16;

#[derive(serde::Deserialize)]
struct Golden {
    name: String,
    profile: String,
    from: Vec<u8>,
    /// LittleCMS's result.
    to: Vec<u8>,
}

impl Golden {
    fn all() -> Vec<Self> {
        serde_json::from_slice(&sample("made/colors.json")).unwrap()
    }

    fn named(name: &str) -> Self {
        Self::all().into_iter().find(|golden| golden.name == name).unwrap()
    }

    fn profile(&self) -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(&self.profile).unwrap()
    }

    fn colors(&self) -> usize {
        if self.name.starts_with("gray") { 1 } else { 3 }
    }

    /// Returns the samples, each with an alpha, so that the view is compressed losslessly.
    fn with_alpha(&self, depth: Depth) -> Rows {
        let samples: Vec<u8> = self.from.chunks(self.colors()).flat_map(|pixel| [pixel, &[200]].concat()).collect();
        let samples = match depth {
            Depth::Eight => Samples::U8(samples),
            _ => Samples::U16(samples.iter().map(|sample| u16::from(*sample) * 257).collect()),
        };
        let layout = if self.colors() == 1 { Layout::GrayAlpha } else { Layout::Rgba };
        Rows { width: (self.from.len() / self.colors()) as u32, layout, samples }
    }

    /// Returns every seventh colour as a patch, side by side.
    fn patches(&self, samples: &[u8]) -> Rows {
        let line: Vec<u8> = samples
            .chunks(3)
            .step_by(7)
            .flat_map(|pixel| std::iter::repeat_n(pixel, PATCH))
            .flatten()
            .copied()
            .collect();
        let width = (line.len() / 3) as u32;
        Rows { width, layout: Layout::Rgb, samples: Samples::U8(line.repeat(PATCH)) }
    }
}

fn png(rows: &Rows, profile: &[u8]) -> Vec<u8> {
    let chunk = [b"name\0\0", &make::zlib(profile)[..]].concat();
    make::with_chunks(&make::png(rows), &[make::chunk(b"iCCP", &chunk)])
}

fn jpeg(rows: &Rows, profile: &[u8]) -> Vec<u8> {
    let (mut file, Samples::U8(samples)) = (Vec::new(), &rows.samples) else { unreachable!() };
    let mut encoder = Encoder::new(&mut file, 100);
    encoder.add_icc_profile(profile).unwrap();
    encoder.encode(samples, rows.width as u16, rows.height() as u16, ColorType::Rgb).unwrap();
    file
}

fn tiff(rows: &Rows, profile: &[u8]) -> Vec<u8> {
    let fields = vec![(34_675, 7, profile.len() as u32, profile.to_vec())];
    make::Tiff { fields, ..make::Tiff::default() }.file(rows)
}

fn webp(rows: &Rows, profile: &[u8]) -> Vec<u8> {
    let (mut file, Samples::U8(samples)) = (Vec::new(), &rows.samples) else { unreachable!() };
    let mut encoder = image_webp::WebPEncoder::new(&mut file);
    encoder.set_icc_profile(profile.to_vec());
    encoder.encode(samples, rows.width, rows.height() as u32, image_webp::ColorType::Rgb8).unwrap();
    file
}

fn view(file: &[u8]) -> View {
    let info = inspect(file).unwrap();
    let profile = codec::profile(&mut Cursor::new(file), &info).unwrap();
    let mut reader = codec::open(Box::new(Cursor::new(file.to_vec())), &info).unwrap();
    codec::view(reader.as_mut(), &info, profile.as_deref(), 1_024).unwrap()
}

/// Returns the first row of the finest level of tiles.
fn tiles(file: &[u8]) -> Vec<u8> {
    let info = inspect(file).unwrap();
    let profile = codec::profile(&mut Cursor::new(file), &info).unwrap();
    let mut reader = codec::open(Box::new(Cursor::new(file.to_vec())), &info).unwrap();
    let mut out = Vec::new();
    let mut emit = |piece| {
        out.extend(piece);
        Ok(())
    };
    codec::pyramid(reader.as_mut(), &info, profile.as_deref(), &mut emit).unwrap();
    let (index, table) = codec::pyramid_parts(out.len() as u64, &out[out.len() - PYRAMID_TAIL as usize..]).unwrap();
    let pyramid: Pyramid = serde_json::from_slice(&out[index.start as usize..index.end as usize]).unwrap();
    let fetch = move |which| {
        let at = (table.start + PYRAMID_ENTRY * place(info.width, info.height, which).unwrap()) as usize;
        let range = codec::pyramid_tile(&out[at..at + PYRAMID_ENTRY as usize]).unwrap();
        Ok(out[range.start as usize..range.end as usize].to_vec())
    };
    let mut rows = LevelRows::open(&pyramid, u32::MAX, Box::new(fetch)).unwrap();
    let Samples::U8(samples) = codec::RowReader::read(&mut rows, 0..1).unwrap().samples else { unreachable!() };
    samples
}

/// Returns the greatest difference.
fn apart(one: &[u8], other: &[u8]) -> u8 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| one.abs_diff(*other)).max().unwrap()
}

/// Returns the samples in the middle of each patch of a row of colours.
fn middles(row: &[u8]) -> Vec<u8> {
    row.chunks_exact(3 * PATCH).flat_map(|patch| patch[3 * PATCH / 2..][..3].to_vec()).collect()
}

#[test]
fn pictures_have_the_colours_that_littlecms_makes_of_each_profile_in_8_and_16_bits() {
    for golden in Golden::all() {
        for depth in [Depth::Eight, Depth::Sixteen] {
            let shown = view(&png(&golden.with_alpha(depth), &golden.profile()));
            let shown = image::load_from_memory(&shown.bytes).unwrap().into_rgba8();
            let colors: Vec<u8> = shown.pixels().flat_map(|pixel| pixel.0[..golden.colors()].to_vec()).collect();
            assert!(apart(&colors, &golden.to) <= 1, "{} {depth:?}: {}", golden.name, apart(&colors, &golden.to));
            assert!(shown.pixels().all(|pixel| pixel.0[3] == 200), "{}: alpha changed", golden.name);
        }
    }
}

#[test]
fn thumbnails_and_tiles_of_every_format_show_the_colours_of_the_profile() {
    for name in ["Display P3", "Adobe RGB"] {
        let golden = Golden::named(name);
        let (rows, profile) = (golden.patches(&golden.from), golden.profile());
        let Samples::U8(expected) = golden.patches(&golden.to).samples else { unreachable!() };
        let expected = middles(&expected[..rows.width as usize * 3]);
        // A JPEG's own loss adds to the view's.
        let files = [
            ("PNG", png(&rows, &profile), 2),
            ("JPEG", jpeg(&rows, &profile), 3),
            ("TIFF", tiff(&rows, &profile), 2),
            ("WebP", webp(&rows, &profile), 2),
        ];
        for (format, file, most) in files {
            let shown = image::load_from_memory(&view(&file).bytes).unwrap().into_rgb8();
            let row = &shown.as_raw()[shown.width() as usize * 3 * PATCH / 2..][..shown.width() as usize * 3];
            let (view, tiles) = (apart(&middles(row), &expected), apart(&middles(&tiles(&file)), &expected));
            assert!(view <= most, "a view of a {format} in {name}: {view}");
            assert!(tiles <= most, "tiles of a {format} in {name}: {tiles}");
        }
    }
}

#[test]
fn a_broken_profile_and_one_of_other_colours_are_ignored() {
    let golden = Golden::named("Display P3");
    let (rows, profile) = (golden.with_alpha(Depth::Eight), golden.profile());
    let plain = view(&make::png(&rows));
    for broken in [&b"profile"[..], &profile[..200], &Golden::named("gray of gamma 1.8").profile()] {
        assert_eq!(view(&png(&rows, broken)), plain);
    }
    let cut = make::with_chunks(&make::png(&rows), &[make::chunk(b"iCCP", b"name\0\0no zlib stream")]);
    assert_eq!(view(&cut), plain);
    // Whatever is wrong with the profile, there is a view.
    for name in ["Display P3", "a table"] {
        let profile = Golden::named(name).profile();
        for at in (0..profile.len().min(1_200)).step_by(3) {
            let mut changed = profile.clone();
            changed[at] ^= 0xa5;
            assert_eq!(view(&png(&rows, &changed)).media_type, "image/png");
        }
    }
}

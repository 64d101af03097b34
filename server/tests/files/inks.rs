//! Four inks (CMYK). JPEGs are decoded as by libjpeg (`djpeg -dct int`, which shows inks by the same formula) and Pillow; results
//! are JPEGs of the same kind, whose colours are those that the formula of `docs/methods.md` makes.

use jpeg_encoder::{ColorType, Encoder, QuantizationTableType, SamplingFactor};
use proptest::prelude::*;
use shared::decode::jpeg::Colors;
use shared::equalize::{Color, Recipe, inks_to_rgb};
use shared::pixels::{Depth, Layout};
use testkit::images::oracle;

use super::jpeg_kinds::{Folder, Random, decoded, head_of, mean_difference, notes, run, samples};
use super::mutations::{damage_of_head, through};
use super::refusals::{says, sentence};
use super::{carry, read, sample};

/// Scans of four components.
const SEQUENTIAL: [&str; 4] = ["0; 1; 2; 3;", "3; 2; 0 1;", "0 1 2; 3;", "1 2; 0 3;"];
const PROGRESSIVE: &str = "0: 0-0, 0, 1; 1 2 3: 0-0, 0, 1; 0: 1-63, 0, 2; 1: 1-63, 0, 0; 2: 1-63, 0, 0; 3: 1-63, 0, 1; \
    0: 1-63, 2, 1; 0 1 2 3: 0-0, 1, 0; 0: 1-63, 1, 0; 3: 1-63, 1, 0;";

/// A smooth picture of inks with noise below `noise`.
fn picture((width, height): (usize, usize), noise: usize) -> Vec<u8> {
    let mut random = Random(width as u64);
    let mut inks = Vec::new();
    for index in 0..width * height {
        let (x, y) = (index % width, index / width);
        inks.extend([2 * x + y, x + 30, 2 * y, (x + y) / 3].map(|ink| (ink % 180 + random.below(noise)) as u8));
    }
    inks
}

/// How `jpeg-encoder` writes inks.
struct Written {
    color: ColorType,
    quality: u8,
    factors: (u8, u8),
}

impl Written {
    fn file(&self, (width, height): (usize, usize), inks: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.quality);
        encoder.set_sampling_factor(SamplingFactor::from_factors(self.factors.0, self.factors.1).unwrap());
        encoder.encode(inks, width as u16, height as u16, self.color).unwrap();
        file
    }
}

/// Writes the same coefficients in another way by `jpegtran`.
fn by_jpegtran(folder: &Folder, file: &[u8], options: &[&str], scans: Option<&str>) -> Vec<u8> {
    let (from, to, script) = (folder.path("before.jpg"), folder.path("after.jpg"), folder.path("scans"));
    std::fs::write(&from, file).unwrap();
    let mut options = [&["-copy", "all"], options].concat();
    if let Some(scans) = scans {
        std::fs::write(&script, scans).unwrap();
        options.extend(["-scans", script.to_str().unwrap()]);
    }
    run("jpegtran", &options, &from, &to);
    std::fs::read(to).unwrap()
}

/// Red, green and blue of a file's inks, as we decode it.
fn shown(file: &[u8]) -> Vec<u8> {
    let (info, rows) = read(file, 16).unwrap();
    assert_eq!((info.layout, info.depth), (Layout::Cmyk, Depth::Eight));
    samples(inks_to_rgb(rows))
}

fn adobe(file: &[u8]) -> Option<Vec<u8>> {
    head_of(file).segments.into_iter().map(|segment| segment.data).find(|data| data.starts_with(b"Adobe"))
}

/// Removes the first segment with this marker.
fn without(file: &[u8], marker: u8) -> Vec<u8> {
    let at = file.windows(2).position(|two| two == [0xff, marker]).unwrap();
    let length = 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
    [&file[..at], &file[at + length..]].concat()
}

#[test]
fn inks_of_any_kind_are_decoded_as_by_libjpeg_and_stay_as_they_are() {
    let folder = Folder::new();
    let mut random = Random(41);
    for number in 0..90 {
        let size = (1 + random.below(80), 1 + random.below(90));
        let noise = *random.of(&[&1, &9, &55]);
        let factors = *random.of(&[&(1, 1), &(1, 1), &(2, 1), &(1, 2), &(2, 2), &(4, 1), &(1, 4)]);
        let color = [ColorType::Cmyk, ColorType::CmykAsYcck][number % 2];
        let written = Written { color, quality: *random.of(&[&40, &75, &95, &100]), factors };
        let mut file = written.file(size, &picture(size, noise));
        let (options, scans) = match random.below(7) {
            0 | 1 => (&[][..], Some(SEQUENTIAL[random.below(4)])),
            2 => (&["-progressive"][..], None),
            3 => (&[][..], Some(PROGRESSIVE)),
            4 => (&["-arithmetic"][..], None),
            5 => (&["-arithmetic", "-progressive", "-restart", "1"][..], None),
            _ => (&["-restart", "3B"][..], None),
        };
        file = by_jpegtran(&folder, &file, options, scans);
        let what = format!("{number}: {size:?} {factors:?} {options:?} {scans:?}");
        let theirs = folder.by_djpeg(&file, false);
        assert!(shown(&file) == theirs, "{what}");

        let result = carry(&file, 1);
        assert!(result == carry(&file, 3), "{what}: another cut");
        let (before, after) = (head_of(&file), head_of(&result));
        let expected = [Colors::Cmyk, Colors::Ycck][number % 2];
        assert_eq!((before.colors(), after.colors()), (expected, expected), "{what}");
        assert_eq!(adobe(&result), adobe(&file), "{what}");
        let kind = |components: &[shared::decode::jpeg::Component]| {
            components.iter().map(|one| (one.id, one.horizontal, one.vertical)).collect::<Vec<_>>()
        };
        assert_eq!(kind(&after.components), kind(&before.components), "{what}");
        if noise < 10 && size.0.min(size.1) > 8 {
            let difference = mean_difference(&folder.by_djpeg(&result, false), &theirs);
            assert!(difference < 3.0, "{what}: {difference} after the encoder");
        }
    }
}

#[test]
fn samples_of_inks_have_the_inks_that_pillow_reads() {
    let folder = Folder::new();
    // CRC-32 of the samples as Pillow reads them: 0 is no ink.
    for (name, crc) in [("jpeg/cmyk.jpg", 0x0c6e_0761), ("jpeg/ycck.jpg", 0x469c_f447), ("made/cmyk.jpg", 0x6ac9_5063)]
    {
        let file = sample(name);
        assert_eq!(crc32fast::hash(&decoded(&file)), crc, "{name}");
        let theirs = folder.by_djpeg(&file, false);
        assert!(shown(&file) == theirs, "{name}");
        for units in [1, 5] {
            let result = carry(&file, units);
            assert_eq!((head_of(&result).colors(), adobe(&result)), (head_of(&file).colors(), adobe(&file)), "{name}");
            assert!(mean_difference(&folder.by_djpeg(&result, false), &theirs) < 3.0, "{name}");
            assert_eq!(notes(&file), [""; 0], "{name}");
        }
    }
}

/// Pillow, ImageMagick, libvips, libjpeg and browsers take inks without a segment of Adobe's as they take those with one.
#[test]
fn inks_without_a_segment_of_adobes_are_the_same_inks() {
    let folder = Folder::new();
    for name in ["jpeg/cmyk.jpg", "made/cmyk.jpg"] {
        let (file, bare) = (sample(name), without(&sample(name), 0xee));
        assert_eq!(decoded(&bare), decoded(&file), "{name}");
        let result = carry(&bare, 2);
        assert_eq!((head_of(&result).colors(), adobe(&result)), (Colors::Cmyk, None), "{name}");
        assert!(mean_difference(&folder.by_djpeg(&result, false), &folder.by_djpeg(&bare, false)) < 3.0, "{name}");
    }
}

/// Equal factors mean the same as 1; a scan of all components would have too many blocks with them.
#[test]
fn equal_sampling_factors_of_all_inks_are_no_subsampling() {
    let folder = Folder::new();
    let size = (61, 50);
    let written = Written { color: ColorType::Cmyk, quality: 90, factors: (1, 1) };
    let single = by_jpegtran(&folder, &written.file(size, &picture(size, 9)), &[], Some(SEQUENTIAL[0]));
    let frame = single.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    for factors in [0x22, 0x44, 0x21] {
        let mut file = single.clone();
        (0..4).for_each(|component| file[frame + 11 + 3 * component] = factors);
        assert!(shown(&file) == folder.by_djpeg(&file, false), "{factors:x}");
        assert!(decoded(&file) == decoded(&single) && notes(&file).is_empty(), "{factors:x}");
        let result = carry(&file, 1);
        assert!(head_of(&result).components.iter().all(|one| (one.horizontal, one.vertical) == (1, 1)));
        assert!(mean_difference(&folder.by_djpeg(&result, false), &folder.by_djpeg(&file, false)) < 3.0);
    }
}

#[test]
fn inks_subsampled_by_more_than_one_scan_can_be_are_not_subsampled_in_the_result() {
    let folder = Folder::new();
    let size = (70, 41);
    let file = Written { color: ColorType::CmykAsYcck, quality: 95, factors: (4, 2) }.file(size, &picture(size, 1));
    let theirs = folder.by_djpeg(&file, false);
    assert!(shown(&file) == theirs);
    assert!(notes(&file).iter().any(|note| note.contains("subsampled")), "{:?}", notes(&file));
    assert!(mean_difference(&folder.by_djpeg(&carry(&file, 1), false), &theirs) < 3.0);
}

/// OpenCV's equalization of 8 bits.
fn table(levels: impl Iterator<Item = u8>) -> [u8; 256] {
    let mut bins = [0_u32; 256];
    levels.for_each(|level| bins[usize::from(level)] += 1);
    let lowest = bins.iter().position(|bin| *bin > 0).unwrap();
    let scale = 255.0 / (bins.iter().sum::<u32>() - bins[lowest]) as f32;
    let mut sum = 0;
    std::array::from_fn(|level| {
        sum += if level > lowest { bins[level] } else { 0 };
        (sum as f32 * scale).round_ties_even() as u8
    })
}

fn luma(pixel: &[u8]) -> u8 {
    ((19_595 * u32::from(pixel[0]) + 38_470 * u32::from(pixel[1]) + 7_471 * u32::from(pixel[2]) + 32_768) >> 16) as u8
}

/// Colours whose luma is equalized, pixel by pixel.
fn equalized(rgb: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let table = table(rgb.chunks(3).map(luma));
    let gray: Vec<u8> = rgb.chunks(3).map(|pixel| table[usize::from(luma(pixel))]).collect();
    let moved = |(pixel, new): (&[u8], &u8)| {
        let by = i16::from(*new) - i16::from(luma(pixel));
        [0, 1, 2].map(|channel| (i16::from(pixel[channel]) + by).clamp(0, 255) as u8)
    };
    (rgb.chunks(3).zip(&gray).flat_map(moved).collect(), gray)
}

/// Files of every kind.
pub fn originals() -> Vec<(&'static str, Vec<u8>)> {
    let size = (150, 120);
    let smooth = picture(size, 3);
    vec![
        ("cmyk", sample("jpeg/cmyk.jpg")),
        ("ycck", sample("jpeg/ycck.jpg")),
        ("quality 60", sample("made/cmyk.jpg")),
        ("bare", without(&sample("jpeg/cmyk.jpg"), 0xee)),
        ("subsampled", Written { color: ColorType::CmykAsYcck, quality: 95, factors: (2, 2) }.file(size, &smooth)),
        ("subsampled black", Written { color: ColorType::Cmyk, quality: 95, factors: (2, 1) }.file(size, &smooth)),
    ]
}

#[test]
fn colours_of_equalized_inks_are_the_equalized_colours() {
    let folder = Folder::new();
    for (name, file) in originals() {
        let theirs = folder.by_djpeg(&file, false);
        let (colors, gray) = equalized(&theirs);
        let at_0: Recipe = serde_json::from_str(r#"{"method":"global","strength":0}"#).unwrap();
        let by = |recipe: &Recipe| folder.by_djpeg(&oracle(&file, recipe), false);
        let [unchanged, luma, to_gray] = [
            mean_difference(&by(&at_0), &theirs),
            mean_difference(&by(&Recipe::global(Color::Luma)), &colors),
            mean_difference(&by(&Recipe::global(Color::Gray)), &gray),
        ];
        assert!(unchanged < 1.5 && luma < 3.0 && to_gray < 3.0, "{name}: {unchanged}, {luma}, {to_gray}");
        assert!(mean_difference(&theirs, &colors) > 10.0, "{name}: equalizing changes it");
        let result = oracle(&file, &Recipe::global(Color::Gray));
        assert_eq!((head_of(&result).colors(), adobe(&result)), (Colors::Gray, None), "{name}");
    }
}

/// Encodes inks as another encoder does, with a file's tables and sampling.
fn at_once(original: &[u8], inks: &[u8]) -> Vec<u8> {
    let head = head_of(original);
    let table = |component: usize| {
        QuantizationTableType::Custom(Box::new(head.tables[usize::from(head.components[component].table)].unwrap()))
    };
    // This encoder takes its first table for luma and black, the second one for all others.
    let (first, color) = match head.colors() {
        Colors::Ycck => (0, ColorType::CmykAsYcck),
        _ => (3, ColorType::Cmyk),
    };
    let mut file = Vec::new();
    // At quality 100 the tables stay unchanged.
    let mut encoder = Encoder::new(&mut file, 100);
    encoder.set_quantization_tables(table(first), table(1));
    let black = head.components[3];
    encoder.set_sampling_factor(SamplingFactor::from_factors(black.horizontal, black.vertical).unwrap());
    encoder.encode(inks, head.width, head.height, color).unwrap();
    file
}

/// Each ink has a contrast of its own, which YCCK and subsampling blur; no more than another encoder does.
#[test]
fn channels_are_the_inks_each_by_itself() {
    for (name, file) in originals() {
        let before = decoded(&file);
        let tables: Vec<_> = (0..4).map(|ink| table(before.iter().skip(ink).step_by(4).copied())).collect();
        let flat = |ink: usize| before.iter().skip(ink).step_by(4).all(|level| *level == before[ink]);
        let new = |(at, level): (usize, &u8)| if flat(at % 4) { *level } else { tables[at % 4][usize::from(*level)] };
        let expected: Vec<u8> = before.iter().enumerate().map(new).collect();
        let after = decoded(&oracle(&file, &Recipe::global(Color::Channels)));
        let [ours, theirs] = [after, decoded(&at_once(&file, &expected))].map(|inks| mean_difference(&inks, &expected));
        assert!(ours < 1.05 * theirs + 0.1 && ours < 8.0, "{name}: {ours}, {theirs}");
    }
}

#[test]
fn resolution_and_profile_stay_with_the_inks() {
    let jfif = [&[0xff, 0xe0, 0, 16][..], b"JFIF\0\x01\x02\x01\x01\x2c\x01\x2c\0\0"].concat();
    let icc = [&[0xff, 0xe2, 0, 20][..], b"ICC_PROFILE\0\x01\x01inks"].concat();
    let file = sample("jpeg/ycck.jpg");
    let file = [&file[..2], &jfif, &icc, &file[2..]].concat();
    let result = carry(&file, 2);
    for segment in [&jfif, &icc] {
        assert!(result.windows(segment.len()).any(|bytes| bytes == segment.as_slice()));
    }
    assert_eq!(head_of(&result).colors(), Colors::Ycck);
    let gray = oracle(&file, &Recipe::global(Color::Gray));
    assert!(!gray.windows(11).any(|bytes| bytes == b"ICC_PROFILE"), "a profile of inks isn't for gray");
}

#[test]
fn cut_inks_are_read_if_little_is_missing_and_refused_otherwise() {
    let folder = Folder::new();
    let size = (160, 160);
    for color in [ColorType::Cmyk, ColorType::CmykAsYcck] {
        let whole = Written { color, quality: 90, factors: (1, 1) }.file(size, &picture(size, 9));
        let scan = whole.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap();
        let kept = |hundredths: usize| &whole[..scan + (whole.len() - scan) * hundredths / 100];
        for hundredths in [85, 97] {
            let difference = mean_difference(&shown(kept(hundredths)), &folder.by_djpeg(kept(hundredths), true));
            assert!(difference < 0.1, "{color:?} {hundredths} %: {difference}");
        }
        for hundredths in [10, 60] {
            says(&sentence(kept(hundredths)), &["truncated"]);
        }
    }
    for name in ["jpeg/cmyk.jpg", "jpeg/ycck.jpg", "tiff/t_cmyk.tif"] {
        let file = sample(name);
        for length in (0..file.len() - 2).step_by(97) {
            // A TIFF's directory is at its beginning.
            let outcome = through(&file[..length]);
            assert!(length > file.len() / 2 || outcome.is_some(), "{name} cut at {length}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_inks_are_refused_or_decoded(
        name in prop::sample::select(vec!["jpeg/cmyk.jpg", "jpeg/ycck.jpg", "made/cmyk.jpg", "tiff/t_cmyk.tif"]),
        damage in damage_of_head(700, 1..6, 0.0),
    ) {
        let mut file = sample(name);
        damage.apply(&mut file);
        through(&file);
    }
}

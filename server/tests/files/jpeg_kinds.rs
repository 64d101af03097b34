//! JPEGs of every kind that `cjpeg` writes, decoded as `djpeg` does (both of libjpeg-turbo). The decoder for what isn't ordinary
//! must return the same samples, bit for bit; zune-jpeg, which decodes the rest, about the same.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use shared::decode::jpeg::{Colors, Header, header};
use shared::pixels::{Layout, Rows, Samples};

use super::refusals::{says, sentence};
use super::{carry, inspect, read, sample, write};
use server::codec;

/// Numbers from a seed (Knuth's MMIX).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// Runs a program of libjpeg-turbo; its standard error must be empty.
pub fn run(program: &str, options: &[&str], from: &Path, to: &Path) {
    let done = Command::new(program).args(options).arg("-outfile").args([to, from]).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}; `make test` installs libjpeg-turbo-progs"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{program} {options:?}: {said}");
}

/// A folder for files that programs exchange.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Decodes a file by `djpeg`, with warnings as failures unless `cut`.
    pub fn by_djpeg(&self, file: &[u8], cut: bool) -> Vec<u8> {
        let (from, to) = (self.path("theirs.jpg"), self.path("theirs.ppm"));
        std::fs::write(&from, file).unwrap();
        if cut {
            let done = Command::new("djpeg").args(["-dct", "int", "-outfile"]).args([&to, &from]).output().unwrap();
            assert!(!done.stderr.is_empty(), "djpeg accepts a cut file without a warning");
        } else {
            run("djpeg", &["-dct", "int"], &from, &to);
        }
        let image = std::fs::read(&to).unwrap();
        let header = image.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
        image[header + 1..].to_vec()
    }

    /// Encodes a picture by `cjpeg`.
    pub fn by_cjpeg(
        &self,
        (width, height): (usize, usize),
        noise: usize,
        options: &[&str],
        scans: Option<&str>,
    ) -> Vec<u8> {
        let mut picture = format!("P6\n{width} {height}\n255\n").into_bytes();
        let mut random = Random(width as u64);
        for index in 0..width * height {
            let (x, y) = (index % width, index / width);
            picture.extend([3 * x + y, 255 - x, 2 * y].map(|level| (level % 200 + random.below(noise)) as u8));
        }
        let (from, to, script) = (self.path("ours.ppm"), self.path("ours.jpg"), self.path("scans"));
        std::fs::write(&from, picture).unwrap();
        let mut options = options.to_vec();
        if let Some(scans) = scans {
            std::fs::write(&script, scans).unwrap();
            options.extend(["-scans", script.to_str().unwrap()]);
        }
        run("cjpeg", &options, &from, &to);
        std::fs::read(to).unwrap()
    }
}

pub fn samples(rows: Rows) -> Vec<u8> {
    match rows.samples {
        Samples::U8(samples) => samples,
        _ => panic!("JPEG has 8 bits"),
    }
}

pub fn decoded(file: &[u8]) -> Vec<u8> {
    samples(read(file, u32::MAX).unwrap().1)
}

pub fn mean_difference(ours: &[u8], theirs: &[u8]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / ours.len() as f64
}

pub fn head_of(file: &[u8]) -> Header {
    header(&mut Cursor::new(file)).unwrap()
}

pub const SEQUENTIAL: [&str; 6] = ["0; 1; 2;", "0; 1 2;", "1; 2; 0;", "0 1; 2;", "2; 0 1;", "1 2; 0;"];
/// Spectral selection alone, and with successive approximation.
pub const PROGRESSIVE: [&str; 2] = [
    "0 1 2: 0-0, 0, 0; 0: 1-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;",
    "0: 0-0, 0, 1; 1 2: 0-0, 0, 1; 1: 1-5, 0, 2; 0: 1-63, 0, 2; 2: 1-63, 0, 1; 1: 6-63, 0, 2; 0: 1-63, 2, 1; 1: 1-63, 2, 1; \
     0 1 2: 0-0, 1, 0; 0: 1-63, 1, 0; 1: 1-63, 1, 0; 2: 1-63, 1, 0;",
];
/// Sampling factors that fit into one scan.
const SAMPLINGS: [&str; 18] = [
    "1x1",
    "2x1",
    "1x2",
    "2x2",
    "4x1",
    "1x4",
    "4x2",
    "2x4",
    "3x1",
    "3x2",
    "1x3",
    "2x2,2x1,1x1",
    "1x1,2x2,1x1",
    "1x1,2x2,2x2",
    "2x2,1x2,2x1",
    "4x1,2x1,1x1",
    "2x1,2x1,2x1",
    "1x2,1x1,1x2",
];
/// Sampling factors of more blocks than a scan of all components may have.
const LARGE: [&str; 3] = ["4x4", "3x3,3x3,1x1", "4x4,2x2,1x4"];

/// Widths from 8 on: zune-jpeg interpolates the colours of narrower images, and libjpeg doesn't.
#[test]
fn random_jpegs_are_decoded_as_by_libjpeg_and_stay_as_they_are() {
    let folder = Folder::new();
    let mut random = Random(14);
    let (mut exact, mut several_scans) = (0, 0);
    for number in 0..240 {
        let size = (8 + random.below(80), 1 + random.below(90));
        let noise = *random.of(&[&1, &9, &55]);
        let quality = random.of(&["40", "75", "90", "100"]);
        let mut options = vec!["-dct", "int", "-quality", quality];
        let gray = random.below(10) == 0;
        let kind = if gray { "-grayscale" } else { ["-baseline", "-baseline", "-rgb"][random.below(3)] };
        let scans = match random.below(5) {
            0 | 1 if !gray => Some(random.of(&SEQUENTIAL)),
            2 if !gray => Some(random.of(&PROGRESSIVE)),
            _ => None,
        };
        let one_component_each = matches!(scans, Some("0; 1; 2;" | "1; 2; 0;"));
        let sampling =
            if one_component_each && random.below(3) == 0 { random.of(&LARGE) } else { random.of(&SAMPLINGS) };
        options.extend([kind, "-sample", if gray { "1x1" } else { sampling }]);
        options.extend([&["-arithmetic"][..], &["-restart", "1"], &["-restart", "3B"], &[], &[]][random.below(5)]);
        let file = folder.by_cjpeg(size, noise, &options, scans);
        let what = format!("{number}: {size:?} {options:?} {scans:?}");
        let (ours, theirs) = (decoded(&file), folder.by_djpeg(&file, false));
        let difference = mean_difference(&ours, &theirs);
        assert!(difference < 3.0, "{what}: {difference}");
        let head = head_of(&file);
        let ordinary = matches!(head.frame, 0xc0..=0xc2)
            && (head.frame == 0xc2 || usize::from(head.scan_components) == head.components.len())
            && head.sampling().is_some()
            && head.colors() != Colors::Rgb;
        if !ordinary {
            assert!(ours == theirs, "{what}: {difference}");
            exact += 1;
        }
        several_scans += usize::from(head.frame == 0xc0 && !ordinary && scans.is_some());

        let result = carry(&file, 1);
        assert!(result == carry(&file, 3), "{what}: another cut");
        let after = head_of(&result);
        assert_eq!((after.colors(), after.components.len()), (head.colors(), head.components.len()), "{what}");
        if noise < 10 && size.1 > 8 {
            let difference = mean_difference(&folder.by_djpeg(&result, false), &theirs);
            assert!(difference < 3.0, "{what}: {difference} after the encoder");
        }
    }
    assert!(exact > 100 && several_scans > 20, "{exact} not ordinary, {several_scans} of several scans");
}

#[test]
fn samples_of_rare_kinds_keep_their_pixels_and_sampling() {
    let folder = Folder::new();
    for name in ["ni_420", "ni12_420", "ni_chromafirst", "410", "2x2_2x1", "rgb", "arith", "ultrahdr", "c2pa"] {
        let file = sample(&format!("jpeg/{name}.jpg"));
        let theirs = folder.by_djpeg(&file, false);
        let before = mean_difference(&decoded(&file), &theirs);
        let result = carry(&file, 2);
        let after = mean_difference(&folder.by_djpeg(&result, false), &theirs);
        assert!(before < 1.0 && after < 3.0, "{name}: {before}, {after}");
        let factors = |file: &[u8]| {
            let components = head_of(file).components;
            components.iter().map(|one| (one.horizontal, one.vertical)).collect::<Vec<_>>()
        };
        assert_eq!(factors(&result), factors(&file), "{name}");
    }
}

pub fn notes(file: &[u8]) -> Vec<String> {
    let info = inspect(file).unwrap();
    codec::head(&mut Cursor::new(file), &info, info.layout).unwrap().keeping().changed.clone()
}

#[test]
fn what_a_result_stores_in_another_way_is_reported() {
    let folder = Folder::new();
    let large = folder.by_cjpeg((40, 40), 9, &["-sample", "4x4"], Some(SEQUENTIAL[0]));
    assert!(notes(&large).iter().any(|note| note.contains("subsampled")), "{:?}", notes(&large));
    assert!(notes(&sample("jpeg/arith.jpg")).iter().any(|note| note.contains("arithmetic-coded")));
    let both = folder.by_cjpeg((40, 40), 9, &["-arithmetic"], Some(PROGRESSIVE[1]));
    assert_eq!(notes(&both).len(), 2, "{:?}", notes(&both));
    assert_eq!(notes(&sample("jpeg/410.jpg")), [""; 0]);
    assert_eq!(notes(&sample("jpeg/ni_chromafirst.jpg")), [""; 0]);
}

#[test]
fn an_rgb_jpeg_stays_one_by_its_segment_or_by_its_identifiers() {
    let original = sample("jpeg/rgb.jpg");
    // Without the segment of Adobe's.
    let at = original.windows(2).position(|two| two == [0xff, 0xee]).unwrap();
    let length = 2 + usize::from(u16::from_be_bytes([original[at + 2], original[at + 3]]));
    let bare = [&original[..at], &original[at + length..]].concat();
    for file in [original, bare] {
        let result = carry(&file, 1);
        assert_eq!((head_of(&file).colors(), head_of(&result).colors()), (Colors::Rgb, Colors::Rgb));
        assert!(!head_of(&result).segments.iter().any(|segment| segment.data.starts_with(b"JFIF")), "JFIF is YCbCr");
        let gray = write(&file, &super::make::pixels(Layout::Gray, shared::pixels::Depth::Eight, 128, 96), 1);
        assert_eq!(head_of(&gray).colors(), Colors::Gray);
    }
}

#[test]
fn a_jpeg_that_only_lacks_its_end_is_read_with_a_note() {
    let folder = Folder::new();
    for (name, whole) in [
        ("ordinary", folder.by_cjpeg((61, 50), 9, &["-sample", "2x2"], None)),
        ("several scans", folder.by_cjpeg((61, 50), 9, &["-sample", "2x2"], Some(SEQUENTIAL[1]))),
        ("progressive", folder.by_cjpeg((61, 50), 9, &["-sample", "2x1"], Some(PROGRESSIVE[1]))),
        ("restart intervals", folder.by_cjpeg((61, 50), 9, &["-restart", "1"], None)),
        ("gray", folder.by_cjpeg((61, 50), 9, &["-grayscale"], None)),
    ] {
        let cut = &whole[..whole.len() - 2];
        assert!(decoded(cut) == folder.by_djpeg(&whole, false), "{name}");
        assert!(notes(cut).iter().any(|note| note.contains("EOI")), "{name}: {:?}", notes(cut));
        assert!(!notes(&whole).iter().any(|note| note.contains("EOI")), "{name}");
        assert!(carry(cut, 2).ends_with(&[0xff, 0xd9]), "{name}");
    }
    let file = sample("jpeg/noeoi.jpg");
    assert_eq!(decoded(&file), folder.by_djpeg(&file, true));
}

/// Up to a quarter of the last scan may be missing, which is gray as in libjpeg.
#[test]
fn a_cut_jpeg_is_read_if_little_is_missing_and_refused_otherwise() {
    let folder = Folder::new();
    for (name, whole, restarts) in [
        ("ordinary", folder.by_cjpeg((160, 160), 9, &["-sample", "2x2"], None), false),
        ("4:4:4", folder.by_cjpeg((160, 160), 9, &["-sample", "1x1"], None), false),
        ("restart intervals", folder.by_cjpeg((160, 160), 9, &["-restart", "1"], None), true),
        ("several scans", folder.by_cjpeg((160, 160), 9, &["-sample", "2x2"], Some(SEQUENTIAL[0])), false),
    ] {
        let scan = whole.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap();
        let kept = |hundredths: usize| &whole[..scan + (whole.len() - scan) * hundredths / 100];
        for hundredths in [85, 90, 97] {
            let (ours, theirs) = (decoded(kept(hundredths)), folder.by_djpeg(kept(hundredths), true));
            let difference = mean_difference(&ours, &theirs);
            assert!(difference < 0.1, "{name}, {hundredths} %: {difference}");
            let whole_image = folder.by_djpeg(&whole, false);
            assert!(ours[..ours.len() / 2] == whole_image[..ours.len() / 2], "{name}: the upper half is there");
            assert!(ours != whole_image, "{name}, {hundredths} %, {restarts}");
        }
        for hundredths in [10, 40, 60] {
            says(&sentence(kept(hundredths)), &["truncated"]);
        }
    }
    let progressive = folder.by_cjpeg((160, 160), 9, &[], Some(PROGRESSIVE[1]));
    for hundredths in [20, 50, 80] {
        says(&sentence(&progressive[..progressive.len() * hundredths / 100]), &["truncated"]);
    }
    let arithmetic = sample("jpeg/arith.jpg");
    says(&sentence(&arithmetic[..arithmetic.len() - 30]), &["truncated"]);
}

/// A marker in the middle of a scan doesn't make up for what is missing.
#[test]
fn a_scan_that_ends_early_in_a_whole_file_is_refused() {
    let folder = Folder::new();
    for scans in [None, Some(SEQUENTIAL[0])] {
        let whole = folder.by_cjpeg((160, 160), 9, &["-sample", "2x2,2x1,1x1"], scans);
        let short = [&whole[..whole.len() - 300], &[0xff, 0xd9]].concat();
        says(&sentence(&short), &["truncated"]);
    }
}

#[test]
fn a_scan_that_repeats_another_is_refused() {
    let folder = Folder::new();
    for (options, scans) in [(&["-arithmetic"][..], PROGRESSIVE[1]), (&[], SEQUENTIAL[0]), (&["-rgb"], PROGRESSIVE[0])]
    {
        let whole = folder.by_cjpeg((61, 50), 9, options, Some(scans));
        let scan = whole.windows(2).rposition(|two| two == [0xff, 0xda]).unwrap();
        let twice = [&whole[..whole.len() - 2], &whole[scan..]].concat();
        says(&sentence(&twice), &["repeats"]);
    }
}

#[test]
fn bytes_between_segments_are_skipped_with_a_note() {
    let folder = Folder::new();
    for options in [&["-sample", "2x2"][..], &["-progressive"], &["-arithmetic"], &["-grayscale"]] {
        let whole = folder.by_cjpeg((61, 50), 9, options, None);
        let frame = whole.windows(2).position(|two| matches!(two, [0xff, 0xc0..=0xc2 | 0xc9])).unwrap();
        for (stray, said) in [(&b"\0"[..], "A byte"), (b"stray\xff\0bytes", "12 bytes")] {
            let file = [&whole[..frame], stray, &whole[frame..]].concat();
            assert!(decoded(&file) == folder.by_djpeg(&whole, false), "{options:?}");
            assert!(notes(&file).iter().any(|note| note.starts_with(said)), "{options:?}: {:?}", notes(&file));
            assert!(notes(&carry(&file, 1)).is_empty());
        }
    }
}

//! JPEG in TIFF: strips and tiles of every kind have the pixels that libjpeg decodes (`djpeg -dct int` of each), and files of
//! libtiff's those that libtiff reads (`scripts/golden/jpeg_tiffs.py`). What zune-jpeg decodes is about the same, all else equal.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use shared::pixels::{Layout, Samples};

use super::golden::Golden;
use super::jpeg_kinds::{Folder, PROGRESSIVE, SEQUENTIAL, decoded, head_of, mean_difference};
use super::mutations::{damage_of_head, through};
use super::refusals::{says, sentence};
use super::{carry, inspect, make, read};

/// A TIFF of JPEGs, by hand.
struct Jpegs {
    size: (u32, u32),
    /// Rows of a strip, or width and height of a tile.
    piece: (Option<u32>, u32),
    photometric: u16,
    channels: u16,
    planar: bool,
    tables: Vec<u8>,
    pieces: Vec<Vec<u8>>,
}

impl Jpegs {
    /// Strips of `rows` rows.
    fn strips(size: (usize, usize), rows: usize, photometric: u16, pieces: Vec<Vec<u8>>) -> Self {
        let channels = head_of(&pieces[0]).components.len() as u16;
        let size = (size.0 as u32, size.1 as u32);
        Self { size, piece: (None, rows as u32), photometric, channels, planar: false, tables: Vec::new(), pieces }
    }

    fn file(&self) -> Vec<u8> {
        let mut file = b"II\x2a\0\0\0\0\0".to_vec();
        let long =
            |values: &[usize]| values.iter().flat_map(|value| (*value as u32).to_le_bytes()).collect::<Vec<u8>>();
        let short = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for piece in &self.pieces {
            offsets.push(file.len());
            lengths.push(piece.len());
            file.extend(piece);
        }
        let (at, of) = if self.piece.0.is_some() { (324, 325) } else { (273, 279) };
        let count = self.channels.into();
        let mut fields = vec![
            (256, 4, 1, long(&[self.size.0 as usize])),
            (257, 4, 1, long(&[self.size.1 as usize])),
            (258, 3, count, short(&vec![8; usize::from(self.channels)])),
            (259, 3, 1, short(&[7])),
            (262, 3, 1, short(&[self.photometric])),
            (277, 3, 1, short(&[self.channels])),
            (284, 3, 1, short(&[if self.planar { 2 } else { 1 }])),
            (at, 4, offsets.len() as u32, long(&offsets)),
            (of, 4, lengths.len() as u32, long(&lengths)),
        ];
        match self.piece {
            (None, rows) => fields.push((278, 4, 1, long(&[rows as usize]))),
            (Some(width), height) => {
                fields.extend([(322, 4, 1, long(&[width as usize])), (323, 4, 1, long(&[height as usize]))]);
            }
        }
        if self.photometric == 2 && self.channels == 4 {
            fields.push((338, 3, 1, short(&[2])));
        }
        if !self.tables.is_empty() {
            fields.push((347, 7, self.tables.len() as u32, self.tables.clone()));
        }
        let directory = make::Tiff::default().directory(fields, &mut file);
        file[4..8].copy_from_slice(&(directory as u32).to_le_bytes());
        file
    }
}

/// Whether zune-jpeg decodes it.
fn is_ordinary(file: &[u8]) -> bool {
    let head = head_of(file);
    matches!(head.frame, 0xc0..=0xc2)
        && (head.frame == 0xc2 || usize::from(head.scan_components) == head.components.len())
        && head.sampling().is_some()
        && head.components.iter().all(|one| one.horizontal != 3 && one.vertical != 3)
}

/// Checks the pixels of a TIFF and of its result.
fn has_pixels(file: &[u8], theirs: &[u8], exact: bool, what: &str) {
    let ours = decoded(file);
    let difference = mean_difference(&ours, theirs);
    assert!(if exact { ours == theirs } else { difference < 3.0 }, "{what}: {difference}");
    let (_, rows) = read(file, 5).unwrap();
    assert!(rows.samples == Samples::U8(ours), "{what}: in ranges of rows");
    assert_eq!(read(&carry(file, 1), 7).unwrap().1, rows, "{what}: the result is lossless");
}

/// Moves the tables before the first scan to a file of their own.
fn abbreviated(file: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut tables, mut rest) = (vec![0xff, 0xd8], vec![0xff, 0xd8]);
    let mut at = 2;
    while file[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        let to = if matches!(file[at + 1], 0xdb | 0xc4) { &mut tables } else { &mut rest };
        to.extend(&file[at..end]);
        at = end;
    }
    rest.extend(&file[at..]);
    tables.extend([0xff, 0xd9]);
    (tables, rest)
}

/// Options of `cjpeg`, and the scans.
const KINDS: [(&[&str], Option<&str>); 17] = [
    (&["-sample", "2x2"], None),
    (&["-sample", "1x1"], None),
    (&["-sample", "2x2"], Some(SEQUENTIAL[0])),
    (&["-sample", "2x2"], Some(SEQUENTIAL[1])),
    (&["-sample", "2x1"], Some(SEQUENTIAL[2])),
    (&["-sample", "1x1"], Some(SEQUENTIAL[3])),
    (&["-sample", "1x2", "-restart", "1"], Some(SEQUENTIAL[5])),
    (&["-sample", "2x2"], Some(PROGRESSIVE[1])),
    (&["-sample", "3x1"], None),
    (&["-sample", "3x2"], None),
    (&["-sample", "4x2"], None),
    (&["-sample", "2x2,2x1,1x1"], None),
    (&["-sample", "1x1,2x2,1x1"], None),
    (&["-sample", "2x2,1x2,2x1"], Some(SEQUENTIAL[4])),
    (&["-sample", "2x2", "-arithmetic"], None),
    (&["-sample", "4x4", "-arithmetic"], Some(SEQUENTIAL[0])),
    (&["-sample", "2x2", "-arithmetic", "-restart", "1"], Some(PROGRESSIVE[0])),
];

#[test]
fn strips_of_every_kind_have_the_pixels_of_libjpeg() {
    let folder = Folder::new();
    let (mut exact, mut shared_tables) = (0, 0);
    for (options, scans) in KINDS {
        let what = format!("{options:?} {scans:?}");
        let options = [&["-dct", "int", "-quality", "90"], options].concat();
        // Strips of 32 rows, and a last one of 13.
        let strips = [(32, 1), (32, 9), (13, 5)];
        let strips = strips.map(|(rows, noise)| folder.by_cjpeg((61, rows), noise, &options, scans)).to_vec();
        let theirs: Vec<u8> = strips.iter().flat_map(|strip| folder.by_djpeg(strip, false)).collect();
        let is_exact = !is_ordinary(&strips[0]);
        exact += usize::from(is_exact);
        has_pixels(&Jpegs::strips((61, 77), 32, 6, strips.clone()).file(), &theirs, is_exact, &what);

        let short: Vec<_> = strips.iter().map(|strip| abbreviated(strip)).collect();
        if short.iter().all(|(tables, _)| *tables == short[0].0) {
            shared_tables += 1;
            let pieces = short.iter().map(|(_, rest)| rest.clone()).collect();
            let tables = short[0].0.clone();
            let file = Jpegs { tables, ..Jpegs::strips((61, 77), 32, 6, pieces) }.file();
            has_pixels(&file, &theirs, is_exact, &format!("{what} with tables of their own"));
        }
    }
    assert!(exact > 11 && shared_tables > 8, "{exact}, {shared_tables}");
}

#[test]
fn tiles_of_several_scans_have_the_pixels_of_libjpeg() {
    let folder = Folder::new();
    for (options, scans) in [(&["-sample", "2x2"][..], Some(SEQUENTIAL[0])), (&["-sample", "2x2,2x1,1x1"], None)] {
        let (width, height, side) = (75, 50, 32);
        let tiles: Vec<_> = (1..=6).map(|noise| folder.by_cjpeg((side, side), noise, options, scans)).collect();
        let mut theirs = vec![0; width * height * 3];
        for (number, tile) in tiles.iter().enumerate() {
            let (left, top) = (number % 3 * side, number / 3 * side);
            let inside = side.min(width - left) * 3;
            for (row, from) in folder.by_djpeg(tile, false).chunks(side * 3).enumerate().take(side.min(height - top)) {
                let at = ((top + row) * width + left) * 3;
                theirs[at..at + inside].copy_from_slice(&from[..inside]);
            }
        }
        let piece = (Some(side as u32), side as u32);
        let file = Jpegs { piece, ..Jpegs::strips((width, height), side, 6, tiles) }.file();
        has_pixels(&file, &theirs, true, &format!("{options:?} {scans:?}"));
    }
}

#[test]
fn gray_and_rgb_are_as_stored() {
    let folder = Folder::new();
    for (photometric, options, scans, exact) in [
        (1, &["-grayscale"][..], None, false),
        (1, &["-grayscale", "-arithmetic"], None, true),
        (2, &["-rgb"], None, false),
        (2, &["-rgb"], Some(SEQUENTIAL[0]), true),
        (2, &["-rgb", "-sample", "2x2,1x1,1x1"], Some(SEQUENTIAL[1]), true),
    ] {
        let strips = [16, 16, 5].map(|rows| folder.by_cjpeg((40, rows), 9, options, scans)).to_vec();
        let theirs: Vec<u8> = strips.iter().flat_map(|strip| folder.by_djpeg(strip, false)).collect();
        let file = Jpegs::strips((40, 37), 16, photometric, strips).file();
        has_pixels(&file, &theirs, exact, &format!("{photometric} {options:?} {scans:?}"));
    }
}

/// As in libtiff, the TIFF's photometric interpretation overrides the JPEG's markers.
#[test]
fn ycbcr_is_converted_even_if_the_jpeg_says_rgb() {
    let folder = Folder::new();
    for scans in [None, Some(SEQUENTIAL[1])] {
        let strip = folder.by_cjpeg((61, 32), 9, &["-sample", "2x2"], scans);
        let theirs = folder.by_djpeg(&strip, false);
        // In place of the JFIF segment.
        let adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0";
        let length = 2 + usize::from(u16::from_be_bytes([strip[4], strip[5]]));
        let said_rgb = [&strip[..2], adobe, &strip[2 + length..]].concat();
        has_pixels(&Jpegs::strips((61, 32), 32, 6, vec![said_rgb]).file(), &theirs, true, "Adobe's transform 0");
    }
}

#[test]
fn planes_of_their_own_are_gray_jpegs() {
    let folder = Folder::new();
    for options in [&["-grayscale"][..], &["-grayscale", "-arithmetic"]] {
        let planes: Vec<_> = [1, 9, 30].map(|noise| folder.by_cjpeg((40, 20), noise, options, None)).to_vec();
        let each: Vec<_> = planes.iter().map(|plane| folder.by_djpeg(plane, false)).collect();
        let theirs: Vec<u8> = (0..800).flat_map(|pixel| [each[0][pixel], each[1][pixel], each[2][pixel]]).collect();
        let jpegs = Jpegs { channels: 3, planar: true, ..Jpegs::strips((40, 20), 20, 2, planes) };
        has_pixels(&jpegs.file(), &theirs, options.len() == 2, &format!("{options:?}"));
        says(&sentence(&Jpegs { photometric: 6, ..jpegs }.file()), &["YCbCr", "separate planes"]);
    }
}

/// Four components are stored as they are: inks aren't inverted, unlike in a JPEG file.
#[test]
fn four_components_are_as_stored() {
    let inks: Vec<u8> = (0..48 * 40 * 4).map(|index: usize| (index / 3 % 97 + index % 4 * 40) as u8).collect();
    let (mut strip, size) = (Vec::new(), (48, 40));
    let mut encoder = Encoder::new(&mut strip, 95);
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    encoder.encode(&inks, 48, 40, ColorType::Cmyk).unwrap();
    let stored: Vec<u8> = decoded(&strip).iter().map(|ink| 255 - ink).collect();
    for (photometric, layout) in [(5, Layout::Cmyk), (2, Layout::Rgba)] {
        let file = Jpegs::strips(size, 40, photometric, vec![strip.clone()]).file();
        assert_eq!(inspect(&file).unwrap().layout, layout);
        has_pixels(&file, &stored, true, &format!("{layout:?}"));
    }
}

/// Writes a TIFF of one strip, which may be cut anywhere.
fn single(strip: Vec<u8>) -> Vec<u8> {
    let (size, pieces) = ((61, 32), vec![strip]);
    Jpegs { size, piece: (None, 32), photometric: 6, channels: 3, planar: false, tables: Vec::new(), pieces }.file()
}

#[test]
fn a_strip_that_only_lacks_its_end_is_read_and_a_cut_one_refused() {
    let folder = Folder::new();
    for (options, scans) in KINDS {
        let strip = folder.by_cjpeg((61, 32), 9, options, scans);
        let (what, unended) = (format!("{options:?} {scans:?}"), &strip[..strip.len() - 2]);
        if options.contains(&"-arithmetic") {
            says(&sentence(&single(unended.to_vec())), &["truncated"]);
        } else {
            has_pixels(&single(unended.to_vec()), &folder.by_djpeg(&strip, false), true, &what);
        }
        for (kept, end) in [(90, &[][..]), (50, &[][..]), (20, &[][..]), (50, &[0xff, 0xd9][..])] {
            let cut = [&strip[..strip.len() * kept / 100], end].concat();
            // zune-jpeg takes some with an end; progressive scans may end early, and arithmetic coding has zeros after its end.
            if end.is_empty() || !is_ordinary(&strip) && head_of(&strip).frame == 0xc0 {
                says(&sentence(&single(cut)), &["TIFF"]);
            }
        }
    }
}

#[test]
fn a_jpeg_of_another_size_or_coding_than_its_strip_is_refused() {
    let folder = Folder::new();
    let scans = Some(SEQUENTIAL[0]);
    let of = |width, rows| folder.by_cjpeg((width, rows), 9, &["-sample", "2x2"], scans);
    says(&sentence(&single(of(60, 32))), &["as large as its strip"]);
    says(&sentence(&single(of(61, 31))), &["as large as its strip"]);
    says(&sentence(&single(of(61, 33))), &["as large as its strip"]);
    // The last strip may be as high as the others.
    let strips = vec![of(61, 32), of(61, 32)];
    let theirs: Vec<u8> = strips.iter().flat_map(|strip| folder.by_djpeg(strip, false)).take(61 * 3 * 45).collect();
    has_pixels(&Jpegs::strips((61, 45), 32, 6, strips).file(), &theirs, true, "a full last strip");
    let mut high = of(61, 32);
    let frame = high.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    high[frame + 5..frame + 7].fill(0xff);
    says(&sentence(&single(high)), &["as large as its strip"]);
    for (place, value) in [(1, 0xc3), (4, 12)] {
        let mut other = of(61, 32);
        other[frame + place] = value;
        says(&sentence(&single(other)), &["lossless JPEGs", "tifffile"]);
    }
    let gray = folder.by_cjpeg((61, 32), 9, &["-grayscale", "-arithmetic"], None);
    says(&sentence(&Jpegs { channels: 3, ..Jpegs::strips((61, 32), 32, 6, vec![gray]) }.file()), &["other channels"]);
}

/// Files that libtiff wrote, with the pixels that libtiff reads.
#[test]
fn files_of_libtiff_have_the_pixels_that_libtiff_reads() {
    let golden = Golden::of("jpeg_tiffs.py");
    let mut count = 0;
    for line in golden.printed.lines() {
        let (file, theirs) = (golden.read(line), golden.read(&format!("{line}.raw")));
        has_pixels(&file, &theirs, line.starts_with("inks"), line);
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

fn unusual() -> Vec<Vec<u8>> {
    let folder = Folder::new();
    let of = |options: &[&str], scans| single(folder.by_cjpeg((61, 32), 9, options, scans));
    vec![
        of(&["-sample", "2x2"], Some(SEQUENTIAL[0])),
        of(&["-sample", "2x2,2x1,1x1"], None),
        of(&["-sample", "3x1", "-restart", "1"], None),
        of(&["-arithmetic"], Some(PROGRESSIVE[1])),
        of(&["-arithmetic", "-sample", "4x4"], Some(SEQUENTIAL[2])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn damaged_strips_are_refused_or_decoded(
        damage in damage_of_head(400, 1..6, 0.5),
    ) {
        thread_local!(static FILES: Vec<Vec<u8>> = unusual());
        FILES.with(|files| {
            for file in files {
                let mut file = file.clone();
                damage.apply(&mut file);
                through(&file);
            }
        });
    }
}

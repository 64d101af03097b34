//! Bad input is refused with a sentence that says what was expected and what was found.

use std::io::Cursor;

use server::codec::{self, Error, Limits};
use shared::pixels::{Depth, Layout};

use super::{inspect, make, read, sample};

/// Returns the sentence with which a file is refused, at its header or at its pixels.
pub fn sentence(file: &[u8]) -> String {
    match read(file, 8) {
        Err(Error::Refused(sentence)) => sentence,
        other => panic!("expected a refusal, got {:?}", other.map(|(info, _)| info)),
    }
}

fn header_sentence(file: &[u8]) -> String {
    match inspect(file) {
        Err(Error::Refused(sentence)) => sentence,
        other => panic!("expected a refusal of the header, got {other:?}"),
    }
}

/// Checks that a sentence contains these words.
#[track_caller]
pub fn says(sentence: &str, words: &[&str]) {
    assert!(words.iter().all(|word| sentence.contains(word)), "{sentence:?} lacks one of {words:?}");
    assert!(sentence.ends_with('.'), "{sentence:?} is no sentence");
}

fn gray() -> shared::pixels::Rows {
    make::pixels(Layout::Gray, Depth::Eight, 40, 30)
}

#[test]
fn what_is_no_image_is_named() {
    says(&header_sentence(b""), &["empty", "Expected"]);
    says(&header_sentence(b"Hello, I am called photo.png\n"), &["text", "not a PNG, JPEG, TIFF or WebP"]);
    says(&header_sentence(b"GIF89a......"), &["GIF"]);
    says(&header_sentence(b"RIFF\x10\0\0\0WEBPVP8 "), &["WebP", "truncated"]);
    says(&header_sentence(b"\0\0\0\x18ftypheic"), &["HEIF"]);
    says(&header_sentence(&[0, 1, 2, 3, 4, 5]), &["00 01 02 03 04 05"]);
}

#[test]
fn a_huge_header_is_refused_before_anything_is_allocated() {
    let png = [make::png_start(100_000, 100_000, 8, 0, 0), make::chunk(b"IDAT", &make::zlib(&[0; 9]))].concat();
    says(&header_sentence(&png), &["100,000 × 100,000", "10,000,000,000", "4,000,000,000"]);
    let side = make::png_start(2_000_000, 1, 8, 0, 0);
    says(&header_sentence(&side), &["2,000,000 × 1", "1,000,000"]);
    let mut jpeg = sample("made/gray.jpg");
    let at = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[at + 5..at + 9].fill(0xff);
    says(&header_sentence(&jpeg), &["65,535 × 65,535"]);
    let long = |value: u32| value.to_le_bytes().to_vec();
    let tiff =
        make::Tiff { fields: vec![(256, 4, 1, long(100_000)), (257, 4, 1, long(100_000))], ..make::Tiff::default() };
    says(&header_sentence(&tiff.file(&gray())), &["100,000 × 100,000"]);
}

#[test]
fn a_small_file_cannot_claim_a_large_image() {
    for interlaced in [0, 1] {
        let start = make::png_start(30_000, 30_000, 8, 0, interlaced);
        let png = [start, make::chunk(b"IDAT", &make::zlib(&[0; 9])), make::chunk(b"IEND", &[])].concat();
        says(&header_sentence(&png), &["truncated"]);
    }
    let mut jpeg = sample("made/gray.jpg");
    let at = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[at + 5..at + 9].copy_from_slice(&[0x40, 0, 0x40, 0]);
    says(&header_sentence(&jpeg), &["truncated"]);
    for compression in [1, 5, 8, 32_773] {
        let long = |value: u32| value.to_le_bytes().to_vec();
        let fields = vec![(256, 4, 1, long(30_000)), (257, 4, 1, long(30_000)), (278, 4, 1, long(7_500))];
        let tiff = make::Tiff { compression, fields, ..make::Tiff::default() };
        says(&header_sentence(&tiff.file(&gray())), &["truncated"]);
    }
}

#[test]
fn what_must_be_decoded_at_once_is_held_to_its_own_limit() {
    let limits = Limits { max_whole_decode: 1_000, ..Limits::default() };
    let strip = make::Tiff { compression: 8, piece: (0, 30), ..make::Tiff::default() }.file(&gray());
    for file in [make::interlaced_png(&gray()), sample("made/gray.jpg"), strip] {
        let error = codec::inspect(&mut Cursor::new(file), &limits).unwrap_err();
        says(&error.to_string(), &["at once", "limit"]);
    }
    let shorts = |value: u16| value.to_le_bytes().to_vec();
    let fields = vec![(322, 3, 1, shorts(60_000)), (323, 3, 1, shorts(60_000))];
    let tile = make::Tiff { compression: 8, piece: (64, 64), fields, ..make::Tiff::default() }.file(&gray());
    says(&header_sentence(&tile), &["at once", "limit"]);
    let png = make::png(&gray());
    let plain = make::Tiff { piece: (0, 30), ..make::Tiff::default() }.file(&gray());
    for file in [png, plain] {
        assert!(codec::inspect(&mut Cursor::new(file), &limits).is_ok(), "rows are enough for these");
    }
}

#[test]
fn every_truncation_of_a_file_is_refused_as_truncated() {
    let rgb = make::pixels(Layout::Rgb, Depth::Eight, 40, 30);
    let files = [
        make::png(&rgb),
        make::interlaced_png(&rgb),
        make::Tiff::default().file(&rgb),
        make::Tiff { compression: 5, piece: (16, 16), ..make::Tiff::default() }.file(&rgb),
        make::Tiff { compression: 8, big: true, ..make::Tiff::default() }.file(&rgb),
        sample("made/pillow_lossy.webp"),
        sample("made/pillow_lossless_alpha.webp"),
    ];
    for file in &files {
        // What a PNG has after its image data isn't needed.
        let needed = file.len() - if file.starts_with(b"\x89PNG") { 12 } else { 0 };
        for length in (16..needed).step_by(file.len() / 60) {
            let sentence = sentence(&file[..length]);
            says(&sentence, &["truncated"]);
        }
    }
    let file = sample("page.png");
    says(&sentence(&file[..file.len() / 2]), &["truncated"]);
    says(&sentence(&file[..file.len() - 14]), &["truncated"]);
}

#[test]
fn strips_that_are_cut_short_are_refused() {
    // The directory is after the strips, so a truncated file is refused because of that; here the data are wrong.
    for compression in [5, 8, 32_773] {
        let store = make::Tiff { compression, ..make::Tiff::default() };
        let mut file = store.file(&gray());
        file[8..40].fill(0x80);
        says(&sentence(&file), &["TIFF"]);
    }
    let short = make::Tiff {
        fields: vec![(279, 4, 4, [1_u32, 1, 1, 1].map(u32::to_le_bytes).concat())],
        ..make::Tiff::default()
    };
    says(&sentence(&short.file(&gray())), &["truncated"]);
}

#[test]
fn pages_are_counted() {
    assert_eq!(inspect(&sample("multipage.tif")).unwrap().more.further_pages, 1);
}

#[test]
fn pngs_that_cannot_be_kept_are_refused_each_with_its_reason() {
    let data = [make::chunk(b"IDAT", &make::zlib(&[0; 200])), make::chunk(b"IEND", &[])].concat();
    let png = make::png(&gray());
    says(&header_sentence(&make::with_chunks(&png, &[make::chunk(b"XBIG", &[])])), &["XBIG"]);
    says(&header_sentence(&[make::png_start(8, 8, 8, 5, 0), data].concat()), &["colour type 5"]);
    says(&header_sentence(&[make::png_start(8, 8, 8, 0, 0), make::chunk(b"IEND", &[])].concat()), &["no image data"]);
}

#[test]
fn jpegs_that_cannot_be_kept_are_refused_each_with_its_reason() {
    let jpeg = sample("made/422.jpg");
    let at = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    let with = |changes: &[(usize, u8)]| {
        let mut jpeg = jpeg.clone();
        changes.iter().for_each(|(offset, value)| jpeg[at + offset] = *value);
        header_sentence(&jpeg)
    };
    says(&with(&[(1, 0xc3)]), &["lossless", "djpeg"]);
    says(&with(&[(1, 0xf7)]), &["JPEG-LS", "ffmpeg"]);
    says(&with(&[(1, 0xc5)]), &["hierarchical"]);
    says(&with(&[(4, 12)]), &["12 bits", "djpeg"]);
    says(&with(&[(5, 0), (6, 0)]), &["height"]);
    says(&with(&[(11, 0x31), (14, 0x21)]), &["sampling factors"]);
}

#[test]
fn tiffs_that_cannot_be_kept_are_refused_each_with_its_reason() {
    let with = |layout, tag: u16, values: &[u16]| {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let fields = vec![(tag, 3, values.len() as u32, bytes)];
        header_sentence(&make::Tiff { fields, ..make::Tiff::default() }.file(&make::pixels(layout, Depth::Eight, 8, 8)))
    };
    says(&with(Layout::Gray, 262, &[3]), &["palette", "768"]);
    says(&with(Layout::Rgb, 262, &[3]), &["palette"]);
    says(&with(Layout::Cmyk, 332, &[2]), &["other inks", "vips icc_transform"]);
    says(&with(Layout::Cmyk, 334, &[6]), &["other inks"]);
    says(&with(Layout::Bands(5), 262, &[5]), &["5 samples", "further inks", "gdal_translate"]);
    says(&with(Layout::Rgb, 262, &[5]), &["3 samples"]);
    says(&with(Layout::Rgba, 262, &[6]), &["YCbCr"]);
    says(&with(Layout::Rgb, 262, &[8]), &["L*a*b*"]);
    says(&with(Layout::Gray, 258, &[24]), &["24 bits", "gdal_translate"]);
    says(&with(Layout::Rgb, 258, &[4, 4, 4]), &["4 bits", "several"]);
    says(&with(Layout::Rgb, 258, &[8, 8, 16]), &["different sizes"]);
    says(&with(Layout::Gray, 339, &[3]), &["floating-point samples of 8 bits"]);
    says(&with(Layout::Gray, 339, &[5]), &["complex"]);
    says(&with(Layout::Bands(5), 338, &[0, 2, 2, 0]), &["5 samples", "2 alphas"]);
    says(&with(Layout::Bands(5), 338, &[0, 1, 0, 0]), &["5 samples", "associated alpha"]);
    says(&with(Layout::Gray, 262, &[4]), &["mask"]);
    says(&with(Layout::Gray, 259, &[3]), &["8 bits", "compression"]);
    says(&with(Layout::Gray, 259, &[4]), &["8 bits"]);
    says(&with(Layout::Gray, 259, &[34_887]), &["LERC"]);
    says(&with(Layout::Gray, 259, &[999]), &["999"]);
    let deflated = make::Tiff { compression: 8, fields: vec![(317, 3, 1, vec![3, 0])], ..make::Tiff::default() };
    says(&header_sentence(&deflated.file(&gray())), &["predictor 3"]);
    says(&with(Layout::Gray, 277, &[501]), &["501 samples"]);
    says(&with(Layout::Gray, 254, &[4]), &["mask"]);
    says(&with(Layout::Gray, 278, &[3]), &["strips"]);
}

#[test]
fn a_source_that_fails_is_not_the_files_fault() {
    struct Broken(Cursor<Vec<u8>>, usize);
    impl std::io::Read for Broken {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            self.1 = self.1.checked_sub(1).ok_or_else(|| std::io::Error::other("the store is away"))?;
            self.0.read(bytes)
        }
    }
    impl std::io::Seek for Broken {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    let files = [
        make::png(&gray()),
        make::Tiff::default().file(&gray()),
        make::Tiff { compression: 5, ..make::Tiff::default() }.file(&gray()),
        sample("made/gray.jpg"),
    ];
    for file in files {
        let info = inspect(&file).unwrap();
        for reads in 0.. {
            let broken = || Broken(Cursor::new(file.clone()), reads);
            let read = codec::inspect(&mut broken(), &Limits::default())
                .and_then(|_| codec::open(Box::new(broken()), &info))
                .and_then(|mut reader| reader.read(0..info.height));
            match read {
                Ok(_) => break,
                Err(Error::Source(_)) => {}
                Err(refused) => panic!("{:?} after {reads} reads: {refused}", info.format),
            }
        }
    }
}

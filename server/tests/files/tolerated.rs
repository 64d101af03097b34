//! PNG and WebP files with defects that other programs tolerate, with the pixels that those programs read: `tests/tolerated`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use serde::Deserialize;
use server::codec::{self, Error};
use sha2::{Digest, Sha256};
use shared::decode::{png, webp};
use shared::pixels::{Depth, Layout, Rows};

use super::{carry, inspect, make, read};

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/tolerated"].iter().collect()
}

fn file(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

/// Hash of the pixels that each program reads; `None` if it refuses.
#[derive(Deserialize)]
struct Expected {
    pillow: Option<String>,
    opencv: Option<String>,
}

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_slice(&file("expected.json")).unwrap()
}

fn digest(rows: &Rows) -> String {
    Sha256::digest(rows.to_le_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn changed(file: &[u8]) -> Vec<String> {
    let info = inspect(file).unwrap();
    codec::head(&mut Cursor::new(file), &info, info.layout).unwrap().keeping().changed.clone()
}

/// The notes about each original, by words of each.
const TAKEN: &[(&str, &[&str])] = &[
    ("p_badcrc_text.png", &["tEXt is damaged (its checksum is wrong)"]),
    ("p_noiend.png", &["without the chunk IEND"]),
    ("p_sbit12.png", &["sBIT declared fewer than 16 significant bits"]),
    ("crc_text.png", &["tEXt is damaged (its checksum is wrong)"]),
    ("crc_text_after.png", &["tEXt is damaged (its checksum is wrong)"]),
    ("crc_gama.png", &["gAMA is damaged (its checksum is wrong)"]),
    ("crc_trns.png", &["tRNS is damaged (its checksum is wrong)"]),
    ("crc_trns_palette.png", &["palette of 8 bits", "tRNS is damaged (its checksum is wrong)"]),
    ("crc_exif.png", &["eXIf is damaged (its checksum is wrong)"]),
    ("length_phys.png", &["pHYs is damaged (its length is wrong)"]),
    ("length_trns.png", &["tRNS is damaged (its length is wrong)"]),
    ("length_past_end.png", &["ends within its chunk tEXt"]),
    ("trns_after.png", &["tRNS is damaged (it follows the image data)"]),
    ("iend_missing.png", &["without the chunk IEND"]),
    ("iend_missing_wide.png", &["without the chunk IEND"]),
    ("iend_cut.png", &["IEND at the end was damaged"]),
    ("iend_crc.png", &["IEND at the end was damaged"]),
    ("iend_long.png", &["IEND at the end was damaged"]),
    ("idat_again.png", &["Further image data"]),
    ("garbage_after_idat.png", &["damaged after its image data"]),
    ("bytes_after_iend.png", &["8 bytes after the end"]),
    ("apng_first.png", &["frames (2), only the first"]),
    ("apng_apart.png", &["an animation: its frames (1) were left out"]),
    ("apng_bad_control.png", &["frames (2), only the first"]),
    ("exif_promised.webp", &[]),
    ("xmp_promised.webp", &[]),
    ("icc_promised.webp", &[]),
    ("chunks_unknown.webp", &["unknown chunk ABCD", "unknown chunk EFGH"]),
    ("chunk_after_simple.webp", &["unknown chunk EFGH"]),
    ("bytes_after_end.webp", &[]),
    ("animated.webp", &["frames (2), only the first"]),
    ("animated_small.webp", &["frames (2), only the first"]),
    ("animated_small_alpha.webp", &["frames (2), only the first"]),
    ("animated_alpha.webp", &["frames (2), only the first"]),
    ("animated_alpha_replaced.webp", &["frames (2), only the first"]),
    ("animated_once.webp", &["frames (1), only the first"]),
];

/// Files that neither program reads, but libvips does: the pixels are those of another file.
const BY_LIBVIPS: &[&str] = &["length_past_end.png", "garbage_after_idat.png", "apng_bad_control.png"];

#[test]
fn defects_beside_the_pixels_are_mended_and_told() {
    let expected = expected();
    for (name, words) in TAKEN {
        let original = file(name);
        let (_, rows) = read(&original, 7).unwrap_or_else(|error| panic!("{name}: {error}"));
        let twin = if BY_LIBVIPS.contains(name) { "iend_missing.png" } else { name };
        let Expected { pillow, opencv } = &expected[twin];
        let by_others = opencv.as_ref().or(pillow.as_ref()).unwrap_or_else(|| panic!("{name}: nobody reads it"));
        assert_eq!(&digest(&rows), by_others, "{name}");
        let said = changed(&original);
        assert_eq!(said.len(), words.len(), "{name}: {said:?}");
        assert!(words.iter().all(|words| said.iter().any(|said| said.contains(words))), "{name}: {said:?}");

        let result = carry(&original, 3);
        assert_eq!(read(&result, 30).unwrap().1, rows, "{name}");
        if name.ends_with(".png") {
            let structure = png::structure(&mut Cursor::new(&result)).unwrap();
            assert!(structure.defects.is_empty() && structure.animation.is_none(), "{name}: {structure:?}");
            assert!(structure.chunks.iter().all(|chunk| &chunk.kind != b"sBIT"), "{name}");
        } else {
            assert_eq!(webp::header(&mut Cursor::new(&result)).unwrap().frames, 0, "{name}");
        }
        assert!(changed(&result).is_empty(), "{name}: a result has no defects");
    }
}

#[test]
fn a_lossy_frame_is_decoded_as_a_still_image_is() {
    for (animated, still) in [("animated_lossy.webp", "lossy.webp"), ("animated_alpha_lossy.webp", "lossy_alpha.webp")]
    {
        assert_eq!(read(&file(animated), 7).unwrap().1, read(&file(still), 30).unwrap().1, "{animated}");
        let said = changed(&file(animated));
        assert!(said.iter().any(|said| said.contains("was lossy")), "{said:?}");
    }
}

#[test]
fn damaged_pixels_are_refused_with_what_is_there() {
    for (name, words) in [
        ("idat_cut.png", "after 26 of 30 rows: it is truncated"),
        ("idat_cut_in_crc.png", "30 of 30 rows: it is truncated"),
        ("iend_missing_rows_too.png", "after 4 of 30 rows: it is truncated"),
        ("rows_missing.png", "after 20 of 30 rows: it is truncated"),
        ("idat_in_two_runs.png", "after 2 of 30 rows: it is truncated"),
        ("idat_crc.png", "the checksum of its image data is wrong"),
        ("crc_plte.png", "the checksum of its chunk PLTE is wrong"),
        ("length_past_end_front.png", "truncated"),
        ("animated_cut.webp", "truncated"),
        ("animated_without_anim.webp", "damaged"),
    ] {
        let Err(Error::Refused(sentence)) = read(&file(name), 7) else { panic!("{name} was taken") };
        assert!(sentence.contains(words) && sentence.ends_with('.'), "{name}: {sentence}");
    }
}

#[test]
fn every_file_made_for_it_is_tried() {
    let refused = 10;
    let lossy = 4;
    assert_eq!(expected().len(), TAKEN.len() + refused + lossy);
}

#[test]
fn significant_bits_stay_if_they_are_all() {
    for (depth, bits) in [(Depth::Eight, 8), (Depth::Sixteen, 16)] {
        let original = make::png(&make::pixels(Layout::Rgb, depth, 9, 9));
        let with = |bits: [u8; 3]| make::with_chunks(&original, &[make::chunk(b"sBIT", &bits)]);
        assert!(changed(&with([bits; 3])).is_empty());
        assert!(carry(&with([bits; 3]), 9).windows(4).any(|kind| kind == b"sBIT"));
        assert_eq!(changed(&with([bits, bits, bits - 1])).len(), 1);
    }
}

#[test]
fn calibrations_of_old_values_are_left_out() {
    let original = make::png(&make::pixels(Layout::Gray, Depth::Sixteen, 9, 9));
    let chunks = [make::chunk(b"pCAL", b"m\0\0\0\0\0\0\0\xff\xff\0\x02m\x000\x001"), make::chunk(b"cLLI", &[0; 8])];
    let said = changed(&make::with_chunks(&original, &chunks));
    assert!(said.len() == 2 && said[0].contains("pCAL") && said[1].contains("cLLI"), "{said:?}");
}

#[test]
fn apples_own_form_is_named() {
    let png = make::png(&make::pixels(Layout::Gray, Depth::Eight, 9, 9));
    let apples = [&png[..8], &make::chunk(b"CgBI", &[0x50, 0, 0x20, 2]), &png[8..]].concat();
    let Err(Error::Refused(sentence)) = inspect(&apples) else { panic!("it was taken") };
    assert!(sentence.contains("CgBI") && sentence.contains("pngcrush"), "{sentence}");
}

//! The preview against the plain way: the whole image at once. What both give is written down as hashes in
//! `golden/preview.json`, which the browser test compares with what WebAssembly gives (`end2end/specs/preview.spec.ts`).
//! `EVENLIGHT_GOLDEN=write` writes that file.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::decode::{self, Limits};
use shared::distribution::Distribution;
use shared::equalize::{Counts, Frame, Mask, Recipe, Table};
use shared::job::ImageInfo;
use shared::pixels::Rows;
use shared::preview::{Preview, Shown, VIEW_SIDE};

/// PNG, JPEG, WebP (with loss and without) and TIFF; gray, colour and inks, with alpha, of 8 and 16 bits.
const FILES: [&str; 17] = [
    "coffee.png",
    "page.png",
    "rocket.jpg",
    "made/gray.jpg",
    "made/progressive.jpg",
    "made/cmyk.jpg",
    "made/opencv_rgb16.png",
    "made/pillow_lossy.webp",
    "made/pillow_lossy_alpha.webp",
    "made/pillow_lossy_photo.webp",
    "made/pillow_lossless_alpha.webp",
    "made/pillow_lossless_photo.webp",
    "made/pillow_gray16_deflate.tif",
    "made/pillow_rgba.tif",
    "made/pillow_lzw.tif",
    "made/tifffile_rgb16_big_endian.tif",
    "jpeg/ycck.jpg",
];
const RECIPES: [&str; 5] = [
    r#"{"method":"global"}"#,
    r#"{"method":"global","color":"channels","strength":0.4}"#,
    r#"{"method":"clahe","color":"oklab","clip_limit":2.5,"tiles":[5,3]}"#,
    r#"{"method":"stretch","color":"hsv","low":1,"high":97.5}"#,
    r#"{"method":"global","color":"gray","nodata":0}"#,
];

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hashes {
    decoded: String,
    equalized: BTreeMap<String, String>,
}

fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(here("../server/tests/samples").join(name)).unwrap()
}

fn recipe(text: &str) -> Recipe {
    serde_json::from_str(text).unwrap()
}

fn hash<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    pieces.into_iter().for_each(|piece| hash.update(piece));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All rows at once.
fn decoded(name: &str) -> (ImageInfo, Rows) {
    let mut source = Cursor::new(file(name));
    let info = decode::inspect(&mut source, &Limits::default()).unwrap();
    let rows = decode::open(source, &info).unwrap().read(0..info.height).unwrap();
    (info, rows)
}

/// Counted, made a table of, and applied at once.
fn equalized(info: &ImageInfo, rows: &Rows, recipe: &Recipe) -> Rows {
    let mask = Mask::of(rows, recipe.nodata_of(info), None);
    let mut counts = Counts::new(recipe, &Frame::of(info)).unwrap();
    counts.count(0, rows, mask.as_ref());
    while let Some(mut further) = counts.further() {
        further.count(0, rows, mask.as_ref());
        counts = further;
    }
    let mut equalized = Table::new(recipe, &counts, None).unwrap().apply(recipe, 0, rows.clone(), mask.as_ref());
    recipe.nodata_of(info).inspect(|nodata| nodata.keep_apart(&mut equalized, mask.as_ref()));
    equalized
}

fn finish(preview: &mut Preview, recipe: &Recipe) -> Shown {
    preview.begin(recipe).unwrap();
    loop {
        if let Some(shown) = preview.advance().unwrap() {
            return shown;
        }
    }
}

#[test]
fn every_sample_of_the_preview_is_the_arrays() {
    let mut all = BTreeMap::new();
    for name in FILES {
        let (info, rows) = decoded(name);
        let mut preview = Preview::open(file(name)).unwrap();
        let parts: Vec<Vec<u8>> = (0..preview.parts()).map(|part| preview.decoded(part).unwrap()).collect();
        let whole = hash([&rows.to_le_bytes()[..]]);
        assert_eq!(hash(parts.iter().map(Vec::as_slice)), whole, "{name}");
        let mut of_recipes = BTreeMap::new();
        for text in RECIPES {
            let recipe = recipe(text);
            let expected = equalized(&info, &rows, &recipe);
            let shown = finish(&mut preview, &recipe);
            let parts: Vec<Vec<u8>> = (0..preview.parts()).map(|part| preview.equalized(part).unwrap()).collect();
            let made = hash(parts.iter().map(Vec::as_slice));
            assert_eq!(made, hash([&expected.to_le_bytes()[..]]), "{name} {text}");
            let mut histogram = Distribution::histogram(expected.layout, info.depth);
            Distribution::count(&mut histogram, &expected);
            assert_eq!((shown.exact, shown.distribution), (true, Distribution::of(&histogram)), "{name} {text}");
            of_recipes.insert(text.to_owned(), made);
        }
        all.insert(name.to_owned(), Hashes { decoded: whole, equalized: of_recipes });
    }
    let golden = here("tests/golden/preview.json");
    if std::env::var("EVENLIGHT_GOLDEN").is_ok_and(|what| what == "write") {
        std::fs::write(&golden, serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
    }
    let written: BTreeMap<String, Hashes> = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    assert_eq!(all, written);
}

#[test]
fn a_small_image_is_its_own_copy_and_the_approximation_is_exact() {
    let mut preview = Preview::open(file("made/pillow_rgba.tif")).unwrap();
    let info = preview.info().clone();
    assert!(info.width.max(info.height) <= VIEW_SIDE);
    for text in RECIPES {
        let recipe = recipe(text);
        let near = preview.approximate(&recipe).unwrap();
        let exact = finish(&mut preview, &recipe);
        assert_eq!((near.picture, near.distribution), (exact.picture, exact.distribution), "{text}");
        assert!(!near.exact);
    }
}

#[test]
fn a_newer_wish_replaces_the_one_that_is_being_worked_on() {
    let mut preview = Preview::open(file("coffee.png")).unwrap();
    let (first, second) = (recipe(RECIPES[0]), recipe(RECIPES[1]));
    let expected = finish(&mut Preview::open(file("coffee.png")).unwrap(), &second);
    preview.begin(&first).unwrap();
    assert_eq!(preview.advance().unwrap(), None);
    assert_eq!(finish(&mut preview, &second), expected);
    // What was counted for the same colour is used again.
    assert_eq!(finish(&mut preview, &second), expected);
}

#[test]
fn what_cannot_be_shown_is_said_in_a_sentence() {
    assert!(Preview::open(b"GIF89a".to_vec()).err().unwrap().contains("GIF"));
    let mut preview = Preview::open(file("made/gray.jpg")).unwrap();
    let matching = recipe(r#"{"method":"match","reference":"0123456789abcdef0123456789abcdef"}"#);
    assert!(preview.approximate(&matching).unwrap_err().contains("another image"));
    assert!(preview.begin(&matching).unwrap_err().contains("another image"));
    assert!(preview.advance().is_err());
    let nodata = recipe(r#"{"method":"global","nodata":300}"#);
    assert!(preview.approximate(&nodata).unwrap_err().contains("from 0 to 255"));
}

#[test]
fn in_what_the_picture_differs_from_the_arrays_result_is_told() {
    let note = |file: Vec<u8>| Preview::open(file).unwrap().note().to_owned();
    let unshown = "Drawn here without the file's colour profile, which the result keeps.";
    assert_eq!(note(file("coffee.png")), "");
    assert_eq!(note(file("rocket.jpg")), unshown, "Adobe RGB (1998)");
    assert_eq!(note(file("made/pillow_lossy.webp")), "", "its profile is one of sRGB");
    assert!(note(file("multipage.tif")).starts_with("This is the first of 2 pages;"));
    // A profile of version 4 in one segment, right after the start of the image.
    let profile = |name: &[u8]| {
        let data = [b"ICC_PROFILE\0\x01\x01".as_slice(), name].concat();
        let segment = [&[0xff, 0xe2], &(data.len() as u16 + 2).to_be_bytes()[..], &data].concat();
        let plain = file("made/gray.jpg");
        [&plain[..2], &segment, &plain[2..]].concat()
    };
    assert_eq!(note(profile(b"\0s\0R\0G\0B\0 \0I\0E\0C")), "");
    assert_eq!(note(profile(b"\0D\0i\0s\0p\0l\0a\0y\0 \0P\x003")), unshown);
}

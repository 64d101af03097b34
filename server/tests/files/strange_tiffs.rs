//! TIFFs of unusual structure: what other readers open is taken, with its pixels and a note on what can't be kept; what can't be
//! processed as a whole is refused. Made and checked by `scripts/golden/tiffs.py`, or by the programs named in
//! `samples/tiff/README.md`.

use std::io::Cursor;

use server::codec::{self, Error, Limits, Part};
use shared::decode::tiff::{self, tag};
use shared::job::Keeping;
use shared::pixels::{Layout, Rows, Samples};

use super::golden::Golden;
use super::{carry, inspect, joined, read, sample};

/// Writes all pages' own pixels through the codec; returns the file and the reports of all pages.
pub fn carry_pages(original: &[u8]) -> codec::Result<(Vec<u8>, Keeping)> {
    let info = inspect(original)?;
    let pages = codec::inspect_pages(&mut Cursor::new(original), &Limits::default(), &info, 0..info.pages())?;
    let (mut heads, mut parts, mut all) = (Vec::new(), Vec::new(), Keeping::default());
    for page in &pages {
        let rows = codec::open(Box::new(Cursor::new(original.to_vec())), page)?.read(0..page.height)?;
        let head = codec::head(&mut Cursor::new(original), page, page.layout)?;
        head.keeping().kept.iter().for_each(|kept| all.keep(kept));
        head.keeping().changed.iter().for_each(|changed| all.change(changed));
        parts.push(codec::part(&head, 0, &rows)?);
        heads.push(head);
    }
    let index: Vec<_> = parts.iter().map(|part| part.index.clone()).collect();
    let joiner = codec::join_pages(&codec::by_pages(&heads, &index)?)?;
    Ok((joined(joiner, parts.into_iter().map(|part: Part| part.bytes)), all))
}

#[derive(Debug, serde::Deserialize)]
struct Case {
    name: String,
    /// Words in the notes.
    notes: Vec<String>,
    /// Words in the refusal; empty if the file is taken.
    refused: Vec<String>,
}

/// Returns what is wrong with the outcome of a case.
fn wrong(case: &Case, outcome: &codec::Result<(Vec<u8>, Keeping)>) -> Option<String> {
    match outcome {
        Ok((_, said)) if case.refused.is_empty() => {
            let lacks = |words: &&String| !said.changed.iter().any(|note| note.contains(*words));
            let lacking = case.notes.iter().find(lacks);
            let unexpected = case.notes.is_empty() && !said.changed.is_empty();
            (lacking.is_some() || unexpected).then(|| format!("{:?} for {:?}", said.changed, case.notes))
        }
        Err(Error::Refused(sentence)) if !case.refused.is_empty() => {
            let lacks = !case.refused.iter().all(|words| sentence.contains(words.as_str()));
            lacks.then(|| format!("{sentence:?} for {:?}", case.refused))
        }
        outcome => Some(format!("{:?}", outcome.as_ref().map(|(_, said)| said))),
    }
}

#[test]
fn what_tifffile_and_others_write_keeps_its_pixels_and_its_truth() {
    let golden = Golden::to_check("tiffs.py");
    let cases: Vec<Case> = golden.cases();
    let mut all_wrong = Vec::new();
    for case in &cases {
        let outcome = carry_pages(&golden.read(&case.name));
        if let Some(wrong) = wrong(case, &outcome) {
            all_wrong.push(format!("{}: {wrong}", case.name));
        }
        if let Ok((result, _)) = outcome {
            golden.write(&format!("out-{}", case.name), result);
        }
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
    golden.check();
}

/// Returns the pixels of a sample and of its result, and the notes.
fn through(name: &str) -> (Rows, Rows, Vec<String>) {
    let original = sample(&format!("tiff/{name}"));
    let (result, said) = carry_pages(&original).unwrap_or_else(|error| panic!("{name}: {error}"));
    (read(&original, u32::MAX).unwrap().1, read(&result, u32::MAX).unwrap().1, said.changed)
}

#[test]
fn what_libtiff_and_gdal_open_is_taken() {
    // The same picture in each file, as the one without a defect has it.
    let expected = read(&sample("tiff/h_nextifd.tif"), u32::MAX).unwrap().1;
    for (name, note) in [
        ("h_badprivate.tif", Some("can't be read")),
        ("h_badmakernote.tif", Some("37500")),
        ("h_nextifd.tif", Some("beyond its end")),
        ("h_nobytecounts.tif", None),
        ("h_rps0.tif", None),
        ("h_morestrips.tif", None),
        ("h_nophoto.tif", Some("read as gray")),
        ("h_predictor_none.tif", None),
        ("h_fill2_lzw.tif", None),
    ] {
        let (before, after, notes) = through(name);
        assert!(before == expected && after == expected, "{name}");
        match note {
            None => assert!(notes.is_empty(), "{name}: {notes:?}"),
            Some(words) => assert!(notes.iter().any(|note| note.contains(words)), "{name}: {notes:?}"),
        }
    }
}

#[test]
fn slices_behind_one_page_become_pages_or_are_refused() {
    let (result, said) = carry_pages(&sample("tiff/ij_oneifd.tif")).unwrap();
    assert_eq!(inspect(&result).unwrap().pages(), 3);
    assert!(said.changed.iter().any(|note| note.contains("3 slices lay behind one page")), "{said:?}");
    match carry_pages(&sample("tiff/tf_volumetric.tif")) {
        Err(Error::Refused(sentence)) => assert!(sentence.contains("3 slices") && sentence.contains("imwrite")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn imagejs_display_range_is_dropped_and_the_rest_of_its_metadata_stays() {
    let (result, said) = carry_pages(&sample("tiff/ij_stack.tif")).unwrap();
    assert!(said.changed.iter().any(|note| note.contains("display range")), "{said:?}");
    let holds = |text: &[u8]| result.windows(text.len()).any(|bytes| bytes == text);
    assert!(!holds(b"min=") && !holds(b"max=") && holds(b"images=3\n") && holds(b"spacing=2.0\n") && holds(b"lbal"));
}

#[test]
fn colours_with_further_bands_stay_colours() {
    for name in ["h_extra_unspec.tif", "cog_rgba.tif"] {
        let result = carry(&sample(&format!("tiff/{name}")), 1);
        let structure = |file: &[u8]| {
            let mut source = Cursor::new(file);
            let header = tiff::Tiff::header(&mut source).unwrap();
            let directory = header.directory(&mut source, header.first).unwrap();
            [tag::PHOTOMETRIC, tag::EXTRA_SAMPLES, tag::SAMPLES_PER_PIXEL]
                .map(|tag| header.numbers(&mut source, directory.find(tag).unwrap()).unwrap())
        };
        assert_eq!(structure(&result), [vec![2], vec![0], vec![4]], "{name}");
    }
}

#[test]
fn a_masks_overviews_are_kept_in_any_order_of_the_directories() {
    let original = sample("tiff/g_mask_ovr.tif");
    // The order of its six directories: page, mask, two overviews, two overviews of the mask.
    for order in [[0, 1, 2, 3, 4, 5], [0, 2, 3, 1, 4, 5], [0, 2, 4, 1, 5, 3], [0, 5, 4, 3, 2, 1]] {
        let original = in_order(&original, &order);
        let (result, said) = carry_pages(&original).unwrap();
        assert!(said.kept.iter().any(|kept| kept == "2 overviews of the mask"), "{said:?}");
        let mut source = Cursor::new(&result);
        let document = tiff::document(&mut source).unwrap();
        assert_eq!((document.pages.len(), document.smaller.len()), (1, 4));
        let info = inspect(&original).unwrap();
        assert_eq!((info.layout, info.more.overviews.len()), (Layout::GrayAlpha, 2));
        // Rasterio counts 3,375 masked pixels in the first of them.
        let half = document.smaller.iter().filter(|smaller| smaller.of_mask);
        let hidden: Vec<usize> = half.map(|smaller| zeros(&result, smaller.at)).collect();
        assert!(hidden.contains(&3_375), "{hidden:?}");
        assert_eq!(read(&result, 9).unwrap(), read(&original, 9).unwrap());
    }
}

/// Returns a TIFF with its directories linked in another order.
fn in_order(file: &[u8], order: &[usize]) -> Vec<u8> {
    let mut source = Cursor::new(file);
    let header = tiff::Tiff::header(&mut source).unwrap();
    assert!(!header.big && header.order == tiff::Order::Little);
    let (mut at, mut all) = (header.first, Vec::new());
    while at > 0 {
        let directory = header.directory(&mut source, at).unwrap();
        all.push((at, at as usize + 2 + 12 * directory.fields));
        at = directory.next;
    }
    let mut file = file.to_vec();
    let mut pointer = 4;
    for index in order {
        let (at, next) = all[*index];
        file[pointer..pointer + 4].copy_from_slice(&(at as u32).to_le_bytes());
        pointer = next;
    }
    file[pointer..pointer + 4].fill(0);
    file
}

/// Returns the number of zeros of a bilevel image, which is read as a page of its own.
fn zeros(file: &[u8], at: u64) -> usize {
    let mut file = file.to_vec();
    let mut source = Cursor::new(&file);
    let header = tiff::Tiff::header(&mut source).unwrap();
    let directory = header.directory(&mut source, at).unwrap();
    let next = at as usize + 2 + 12 * directory.fields;
    // Neither reduced nor a mask, gray, and the only one.
    for (field, value) in [(tag::NEW_SUBFILE_TYPE, 0_u32), (tag::PHOTOMETRIC, 1)] {
        let index = directory.entries.iter().position(|entry| entry.tag == field).unwrap();
        let value_at = at as usize + 2 + 12 * index + 8;
        file[value_at..value_at + 4].copy_from_slice(&value.to_le_bytes());
    }
    file[next..next + 4].fill(0);
    file[4..8].copy_from_slice(&(at as u32).to_le_bytes());
    let Samples::U8(samples) = read(&file, u32::MAX).unwrap().1.samples else { panic!("a mask has bits") };
    samples.iter().filter(|sample| **sample == 0).count()
}

#[test]
fn webp_in_tiff_has_the_pixels_that_gdal_reads() {
    // CRC-32 of the samples as rasterio reads them.
    for (name, crc) in [("tc_webp.tif", 0xa78a_28fe), ("webp_rgba.tif", 0x5278_59f9), ("webp_tiles.tif", 0x5e46_3e72)] {
        let (before, after, notes) = through(name);
        assert_eq!((crc32fast::hash(&before.to_le_bytes()), &after), (crc, &before), "{name}");
        assert!(notes[0].contains("WebP") && notes[0].contains("Deflate"), "{name}: {notes:?}");
    }
    let mut wrong = sample("tiff/tc_webp.tif");
    let at = wrong.windows(4).position(|bytes| bytes == b"VP8L").unwrap();
    wrong[at + 8] ^= 0xff;
    assert!(matches!(read(&wrong, 9), Err(Error::Refused(sentence)) if sentence.contains("WebP")));
}

#[test]
fn what_is_not_supported_is_named_with_the_command_that_converts_it() {
    for (name, words) in [
        ("tc_lerc.tif", ["LERC", "gdal_translate -co COMPRESS=DEFLATE"]),
        ("ojpeg.tif", ["JPEG of the old kind", "tiff2rgba"]),
        ("t_lab.tif", ["L*a*b*", "vips colourspace"]),
        ("dnglike.tif", ["SubIFDs", "tifffile"]),
    ] {
        match carry_pages(&sample(&format!("tiff/{name}"))) {
            Err(Error::Refused(sentence)) => {
                assert!(words.iter().all(|word| sentence.contains(word)), "{name}: {sentence}");
            }
            other => panic!("{name}: {:?}", other.map(|(_, said)| said)),
        }
    }
}

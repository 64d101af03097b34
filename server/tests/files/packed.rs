//! Samples of 9 to 15 bits, packed, and of 3 to 7; alpha of signed samples and among bands. Cases with their expected samples come from
//! `scripts/golden/packed.py`; further files are GDAL's and tifffile's (`samples/README.md`).

use std::io::Cursor;
use std::path::Path;

use proptest::prelude::*;
use server::codec::{self, Error, Limits};
use server::pipeline::local::equalize_file;
use shared::equalize::Recipe;
use shared::packed::Packed;
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::golden::Golden;
use super::mutations::{damage, through};
use super::refusals::{says, sentence};
use super::{carry, inspect, make, read, sample};

#[derive(Debug, serde::Deserialize)]
struct Case {
    name: String,
    recipe: serde_json::Value,
}

fn equalized(file: &[u8], recipe: &Recipe) -> Vec<u8> {
    let source = || Ok(Box::new(Cursor::new(file.to_vec())) as Box<_>);
    let mut out = Cursor::new(Vec::new());
    equalize_file(source, recipe, &mut out, &Limits::default(), &mut |_, _| ()).unwrap();
    out.into_inner()
}

#[test]
fn packed_samples_and_alpha_become_what_numpy_computes() {
    let golden = Golden::to_check("packed.py");
    for case in golden.cases::<Case>() {
        let Case { name, mut recipe } = case;
        let file = golden.read(&name);
        let info = inspect(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let own: Recipe = serde_json::from_value(recipe.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        own.check(&info).unwrap_or_else(|sentence| panic!("{name}: {sentence}"));
        golden.write(&format!("out-{name}"), equalized(&file, &own));
        recipe["strength"] = 0.into();
        golden.write(&format!("same-{name}"), equalized(&file, &serde_json::from_value(recipe).unwrap()));
    }
    golden.check();
}

/// Returns the samples of a file as it stores them.
fn own_samples(file: &[u8]) -> Vec<u16> {
    let (info, rows) = read(file, 17).unwrap();
    let packed = info.more.packed.unwrap();
    let Samples::U16(samples) = rows.samples else { panic!("packed samples are widened to 16 bits") };
    assert!(samples.iter().all(|sample| packed.nearest(*sample) == *sample));
    samples.into_iter().map(|sample| packed.narrow(sample)).collect()
}

#[test]
fn packed_files_of_gdal_and_tifffile_have_the_samples_that_these_read() {
    // CRC-32 of the samples as rasterio and tifffile read them, in little-endian order.
    for (name, bits, layout, crc) in [
        ("h_12bit.tif", 12, Layout::Gray, 0x721e_0079),
        ("packed_gdal9_none.tif", 9, Layout::Gray, 0x7d79_9f21),
        ("packed_gdal10_lzw_tiles.tif", 10, Layout::Gray, 0xf695_3833),
        ("packed_gdal11_zstd.tif", 11, Layout::Gray, 0x87d3_2063),
        ("packed_gdal12_rgb_planes.tif", 12, Layout::Rgb, 0xffee_1074),
        ("packed_gdal13_big_endian.tif", 13, Layout::Gray, 0xa3ba_7a9c),
        ("packed_gdal14_nodata_ovr.tif", 14, Layout::Gray, 0xd6d3_e34c),
        ("packed_gdal15_bigtiff_rgba.tif", 15, Layout::Rgba, 0x89e1_8dbf),
        ("packed_tifffile10.tif", 10, Layout::Gray, 0x78e8_6cc5),
        ("packed_tifffile12.tif", 12, Layout::Gray, 0xb004_bc4a),
        ("packed_tifffile14.tif", 14, Layout::Gray, 0x6680_05f3),
        ("packed_tifffile12_rgb.tif", 12, Layout::Rgb, 0xb552_a38b),
    ] {
        let original = sample(&format!("tiff/{name}"));
        let info = inspect(&original).unwrap();
        assert_eq!((info.bits(), info.depth, info.layout), (bits, Depth::Sixteen, layout), "{name}");
        let own = own_samples(&original);
        let bytes: Vec<u8> = own.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(crc32fast::hash(&bytes), crc, "{name}");
        let result = carry(&original, 1);
        assert_eq!((own_samples(&result), inspect(&result).unwrap().bits()), (own, bits), "{name}");
        let equal = equalized(&original, &serde_json::from_str(r#"{"method":"global","color":"channels"}"#).unwrap());
        let highest = info.more.packed.unwrap().highest();
        assert_eq!(own_samples(&equal).into_iter().max(), Some(highest), "{name}: the whole range is used");
    }
}

#[test]
fn an_overview_of_packed_samples_is_the_mean_of_their_own_levels() {
    let original = sample("tiff/packed_gdal14_nodata_ovr.tif");
    let info = inspect(&original).unwrap();
    assert_eq!((info.more.nodata, info.more.overviews.len()), (Some(0.0), 1));
    let (width, height) = (info.width as usize, info.height as usize);
    let own = own_samples(&original);
    // The overview as a page of its own.
    let mut result = carry(&original, 1);
    let mut source = Cursor::new(&result);
    let header = shared::decode::tiff::Tiff::header(&mut source).unwrap();
    let first = header.directory(&mut source, header.first).unwrap();
    result[4..8].copy_from_slice(&(first.next as u32).to_le_bytes());
    let small = own_samples(&result);
    assert_eq!(small.len(), width.div_ceil(2) * height.div_ceil(2));
    for (i, found) in small.into_iter().enumerate() {
        let (x, y) = (i % width.div_ceil(2) * 2, i / width.div_ceil(2) * 2);
        let square = (y..(y + 2).min(height)).flat_map(|y| (x..(x + 2).min(width)).map(move |x| (x, y)));
        let valid: Vec<f64> = square.map(|(x, y)| f64::from(own[y * width + x])).filter(|level| *level > 0.0).collect();
        let mean = valid.iter().sum::<f64>() / valid.len().max(1) as f64;
        assert_eq!(found, (mean + 0.5) as u16, "pixel {i}");
    }
}

/// Unpacks samples bit by bit.
fn unpacked(bytes: &[u8], line: usize, bits: usize, count: usize) -> Vec<u16> {
    let bit = |row: &[u8], at: usize| u16::from(row[at / 8] >> (7 - at % 8) & 1);
    let one = |row: &[u8], sample: usize| (0..bits).fold(0, |level, at| level << 1 | bit(row, sample * bits + at));
    bytes.chunks(line).flat_map(|row| (0..count).map(move |sample| one(row, sample)).collect::<Vec<u16>>()).collect()
}

fn short(value: u16) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn bytes_of(rows: &Rows) -> &[u8] {
    let Samples::U8(bytes) = &rows.samples else { panic!("bytes were expected") };
    bytes
}

#[test]
fn packed_samples_come_out_in_every_compression() {
    for bits in 9..=15_u16 {
        // Eight samples take as many bytes as one has bits, so the bytes of any picture are whole samples.
        let bytes = make::pixels(Layout::Gray, Depth::Eight, 5 * u32::from(bits), 29);
        let own = unpacked(bytes_of(&bytes), 5 * usize::from(bits), bits.into(), 40);
        for (compression, piece) in
            [(1, (0, 4)), (5, (0, 29)), (8, (u32::from(bits), 16)), (32_773, (0, 7)), (50_000, (0, 8))]
        {
            for little in [true, false] {
                let store = make::Tiff { little, compression, piece, ..Default::default() };
                let mut fields = vec![(256, 4, 1, store.number(40, 4)), (258, 3, 1, store.number(bits.into(), 2))];
                if piece.0 > 0 {
                    fields.push((322, 3, 1, store.number(8, 2)));
                }
                let original = make::Tiff { fields, ..store.clone() }.file(&bytes);
                assert!(own_samples(&original) == own, "{bits} bits, {store:?}");
                let result = carry(&original, 1);
                assert!(own_samples(&result) == own, "{bits} bits, {store:?}");
                assert_eq!(inspect(&result).unwrap(), inspect(&original).unwrap());
                assert!(result == carry(&original, 2), "the same bytes for every division");
            }
        }
    }
}

#[test]
fn gray_of_three_to_seven_bits_becomes_eight() {
    for bits in [3_u16, 5, 6, 7] {
        let bytes = make::pixels(Layout::Gray, Depth::Eight, 5 * u32::from(bits), 29);
        let fields = vec![(256, 4, 1, 40_u32.to_le_bytes().to_vec()), (258, 3, 1, short(bits))];
        let original = make::Tiff { fields, ..Default::default() }.file(&bytes);
        let highest = f64::from((1 << bits) - 1);
        let own = unpacked(bytes_of(&bytes), 5 * usize::from(bits), bits.into(), 40);
        let wide = own.iter().map(|level| (f64::from(*level) * 255.0 / highest).round() as u8).collect();
        let (info, rows) = read(&original, 5).unwrap();
        assert_eq!((info.depth, rows.samples), (Depth::Eight, Samples::U8(wide)));
        let head = codec::head(&mut Cursor::new(&original), &info, info.layout).unwrap();
        assert_eq!(
            head.keeping().changed[0],
            format!("Samples of {bits} bits became 8 bits, so that an equalized image has all its shades.")
        );
        assert_eq!(read(&carry(&original, 1), 9).unwrap().0.depth, Depth::Eight);
    }
}

#[test]
fn sizes_between_sixteen_and_thirty_two_bits_are_refused_with_a_command() {
    for bits in [17_u16, 24, 31] {
        let fields = vec![(258, 3, 1, short(bits))];
        let file = make::Tiff { fields, ..Default::default() }.file(&make::pixels(Layout::Gray, Depth::Eight, 40, 8));
        let command = format!("gdal_translate -ot UInt16 -scale 0 {} 0 65535", (1_u64 << bits) - 1);
        says(&sentence(&file), &[&format!("{bits} bits"), &command]);
    }
}

#[test]
fn a_predictor_of_packed_samples_is_refused_as_by_libtiff() {
    let bytes = make::pixels(Layout::Gray, Depth::Eight, 15, 8);
    let fields = vec![(256, 4, 1, 10_u32.to_le_bytes().to_vec()), (258, 3, 1, short(12)), (317, 3, 1, short(2))];
    let file = |compression| make::Tiff { compression, fields: fields.clone(), ..Default::default() }.file(&bytes);
    says(&sentence(&file(8)), &["predictor 2"]);
    assert!(inspect(&file(1)).is_ok(), "without compression there is none");
}

#[test]
fn a_recipes_levels_are_those_of_the_file() {
    let info = inspect(&sample("tiff/h_12bit.tif")).unwrap();
    let check = |json: &str| serde_json::from_str::<Recipe>(json).unwrap().check(&info);
    assert_eq!(check(r#"{"method":"global","nodata":4095}"#), Ok(()));
    let refused = check(r#"{"method":"global","nodata":4096}"#).unwrap_err();
    says(&refused, &["12 bits", "0 to 4095", "got 4096"]);
    assert_eq!(check(r#"{"method":"clahe","range":[100,4095]}"#), Ok(()));
    says(&check(r#"{"method":"clahe","range":[100,4096]}"#).unwrap_err(), &["0 to 4095", "12 bits"]);
}

#[test]
fn a_packed_image_matched_to_itself_is_unchanged() {
    let original = sample("tiff/packed_gdal10_lzw_tiles.tif");
    let info = inspect(&original).unwrap();
    let recipe: Recipe =
        serde_json::from_str(r#"{"method":"match","reference":"00000000000000000000000000000001"}"#).unwrap();
    let rows = read(&original, 9).unwrap().1;
    let mut counts = shared::equalize::Counts::new(&recipe, &shared::equalize::Frame::of(&info)).unwrap();
    counts.count(0, &rows, None);
    let mut reference = shared::equalize::Histogram::for_reference(&recipe, info.layout, info.layout, info.depth);
    reference.count(&rows);
    let table = shared::equalize::Table::new(&recipe, &counts, Some(&reference)).unwrap();
    assert_eq!(table.apply(&recipe, 0, rows.clone(), None), rows);
}

#[test]
fn another_format_says_that_the_bits_become_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.tif");
    std::fs::write(&path, sample("tiff/packed_tifffile12.tif")).unwrap();
    let run = |arguments: &[&str], out: &Path| {
        let output = super::EVENLIGHT.command().arg("equalize").arg(&path).arg(out).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let (png, eight) = (folder.path().join("out.png"), folder.path().join("eight.tif"));
    let said = run(&["--to", "png"], &png);
    assert!(said.contains("Samples of 12 bits became 16 bits."), "{said}");
    let wide = super::by_image(&std::fs::read(&png).unwrap());
    let own = equalized(&sample("tiff/packed_tifffile12.tif"), &Recipe::default());
    assert_eq!(wide, read(&own, 9).unwrap().1.samples);
    let said = run(&["--depth", "8"], &eight);
    assert!(said.contains("Samples of 12 bits became 8 bits."), "{said}");
}

#[test]
fn several_alphas_among_bands_are_refused_with_a_command() {
    for (layout, kinds) in [(Layout::Bands(5), vec![2_u16, 0, 2, 0]), (Layout::Bands(3), vec![1, 0])] {
        let bytes = kinds.iter().flat_map(|kind| kind.to_le_bytes()).collect();
        let fields = vec![(338, 3, kinds.len() as u32, bytes)];
        let file = make::Tiff { fields, ..Default::default() }.file(&make::pixels(layout, Depth::Eight, 8, 8));
        says(&sentence(&file), &["alpha", "gdal_translate -b 1"]);
    }
}

#[test]
fn bands_with_alpha_come_out_with_it_and_are_shown() {
    for depth in [Depth::Eight, Depth::Sixteen, Depth::Float] {
        let rows = make::pixels(Layout::BandsAlpha(4), depth, 37, 29);
        for planar in [false, true] {
            let original = make::Tiff { planar, compression: 8, ..Default::default() }.file(&rows);
            assert_eq!(read(&original, 5).unwrap().1, rows);
            let result = carry(&original, 1);
            assert_eq!(read(&result, 29).unwrap().1, rows);
            let info = inspect(&original).unwrap();
            let mut reader = codec::open(Box::new(Cursor::new(original)), &info).unwrap();
            let view = codec::view(reader.as_mut(), &info, None, 9).unwrap();
            assert_eq!(view.media_type, "image/png", "a picture with alpha");
        }
    }
}

/// Files of packed samples to damage.
fn packed_files() -> Vec<Vec<u8>> {
    let names = ["packed_gdal9_none", "packed_gdal10_lzw_tiles", "packed_gdal11_zstd", "packed_gdal13_big_endian"];
    let more =
        ["packed_gdal12_rgb_planes", "packed_gdal14_nodata_ovr", "packed_tifffile12_rgb", "packed_gdal15_bigtiff_rgba"];
    names.iter().chain(&more).map(|name| sample(&format!("tiff/{name}.tif"))).collect()
}

#[test]
fn packed_strips_that_are_cut_short_are_refused_as_truncated() {
    for file in [sample("tiff/packed_tifffile12.tif"), sample("tiff/h_12bit.tif")] {
        let mut source = Cursor::new(&file);
        let header = shared::decode::tiff::Tiff::header(&mut source).unwrap();
        let directory = header.directory(&mut source, header.first).unwrap();
        let at = header.numbers(&mut source, directory.find(273).unwrap()).unwrap();
        // The directory lies before the strips of one file, behind those of the other.
        if at[0] > header.first {
            for length in (at[0] as usize..file.len()).step_by(531) {
                says(&sentence(&file[..length]), &["truncated"]);
            }
        }
    }
    let bytes = make::pixels(Layout::Gray, Depth::Eight, 15, 30);
    let long = |value: u32| value.to_le_bytes().to_vec();
    for compression in [5, 8, 32_773, 50_000] {
        let fields = vec![(256, 4, 1, long(10)), (258, 3, 1, short(12))];
        let mut file = make::Tiff { compression, fields, ..Default::default() }.file(&bytes);
        file[8..40].fill(0x80);
        says(&sentence(&file), &["TIFF"]);
    }
    let lengths = [14_u32, 120, 120, 90].map(u32::to_le_bytes).concat();
    let fields = vec![(256, 4, 1, long(10)), (258, 3, 1, short(12)), (279, 4, 4, lengths)];
    says(&sentence(&make::Tiff { fields, ..Default::default() }.file(&bytes)), &["truncated"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damaged_packed_files_are_refused_or_decoded(
        which in 0_usize..8,
        damage in damage(1..6, 0.3),
    ) {
        let mut file = packed_files().swap_remove(which);
        damage.apply(&mut file);
        through(&file);
    }

    #[test]
    fn any_number_of_bits_in_any_layout_is_refused_or_decoded(
        bits in 1_u16..70, samples in 1_u16..6, kinds in prop::collection::vec(0_u16..4, 0..5),
        format in 1_u16..7, photometric in 0_u16..9, compression in prop::sample::select(vec![1_u16, 5, 8, 32_773, 50_000]),
    ) {
        let bytes = make::pixels(Layout::Gray, Depth::Eight, 400, 4);
        let shorts = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let count = usize::from(samples);
        let mut fields = vec![
            (256, 4, 1, 9_u32.to_le_bytes().to_vec()),
            (258, 3, count as u32, shorts(&vec![bits; count])),
            (262, 3, 1, short(photometric)),
            (277, 3, 1, short(samples)),
            (339, 3, count as u32, shorts(&vec![format; count])),
        ];
        if !kinds.is_empty() {
            fields.push((338, 3, kinds.len() as u32, shorts(&kinds)));
        }
        through(&make::Tiff { compression, fields, ..Default::default() }.file(&bytes));
    }

    #[test]
    fn no_level_leaves_the_range(bits in 9_u8..16, levels in prop::collection::vec(any::<u16>(), 80)) {
        let packed = Packed::new(bits).unwrap();
        prop_assert!(levels.iter().all(|level| packed.narrow(*level) <= packed.highest()));
    }
}

#[test]
fn an_error_of_a_packed_file_names_no_decoder() {
    for file in packed_files() {
        match read(&file[..file.len() / 2], 8) {
            Err(Error::Refused(sentence)) => says(&sentence, &["truncated"]),
            other => panic!("{:?}", other.map(|(info, _)| info)),
        }
    }
}

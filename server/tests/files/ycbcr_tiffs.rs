//! YCbCr in TIFFs without JPEG: with the colours of libtiff (`scripts/golden/ycbcr.py`, and samples that Pillow wrote).

use std::io::Cursor;

use proptest::prelude::*;
use server::codec;
use shared::pixels::{Depth, Layout, Samples};

use super::golden::Golden;
use super::mutations::{damage, through};
use super::refusals::{says, sentence};
use super::{carry, inspect, make, read, sample};

#[test]
fn ycbcr_has_libtiffs_colours_with_any_subsampling() {
    let tiffs = Golden::of("ycbcr.py").tiffs_with_pixels();
    for (name, file, pixels) in &tiffs {
        let pixels = Samples::U8(pixels.clone());
        for step in [7, 64] {
            let (info, rows) = read(file, step).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((info.layout, info.depth), (Layout::Rgb, Depth::Eight));
            assert!(rows.samples == pixels, "{name}");
        }
        assert!(read(&carry(file, 1), 64).unwrap().1.samples == pixels, "{name}");
    }
    assert_eq!(tiffs.len(), 40);
}

#[test]
fn ycbcr_becomes_rgb_and_that_is_reported() {
    // CRC-32 of the colours as libtiff converts them.
    for (name, crc) in
        [("ycc_none.tif", 0x916e_6d33), ("ycbcr_pillow_none.tif", 0x029c_e2fe), ("ycbcr_pillow_lzw.tif", 0x029c_e2fe)]
    {
        let original = sample(&format!("tiff/{name}"));
        let (info, rows) = read(&original, 9).unwrap();
        assert_eq!(crc32fast::hash(&rows.to_le_bytes()), crc, "{name}");
        let result = carry(&original, 1);
        assert_eq!(read(&result, 9).unwrap().1, rows, "{name}");
        let mut source = Cursor::new(&result);
        let header = shared::decode::tiff::Tiff::header(&mut source).unwrap();
        let directory = header.directory(&mut source, header.first).unwrap();
        assert_eq!(header.numbers(&mut source, directory.find(262).unwrap()).unwrap(), [2]);
        assert!([529, 530, 531, 532].iter().all(|tag| directory.find(*tag).is_none()), "{name}");
        let head = codec::head(&mut Cursor::new(&original), &inspect(&original).unwrap(), info.layout).unwrap();
        assert!(head.keeping().changed[0].contains("YCbCr became RGB"), "{:?}", head.keeping());
    }
}

#[test]
fn ycbcr_that_is_unusual_is_refused_each_with_its_reason() {
    let with = |layout, depth, fields: Vec<(u16, u16, u32, Vec<u8>)>, store: make::Tiff| {
        let fields = [vec![(262, 3, 1, vec![6, 0])], fields].concat();
        sentence(&make::Tiff { fields, ..store }.file(&make::pixels(layout, depth, 16, 16)))
    };
    let two = vec![(530, 3, 2, vec![2, 0, 2, 0])];
    let plain = make::Tiff::default;
    says(&with(Layout::Rgb, Depth::Sixteen, two.clone(), plain()), &["YCbCr", "vips colourspace"]);
    says(&with(Layout::Rgba, Depth::Eight, two.clone(), plain()), &["YCbCr", "vips colourspace"]);
    let planar = make::Tiff { planar: true, ..plain() };
    says(&with(Layout::Rgb, Depth::Eight, two, planar), &["YCbCr", "vips colourspace"]);
    says(&with(Layout::Rgb, Depth::Eight, vec![(530, 3, 2, vec![3, 0, 1, 0])], plain()), &["subsampled", "[3, 1]"]);
    let ones = (530, 3, 2, vec![1, 0, 1, 0]);
    let zeros = vec![ones.clone(), (529, 5, 3, vec![0; 24])];
    says(&with(Layout::Rgb, Depth::Eight, zeros, plain()), &["coefficients"]);
    says(&with(Layout::Rgb, Depth::Eight, vec![ones, (532, 3, 6, vec![0; 12])], plain()), &["532", "rational"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn damaged_ycbcr_is_refused_or_decoded(
        which in 0_usize..3,
        factors in prop::sample::select(vec![[1_u8, 1], [2, 1], [2, 2], [4, 4], [1, 4]]),
        damage in damage(0..6, 0.2),
    ) {
        let names = ["ycc_none.tif", "ycbcr_pillow_none.tif", "ycbcr_pillow_lzw.tif"];
        let mut file = sample(&format!("tiff/{}", names[which]));
        // The field with the subsampling: its tag, type, count, then the two factors.
        let field = [18, 2, 3, 0, 2, 0, 0, 0, 1, 0, 1, 0];
        let at = file.windows(12).position(|bytes| bytes == field).unwrap();
        (file[at + 8], file[at + 10]) = (factors[0], factors[1]);
        damage.apply(&mut file);
        through(&file);
    }
}

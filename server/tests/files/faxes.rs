//! Fax data in TIFFs: run lengths, group 3 and group 4, as libtiff writes them (`scripts/golden/fax.py`, and GDAL's samples).

use std::io::Cursor;

use proptest::prelude::*;
use server::codec::{self, Error};
use shared::pixels::{Depth, Layout, Samples};

use super::golden::Golden;
use super::mutations::{damage, through};
use super::{carry, inspect, read, sample};

#[test]
fn faxes_have_the_pixels_that_libtiff_wrote() {
    let tiffs = Golden::of("fax.py").tiffs_with_pixels();
    for (name, file, pixels) in &tiffs {
        let (_, rows) = read(file, 13).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(rows.samples == Samples::U8(pixels.clone()), "{name}");
    }
    assert_eq!(tiffs.len(), 108);
}

#[test]
fn a_fax_becomes_eight_bits_and_deflate_and_that_is_reported() {
    // CRC-32 of the pixels as Pillow reads them.
    for (name, crc) in [
        ("bw_g3.tif", 0x8fc3_4bd4),
        ("fax_gdal_rle.tif", 0x4826_5720),
        ("fax_gdal_g3.tif", 0x4826_5720),
        ("fax_gdal_g3_min_is_white.tif", 0x5d2f_5fe1),
    ] {
        let original = sample(&format!("tiff/{name}"));
        let (info, rows) = read(&original, 7).unwrap();
        assert_eq!((info.layout, info.depth), (Layout::Gray, Depth::Eight));
        assert_eq!(crc32fast::hash(&rows.to_le_bytes()), crc, "{name}");
        assert_eq!(read(&carry(&original, 1), 7).unwrap().1, rows, "{name}");
        let head = codec::head(&mut Cursor::new(&original), &inspect(&original).unwrap(), info.layout).unwrap();
        let said = head.keeping().changed.join(" ");
        assert!(
            said.contains("1 bit became 8 bits") && said.contains("fax (CCITT)") && said.contains("Deflate"),
            "{said}"
        );
    }
}

#[test]
fn a_fax_that_ends_early_is_refused() {
    for name in ["bw_g3.tif", "fax_gdal_rle.tif", "fax_gdal_g3.tif"] {
        let original = sample(&format!("tiff/{name}"));
        let mut source = Cursor::new(&original);
        let header = shared::decode::tiff::Tiff::header(&mut source).unwrap();
        let directory = header.directory(&mut source, header.first).unwrap();
        let number =
            |source: &mut Cursor<&Vec<u8>>, tag| header.numbers(source, directory.find(tag).unwrap()).unwrap()[0];
        let (at, length) = (number(&mut source, 273) as usize, number(&mut source, 279) as usize);
        // The second half of the first strip is codes of nothing.
        let mut file = original.clone();
        file[at + length / 2..at + length].fill(0);
        match read(&file, 9) {
            Err(Error::Refused(sentence)) => {
                assert!(sentence.contains("truncated") || sentence.contains("fax"), "{name}: {sentence}");
            }
            other => panic!("{name}: {:?}", other.map(|(info, _)| info)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damaged_faxes_are_refused_or_decoded(
        which in 0_usize..4,
        two_dimensional in any::<bool>(),
        damage in damage(1..9, 0.0),
    ) {
        let names = ["bw_g3.tif", "fax_gdal_rle.tif", "fax_gdal_g3.tif", "fax_gdal_g3_min_is_white.tif"];
        let mut file = sample(&format!("tiff/{}", names[which]));
        damage.apply(&mut file);
        if two_dimensional && let Some(at) = file.windows(4).position(|field| field == [28, 1, 3, 0]) {
            // A field that isn't needed becomes the options of group 3.
            file[at..at + 12].copy_from_slice(&[36, 1, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        }
        through(&file);
    }
}

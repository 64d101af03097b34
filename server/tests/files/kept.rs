//! Metadata that survives, by item and format: the exact bytes are in the result, and the report says so.

use std::io::Cursor;

use server::codec;
use shared::decode::{jpeg, png, tiff, webp};
use shared::job::Keeping;
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::{carry, inspect, make, sample};

fn report(file: &[u8]) -> Keeping {
    let info = inspect(file).unwrap();
    codec::head(&mut Cursor::new(file), &info, info.layout).unwrap().keeping().clone()
}

/// Checks that the report names an item for this file and reports nothing as lost, and that it doesn't name the item for a file
/// without it.
fn told(name: &str, with: &[u8], without: &[u8]) {
    let said = report(with);
    assert!(said.kept.iter().any(|kept| kept == name), "{name}: {said:?}");
    assert_eq!(said.changed, report(without).changed, "{name}");
    assert!(!report(without).kept.iter().any(|kept| kept == name), "{name} of nothing");
}

/// EXIF data: the camera's maker, and orientation 8.
fn exif() -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x04\0\0\0abc\0".to_vec();
    bytes.extend(b"\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0");
    bytes
}

const XMP: &[u8] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF/></x:xmpmeta>";
/// An IPTC record: the headline, "abc".
const IPTC: &[u8] = b"\x1c\x02\x69\x00\x03abc";

fn rgb() -> Rows {
    make::pixels(Layout::Rgb, Depth::Eight, 24, 18)
}

fn png_keeps(name: &str, kind: &[u8; 4], data: &[u8]) {
    let without = make::png(&rgb());
    let with = make::with_chunks(&without, &[make::chunk(kind, data)]);
    let chunks = png::structure(&mut Cursor::new(carry(&with, 5))).unwrap().chunks;
    assert!(chunks.iter().any(|chunk| &chunk.kind == kind && chunk.data == data), "{name}: {chunks:?}");
    told(name, &with, &without);
}

#[test]
fn icc_in_png() {
    png_keeps("the colour space (ICC profile or chunks)", b"iCCP", b"name\0\0x\x9cprofile");
}

#[test]
fn exif_in_png() {
    png_keeps("EXIF", b"eXIf", &exif());
}

#[test]
fn xmp_in_png() {
    png_keeps("XMP", b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", XMP].concat());
}

#[test]
fn iptc_in_png() {
    let hex: String = IPTC.iter().map(|byte| format!("{byte:02x}")).collect();
    let profile = make::zlib(format!("\niptc\n      {}\n{hex}\n", IPTC.len()).as_bytes());
    png_keeps("IPTC", b"zTXt", &[b"Raw profile type iptc\0\0", &profile[..]].concat());
}

#[test]
fn text_in_png() {
    png_keeps("text", b"tEXt", b"Title\0A title");
    png_keeps("text", b"zTXt", &[b"Comment\0\0", &make::zlib(b"said at length")[..]].concat());
    png_keeps("text", b"iTXt", "Author\0\0\0de\0Verfasser\0Jürgen".as_bytes());
}

#[test]
fn resolution_in_png() {
    png_keeps("the resolution", b"pHYs", &[0, 0, 0x2e, 0x23, 0, 0, 0x2e, 0x23, 1]);
}

fn jpeg_keeps(name: &str, marker: u8, data: &[u8]) {
    let without = sample("made/422.jpg");
    let segment = [&[0xff, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat();
    let with = [&without[..2], &segment, &without[2..]].concat();
    let segments = jpeg::header(&mut Cursor::new(carry(&with, 2))).unwrap().segments;
    assert!(segments.iter().any(|segment| segment.marker == marker && segment.data == data), "{name}");
    told(name, &with, &without);
}

#[test]
fn icc_in_jpeg() {
    jpeg_keeps("the colour profile (ICC)", 0xe2, b"ICC_PROFILE\0\x01\x01profile");
}

#[test]
fn exif_in_jpeg() {
    jpeg_keeps("EXIF", 0xe1, &[b"Exif\0\0", &exif()[..]].concat());
}

#[test]
fn xmp_in_jpeg() {
    jpeg_keeps("XMP", 0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", XMP].concat());
}

#[test]
fn iptc_in_jpeg() {
    let length = IPTC.len() as u32;
    jpeg_keeps("IPTC", 0xed, &[b"Photoshop 3.0\x008BIM\x04\x04\0\0", &length.to_be_bytes()[..], IPTC].concat());
}

#[test]
fn comment_in_jpeg() {
    jpeg_keeps("the comment", 0xfe, b"a comment");
}

#[test]
fn resolution_in_jpeg() {
    let mut with = sample("made/422.jpg");
    assert_eq!(&with[6..11], b"JFIF\0");
    let mut without = with.clone();
    // Dots per inch; without a unit it would only be the pixels' aspect ratio.
    with[13..18].copy_from_slice(&[1, 0, 254, 0, 254]);
    without[13..18].copy_from_slice(&[0, 0, 1, 0, 1]);
    assert_eq!(carry(&with, 2)[13..18], [1, 0, 254, 0, 254]);
    told("the resolution", &with, &without);
}

type Fields = Vec<(u16, u16, u32, Vec<u8>)>;

fn tiff_keeps(name: &str, fields: impl Fn(&make::Tiff) -> Fields) {
    for (little, big) in [(true, false), (false, false), (false, true)] {
        let plain = make::Tiff { little, big, compression: 8, ..make::Tiff::default() };
        let fields = fields(&plain);
        let with = make::Tiff { fields: fields.clone(), ..plain.clone() }.file(&rgb());
        let result = carry(&with, 1);
        let mut source = Cursor::new(&result);
        let header = tiff::Tiff::header(&mut source).unwrap();
        let directory = header.directory(&mut source, header.first).unwrap();
        for (tag, kind, count, bytes) in fields {
            let entry = directory.find(tag).unwrap_or_else(|| panic!("{name}: field {tag} is gone"));
            assert_eq!((entry.kind, entry.count), (kind, u64::from(count)), "{name}: field {tag}");
            assert_eq!(header.bytes(&mut source, entry).unwrap(), bytes, "{name}: field {tag}");
        }
        told(name, &with, &plain.file(&rgb()));
    }
}

#[test]
fn icc_in_tiff() {
    tiff_keeps("the colour profile (ICC)", |_| vec![(34_675, 7, 7, b"profile".to_vec())]);
}

#[test]
fn xmp_in_tiff() {
    tiff_keeps("XMP", |_| vec![(700, 1, XMP.len() as u32, XMP.to_vec())]);
}

#[test]
fn iptc_in_tiff() {
    tiff_keeps("IPTC", |_| vec![(33_723, 7, IPTC.len() as u32, IPTC.to_vec())]);
}

#[test]
fn resolution_in_tiff() {
    tiff_keeps("the resolution", |store| {
        let rational = [store.number(11_811, 4), store.number(100, 4)].concat();
        vec![(282, 5, 1, rational.clone()), (283, 5, 1, rational), (296, 3, 1, store.number(3, 2))]
    });
}

#[test]
fn geotiff_in_tiff() {
    tiff_keeps("GeoTIFF", |store| {
        let doubles = |values: &[f64]| values.iter().flat_map(|value| store.number(value.to_bits(), 8)).collect();
        let keys = [1, 1, 0, 1, 1_024, 0, 1, 1_u64].iter().flat_map(|key| store.number(*key, 2)).collect();
        vec![
            (33_550, 12, 3, doubles(&[30.0, 30.0, 0.0])),
            (33_922, 12, 6, doubles(&[0.0, 0.0, 0.0, 440_720.0, 3_751_320.0, 0.0])),
            (34_735, 3, 8, keys),
            (34_736, 12, 1, doubles(&[6_378_137.0])),
            (34_737, 2, 8, b"WGS 84|\0".to_vec()),
        ]
    });
}

#[test]
fn gdals_metadata_in_tiff() {
    let text = b"<GDALMetadata><Item name=\"AREA_OR_POINT\">Area</Item></GDALMetadata>\0";
    tiff_keeps("GDAL's metadata", |_| vec![(42_112, 2, text.len() as u32, text.to_vec())]);
}

#[test]
fn gdals_value_for_no_data_in_tiff() {
    tiff_keeps("the value for no data (GDAL)", |_| vec![(42_113, 2, 4, b"255\0".to_vec())]);
    assert_eq!(
        inspect(&make::Tiff { fields: vec![(42_113, 2, 4, b"255\0".to_vec())], ..make::Tiff::default() }.file(&rgb()))
            .unwrap()
            .more
            .nodata,
        Some(255.0)
    );
}

#[test]
fn exif_in_tiff() {
    // Its directory is at the end of the file, whose length doesn't depend on the target of the pointer.
    let mut store = make::Tiff { fields: vec![(34_665, 4, 1, vec![0; 4])], ..make::Tiff::default() };
    let at = store.file(&rgb()).len();
    let mut tail = vec![0; at];
    let exposure = [store.number(1, 4), store.number(250, 4)].concat();
    let exif = store.directory(vec![(33_434, 5, 1, exposure.clone())], &mut tail);
    store.fields = vec![(34_665, 4, 1, store.number(exif, 4))];
    let with = [&store.file(&rgb())[..], &tail[at..]].concat();

    let result = carry(&with, 1);
    let mut source = Cursor::new(&result);
    let header = tiff::Tiff::header(&mut source).unwrap();
    let page = header.directory(&mut source, header.first).unwrap();
    let at = header.numbers(&mut source, page.find(34_665).unwrap()).unwrap()[0];
    let exif = header.directory(&mut source, at).unwrap();
    assert_eq!(header.bytes(&mut source, exif.find(33_434).unwrap()).unwrap(), exposure);
    told("EXIF", &with, &make::Tiff::default().file(&rgb()));
}

fn webp_keeps(name: &str, kind: &[u8; 4], data: &[u8]) {
    let rows = rgb();
    let Samples::U8(samples) = &rows.samples else { unreachable!() };
    let file = |data: &[u8]| {
        let mut file = Vec::new();
        let mut encoder = image_webp::WebPEncoder::new(&mut file);
        match kind {
            b"ICCP" => encoder.set_icc_profile(data.to_vec()),
            b"EXIF" => encoder.set_exif_metadata(data.to_vec()),
            _ => encoder.set_xmp_metadata(data.to_vec()),
        }
        encoder.encode(samples, rows.width, rows.height() as u32, image_webp::ColorType::Rgb8).unwrap();
        file
    };
    let chunks = webp::header(&mut Cursor::new(carry(&file(data), 5))).unwrap().chunks;
    assert_eq!(chunks, [webp::Chunk { kind: *kind, data: data.to_vec() }]);
    told(name, &file(data), &file(&[]));
}

#[test]
fn icc_in_webp() {
    webp_keeps("the colour profile (ICC)", b"ICCP", b"profile");
}

#[test]
fn exif_in_webp() {
    webp_keeps("EXIF", b"EXIF", &exif());
}

#[test]
fn xmp_in_webp() {
    webp_keeps("XMP", b"XMP ", XMP);
}

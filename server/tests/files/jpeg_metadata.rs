//! Metadata that says what isn't so any more of a result: gain maps, motion photos, Content Credentials, and broken EXIF.

use std::io::Cursor;

use server::codec;
use shared::decode::jpeg;
use shared::pixels::{Depth, Layout};

use super::{carry, inspect, make, read, sample};

/// Returns the report's sentences of what is changed.
fn notes(file: &[u8]) -> Vec<String> {
    let info = inspect(file).unwrap();
    codec::head(&mut Cursor::new(file), &info, info.layout).unwrap().keeping().changed.clone()
}

fn contains(file: &[u8], needle: &[u8]) -> bool {
    file.windows(needle.len()).any(|bytes| bytes == needle)
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
}

/// A JPEG with these segments after its first one, and these bytes after its end.
fn jpeg_with(segments: &[Vec<u8>], after: &[u8]) -> Vec<u8> {
    let jpeg = sample("made/gray.jpg");
    [&jpeg[..20], &segments.concat(), &jpeg[20..], after].concat()
}

fn xmp(properties: &str) -> Vec<u8> {
    let packet = format!(
        "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
         xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" {properties}/></rdf:RDF>\
         </x:xmpmeta>"
    );
    segment(0xe1, packet.as_bytes())
}

/// The first boxes of an MP4.
const VIDEO: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08mdat";
/// JUMBF boxes of a segment: a superbox whose description box has this type.
fn jumbf(kind: &[u8; 4], number: u8, part: u8) -> Vec<u8> {
    let uuid = [&kind[..], b"\0\x11\0\x10\x80\0\0\xaa\x008\x9bq"].concat();
    let start = [&b"JP\0"[..], &[number], &[0, 0, 0, part], b"\0\0\0\x40jumb"].concat();
    segment(0xeb, &[start, b"\0\0\0\x26jumd".to_vec(), uuid, vec![7; 30]].concat())
}

#[test]
fn a_gain_maps_metadata_go_with_the_gain_map() {
    let ultra_hdr = sample("jpeg/ultrahdr.jpg");
    let result = carry(&ultra_hdr, 1);
    for word in [&b"hdrgm"[..], b"hdr-gain-map", b"Container", b"21496", b"MPF"] {
        assert!(contains(&ultra_hdr, word) && !contains(&result, word), "{}", String::from_utf8_lossy(word));
    }
    let said = notes(&ultra_hdr);
    assert!(["XMP", "MPF", "ISO 21496-1"].iter().all(|word| said.iter().any(|note| note.contains(word))), "{said:?}");
    assert_eq!(jpeg::header(&mut Cursor::new(&result)).unwrap().segments.len(), 1, "JFIF");
}

#[test]
fn other_xmp_stays_when_a_gain_maps_goes() {
    let gain_map = "xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\" hdrgm:Version=\"1.0\"";
    let creator = "xmlns:dc=\"http://purl.org/dc/elements/1.1/\" dc:source=\"a camera\"";
    let apple = "xmlns:HDRGainMap=\"http://ns.apple.com/HDRGainMap/1.0/\" HDRGainMap:HDRGainMapVersion=\"65536\"";
    for map in [gain_map, apple] {
        let original = jpeg_with(&[xmp(&format!("{map} {creator}"))], &[]);
        let result = carry(&original, 1);
        assert!(contains(&result, b"dc:source=\"a camera\"") && !contains(&result, b"ainMap"));
        assert!(!contains(&result, b"hdrgm"));
        assert_eq!(notes(&original).len(), 1);
    }
    let untouched = jpeg_with(&[xmp(creator)], &[]);
    assert!(contains(&carry(&untouched, 1), &xmp(creator)), "byte for byte");
    assert_eq!(notes(&untouched), [""; 0]);
}

#[test]
fn motion_photos_lose_their_video_and_what_xmp_says_of_it() {
    let camera = "xmlns:GCamera=\"http://ns.google.com/photos/1.0/camera/\"";
    let motion = format!("{camera} GCamera:MotionPhoto=\"1\" GCamera:MotionPhotoVersion=\"1\"");
    let micro = format!("{camera} GCamera:MicroVideo=\"1\" GCamera:MicroVideoOffset=\"32\"");
    let oppo = "xmlns:OpCamera=\"http://ns.oplus.com/photos/1.0/camera/\" OpCamera:VideoLength=\"32\"";
    for properties in [&motion[..], &micro, oppo] {
        let original = jpeg_with(&[xmp(properties)], VIDEO);
        let result = carry(&original, 1);
        for word in [&b"MotionPhoto"[..], b"MicroVideo", b"VideoLength", b"ftyp"] {
            assert!(!contains(&result, word), "{properties}");
        }
        let said = notes(&original);
        assert!(said.len() == 2 && said.iter().all(|note| note.contains("motion photo")), "{said:?}");
    }
}

#[test]
fn what_follows_the_end_is_left_out_with_a_note() {
    // Samsung's motion photos: a block before the video names it.
    let samsung = [&b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data"[..], VIDEO].concat();
    for (after, word) in [(VIDEO, "video"), (&samsung, "video"), (b"padding\0\0", "9 bytes")] {
        let original = jpeg_with(&[], after);
        let said = notes(&original);
        assert!(said.len() == 1 && said[0].contains(word), "{said:?}");
        assert_eq!(carry(&original, 1), carry(&sample("made/gray.jpg"), 1));
        assert_eq!(read(&original, 100).unwrap().1, read(&sample("made/gray.jpg"), 100).unwrap().1);
    }
}

#[test]
fn content_credentials_are_dropped_with_a_note_and_other_boxes_stay() {
    let handed = sample("jpeg/c2pa.jpg");
    assert!(contains(&handed, b"c2pa") && !contains(&carry(&handed, 1), b"c2pa"));
    assert!(notes(&handed).iter().any(|note| note.contains("C2PA")), "{:?}", notes(&handed));

    // In two segments of a box, of which only the first one says what they are; another box is of another kind.
    let continued = segment(0xeb, &[&b"JP\0\x01\0\0\0\x02\0\0\0\x40jumb"[..], b"rest of the credentials"].concat());
    let other = jumbf(b"json", 2, 1);
    let original = jpeg_with(&[jumbf(b"c2pa", 1, 1), continued, other.clone()], &[]);
    let result = carry(&original, 1);
    assert!(!contains(&result, b"c2pa") && !contains(&result, b"rest of the credentials") && contains(&result, &other));
    assert_eq!(notes(&original).iter().filter(|note| note.contains("C2PA")).count(), 1);
}

#[test]
fn content_credentials_of_other_formats_are_dropped_with_a_note() {
    let gray = make::pixels(Layout::Gray, Depth::Eight, 9, 9);
    let png = make::with_chunks(&make::png(&gray), &[make::chunk(b"caBX", b"\0\0\0\x10jumb")]);
    let tiff =
        make::Tiff { fields: vec![(52_545, 7, 8, b"\0\0\0\x08jumb".to_vec())], ..Default::default() }.file(&gray);
    let mut webp = sample("made/pillow_lossless_alpha.webp");
    webp.extend(b"C2PA\x08\0\0\0\0\0\0\x08jumb");
    let size = webp.len() as u32 - 8;
    webp[4..8].copy_from_slice(&size.to_le_bytes());
    for (format, file) in [("PNG", png), ("TIFF", tiff), ("WebP", webp)] {
        let said = notes(&file);
        assert!(said.iter().any(|note| note.contains("Content Credentials (C2PA)")), "{format}: {said:?}");
        assert!(contains(&file, b"jumb") && !contains(&carry(&file, 1), b"jumb"), "{format}");
    }
}

/// EXIF data with a camera's name outside of the data, an orientation, and a MakerNote that is too long.
fn broken_exif() -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\x03\0".to_vec();
    bytes.extend(b"\x0f\x01\x02\0\x20\0\0\0\x40\x9c\0\0");
    bytes.extend(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0");
    bytes.extend(b"\x69\x87\x04\0\x01\0\0\0\x32\0\0\0\0\0\0\0");
    assert_eq!(bytes.len(), 50);
    bytes.extend(b"\x02\0\x00\x90\x07\0\x04\0\0\x000230\x7c\x92\x07\0\xff\xff\0\0\x20\0\0\0\0\0\0\0");
    bytes
}

#[test]
fn exif_fields_outside_of_their_data_are_dropped_with_a_note() {
    let gray = make::pixels(Layout::Gray, Depth::Eight, 9, 9);
    let jpeg = jpeg_with(&[segment(0xe1, &[b"Exif\0\0", &broken_exif()[..]].concat())], &[]);
    let png = make::with_chunks(&make::png(&gray), &[make::chunk(b"eXIf", &broken_exif())]);
    // The sample's own EXIF is a chunk before the end, and its profile and pixels are before it.
    let mut webp = sample("made/pillow_lossy.webp");
    let at = webp.windows(4).position(|four| four == b"EXIF").unwrap();
    let length = u32::from_le_bytes(webp[at + 4..at + 8].try_into().unwrap()) as usize;
    let chunk = [&b"EXIF"[..], &(broken_exif().len() as u32).to_le_bytes(), &broken_exif()].concat();
    webp.splice(at..at + 8 + length.next_multiple_of(2), chunk);
    let size = webp.len() as u32 - 8;
    webp[4..8].copy_from_slice(&size.to_le_bytes());
    for (format, file) in [("JPEG", jpeg), ("PNG", png), ("WebP", webp)] {
        let said = notes(&file);
        assert!(said.iter().any(|note| note.starts_with("2 fields of EXIF")), "{format}: {said:?}");
        let result = carry(&file, 1);
        assert_eq!(inspect(&result).unwrap().orientation, 6, "{format}");
        assert!(!notes(&result).iter().any(|note| note.contains("EXIF")), "{format}: {:?}", notes(&result));
        assert!(contains(&result, b"\x00\x90\x07\0\x04\0\0\x000230"), "{format}: the version of EXIF stays");
        assert!(!contains(&result, b"\x7c\x92\x07\0"), "{format}");
    }
}

use std::io::Cursor;

use server::codec;
use shared::decode::png::Place;
use shared::decode::{jpeg, png, tiff};
use shared::pixels::{Depth, Layout};

use super::{carry, inspect, make, sample, write};

fn notes(file: &[u8], layout: Layout) -> Vec<String> {
    let info = inspect(file).unwrap();
    codec::head(&mut Cursor::new(file), &info, layout).unwrap().keeping().changed.clone()
}

/// EXIF data with orientation 6 and a thumbnail's directory.
fn exif() -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x1a\0\0\0".to_vec();
    bytes.extend(b"\x01\0\x03\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0");
    bytes
}

#[test]
fn a_pngs_chunks_keep_their_order_and_place() {
    let rgb = make::pixels(Layout::Rgb, Depth::Eight, 9, 9);
    let front = [
        make::chunk(b"gAMA", &45_455_u32.to_be_bytes()),
        make::chunk(b"iCCP", b"name\0\0xxxx"),
        make::chunk(b"sBIT", &[8, 8, 8]),
        make::chunk(b"bKGD", &[0, 1, 0, 2, 0, 3]),
        make::chunk(b"hIST", &[0, 1]),
        make::chunk(b"pHYs", &[0, 0, 0, 9, 0, 0, 0, 9, 1]),
        make::chunk(b"tIME", &[7, 230, 1, 2, 3, 4, 5]),
        make::chunk(b"tEXt", b"Title\0A title"),
        make::chunk(b"eXIf", &exif()),
        make::chunk(b"abCd", b"copied by whoever"),
        make::chunk(b"abCD", b"of these very pixels"),
    ];
    let mut original = make::with_chunks(&make::png(&rgb), &front);
    let end = original.len() - 12;
    original.splice(end..end, make::chunk(b"iTXt", b"Author\0\0\0\0\0me"));
    assert_eq!(inspect(&original).unwrap().orientation, 6);

    let chunks = |file: &[u8]| png::structure(&mut Cursor::new(file)).unwrap().chunks;
    let kinds = |file: &[u8]| -> Vec<String> {
        chunks(file).iter().map(|chunk| String::from_utf8_lossy(&chunk.kind).into_owned()).collect()
    };
    let result = carry(&original, 4);
    let kept = ["gAMA", "iCCP", "sBIT", "bKGD", "pHYs", "tIME", "tEXt", "eXIf", "abCd", "iTXt"];
    assert_eq!(kinds(&result), kept);
    for (after, before) in chunks(&result).iter().filter_map(|after| {
        chunks(&original).into_iter().find(|before| before.kind == after.kind).map(|before| (after.clone(), before))
    }) {
        assert_eq!(after.place, before.place);
        assert!(after.data == before.data || &after.kind == b"eXIf");
    }
    assert_eq!(chunks(&result).last().unwrap().place, Place::Back);
    assert_eq!(inspect(&result).unwrap(), inspect(&original).unwrap());
    let said = notes(&original, Layout::Rgb);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("hIST") && said[1].contains("thumbnail") && said[2].contains("abCD"), "{said:?}");

    let gray = make::pixels(Layout::Gray, Depth::Eight, 9, 9);
    assert_eq!(kinds(&write(&original, &gray, 4)), ["gAMA", "pHYs", "tIME", "tEXt", "eXIf", "abCd", "iTXt"]);
    assert!(notes(&original, Layout::Gray).iter().any(|note| note.contains("colour profile")));
}

#[test]
fn a_jpegs_segments_stay_but_for_what_became_stale() {
    let original = sample("made/progressive.jpg");
    let segment =
        |marker: u8, data: &[u8]| [&[0xff, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat();
    let more = [
        segment(0xe2, b"ICC_PROFILE\0\x01\x01profile"),
        segment(0xe2, b"MPF\0gain"),
        segment(0xed, b"Photoshop 3.0\08BIM"),
        segment(0xe1, &[b"Exif\0\0", &exif()[..]].concat()),
    ];
    let original = [&original[..20], &more.concat(), &original[20..]].concat();
    let header = |file: &[u8]| jpeg::header(&mut Cursor::new(file)).unwrap();
    let before = header(&original);
    let after = header(&carry(&original, 2));
    let kept: Vec<_> = before.segments.iter().filter(|segment| !segment.data.starts_with(b"MPF")).collect();
    assert_eq!(after.segments.len(), kept.len());
    for (after, before) in after.segments.iter().zip(kept) {
        assert_eq!(after.marker, before.marker);
        assert!(after.data == before.data || before.data.starts_with(b"Exif"), "{:?}", before.data);
    }
    assert!(after.segments.iter().any(|segment| segment.data == b"a comment"));
    assert_eq!(after.segments[0].data[7..12], [1, 1, 44, 1, 44], "300 dots an inch");
    assert_eq!(shared::decode::exif::orientation(after.exif().unwrap()), 6);
    let said = notes(&original, Layout::Rgb);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("baseline") && said[1].contains("MPF") && said[2].contains("thumbnail"), "{said:?}");
    let info = inspect(&original).unwrap();
    let head = codec::head(&mut Cursor::new(&original), &info, Layout::Rgb).unwrap();
    let kept = &head.keeping().kept;
    assert!(
        ["ICC", "EXIF", "Photoshop", "comment"].iter().all(|what| kept.iter().any(|kept| kept.contains(what))),
        "{kept:?}"
    );

    let gray = make::pixels(Layout::Gray, Depth::Eight, 101, 83);
    let after = header(&write(&original, &gray, 2));
    assert!(!after.segments.iter().any(|segment| segment.data.starts_with(b"ICC_PROFILE")));
    assert_eq!(after.components.len(), 1);
}

fn fields(file: &[u8]) -> Vec<(u16, u16, Vec<u8>)> {
    let mut source = Cursor::new(file);
    let header = tiff::Tiff::header(&mut source).unwrap();
    let directory = header.directory(&mut source, header.first).unwrap();
    let read = |entry: &tiff::Entry| (entry.tag, entry.kind, header.bytes(&mut source.clone(), entry).unwrap());
    directory.entries.iter().map(read).collect()
}

#[test]
fn a_tiffs_other_fields_are_copied_in_either_byte_order() {
    for (little, big) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut store = make::Tiff { little, big, compression: 8, ..make::Tiff::default() };
        let rational = [store.number(300, 4), store.number(1, 4)].concat();
        let geo = store.number(1.5_f64.to_bits(), 8).repeat(3);
        let copied = vec![
            (270, 2, 12, b"Description\0".to_vec()),
            (274, 3, 1, store.number(8, 2)),
            (282, 5, 1, rational.clone()),
            (283, 5, 1, rational),
            (296, 3, 1, store.number(2, 2)),
            (305, 2, 4, b"abc\0".to_vec()),
            (700, 1, 9, b"<xmpmeta>".to_vec()),
            (33_550, 12, 3, geo),
            (34_675, 7, 5, b"icc!!".to_vec()),
            (42_113, 2, 2, b"0\0".to_vec()),
        ];
        store.fields = copied.clone();
        store.fields.push((281, 3, 1, store.number(200, 2)));
        let rgb = make::pixels(Layout::Rgb, Depth::Eight, 20, 20);
        let original = store.file(&rgb);
        let after = fields(&carry(&original, 1));
        for (tag, kind, _, bytes) in &copied {
            assert!(after.contains(&(*tag, *kind, bytes.clone())), "field {tag}: {after:?}");
        }
        assert!(after.is_sorted_by_key(|field| field.0));
        assert!(!after.iter().any(|field| field.0 == 281));
        assert!(notes(&original, Layout::Rgb)[0].contains("281"));
        let gray = make::pixels(Layout::Gray, Depth::Eight, 20, 20);
        assert!(!fields(&write(&original, &gray, 1)).iter().any(|field| field.0 == 34_675));
    }
}

#[test]
fn exif_inside_a_tiff_is_copied_with_its_own_directory() {
    for (little, big) in [(true, false), (false, true)] {
        let mut store = make::Tiff { little, big, ..make::Tiff::default() };
        let gray = make::pixels(Layout::Gray, Depth::Eight, 20, 20);
        // The EXIF directory is at the end of the file, which grows by the field that points to it.
        store.fields = vec![(34_665, 4, 1, store.number(0, 4))];
        let at = store.file(&gray).len();
        let lens = b"A lens with a long name\0".to_vec();
        let mut tail = vec![0; at];
        let exif = store.directory(
            vec![(33_434, 5, 1, [store.number(1, 4), store.number(250, 4)].concat()), (42_036, 2, 24, lens.clone())],
            &mut tail,
        );
        store.fields = vec![(34_665, 4, 1, store.number(exif, 4))];
        let original = [&store.file(&gray)[..], &tail[at..]].concat();
        let result = carry(&original, 3);
        let mut source = Cursor::new(&result);
        let header = tiff::Tiff::header(&mut source).unwrap();
        let page = header.directory(&mut source, header.first).unwrap();
        let at = header.numbers(&mut source, page.find(34_665).unwrap()).unwrap()[0];
        let exif = header.directory(&mut source, at).unwrap();
        assert_eq!(header.bytes(&mut source, exif.find(42_036).unwrap()).unwrap(), lens);
        assert!(exif.find(33_434).is_some());
    }
}

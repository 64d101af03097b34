#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Seek, SeekFrom};

use proptest::prelude::*;
use shared::decode::tiff::{Structure, Tiff, document, page_of, structure, tag};
use shared::job::ImageInfo;
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::super::super::head::FileHead;
use super::super::super::{Limits, head, inspect, open, part};
use super::*;

const COG: &[u8] = include_bytes!("../../../../tests/samples/tiff/cog_parts.tif");
const PLANES: &[u8] = include_bytes!("../../../../tests/samples/tiff/packed_gdal12_rgb_planes.tif");

/// Returns the sample's head and its parts of `units` rows of tiles.
fn parts(units: u32) -> (Box<Head>, Vec<PartIndex>, Vec<Vec<u8>>) {
    let info = inspect(&mut Cursor::new(COG), &Limits::default()).unwrap();
    let head = head(&mut Cursor::new(COG), &info, Layout::Gray).unwrap();
    let mut reader = open(Box::new(Cursor::new(COG)), &info).unwrap();
    let rows = units * info.unit_rows;
    let firsts = (0..info.height).step_by(rows as usize);
    let parts =
        firsts.map(|first| part(&head, first, &reader.read(first..(first + rows).min(info.height)).unwrap()).unwrap());
    let (index, bytes) = parts.map(|part| (part.index, part.bytes)).unzip();
    let FileHead::Tiff(file) = head.file else { panic!("it is a TIFF") };
    (file, index, bytes)
}

fn written(cloud: Cloud, parts: &[Vec<u8>]) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut parts =
        || -> Box<dyn Iterator<Item = std::io::Result<Vec<u8>>>> { Box::new(parts.iter().cloned().map(Ok)) };
    cloud.write(&mut parts, &mut |piece| {
        file.extend(piece);
        Ok(())
    })?;
    Ok(file)
}

#[test]
fn overviews_that_are_not_held_come_out_the_same() {
    let (head, index, bytes) = parts(1);
    assert!(index.len() > 2 && head.overviews.len() > 2, "it has several parts and overviews");
    let all = written(Cloud::new(&head, &index).unwrap(), &bytes).unwrap();
    for max_held_bytes in [0, 256 * 256 * 2, 1 << 20] {
        let cloud = Cloud { max_held_bytes, ..Cloud::new(&head, &index).unwrap() };
        let held = cloud.tables().iter().filter(|tiles| tiles.held.is_some()).count();
        assert!(held < head.overviews.len(), "{held} are held");
        assert!(written(cloud, &bytes).unwrap() == all, "with {held} overviews held");
    }
    let (head, index, bytes) = parts(100);
    assert!(written(Cloud::new(&head, &index).unwrap(), &bytes).unwrap() == all, "in one part");
}

#[test]
fn parts_that_are_not_those_of_the_page_are_refused() {
    let (head, index, bytes) = parts(2);
    let cloud = Cloud::new(&head, &index).unwrap();
    let mut shorter = bytes.clone();
    shorter[1].pop();
    for wrong in [&shorter[..], &bytes[..1], &[]] {
        assert!(matches!(written(cloud.clone(), wrong), Err(Error::Refused(_))));
    }
    let refused = |index: &[PartIndex]| matches!(Cloud::new(&head, index), Err(Error::Refused(_)));
    assert!(refused(&index[1..]));
    let change = |change: &dyn Fn(&mut PartIndex)| {
        let mut index = index.clone();
        change(&mut index[0]);
        index
    };
    assert!(refused(&change(&|part| part.bytes += 1)));
    assert!(refused(&change(&|part| drop(part.overviews.pop()))));
    assert!(refused(&change(&|part| {
        part.overviews[0][0] -= 2;
        part.bytes -= 2;
    })));
    // As parts are in the ordinary layout.
    let ordinary = head.clone().in_ordinary_layout();
    let info = inspect(&mut Cursor::new(COG), &Limits::default()).unwrap();
    let rows = open(Box::new(Cursor::new(COG)), &info).unwrap().read(0..info.height).unwrap();
    assert!(refused(&[ordinary.part(&info, 0, &rows).unwrap().index]));
}

#[test]
fn a_file_that_outgrows_four_gigabytes_becomes_a_bigtiff() {
    let (head, index, _) = parts(1);
    let cloud = Cloud::new(&head, &index).unwrap();
    let mut overviews = cloud.tables();
    for overview in &mut overviews {
        overview.lengths = vec![1 << 20; overview.structure.pieces() as usize];
    }
    let tiles = overviews.iter().map(|overview| framed_bytes(&overview.lengths)).sum::<u64>();
    let rest = index.iter().map(own_bytes).sum::<u64>();
    let classic = cloud.begin(&overviews).len() as u64;
    let most = u64::from(u32::MAX) - classic - tiles - rest;
    for (more, version) in [(most, 42), (most + 1, 43), (most + (6 << 30), 43)] {
        let mut cloud = cloud.clone();
        let last = cloud.index.last_mut().unwrap();
        *last.pieces.last_mut().unwrap() += more;
        last.bytes += more;
        let begin = cloud.begin(&overviews);
        assert_eq!(begin[..3], [b'I', b'I', version]);
        // Where the directories say that the last tile ends, the file does.
        let mut source = Cursor::new(&begin);
        let tiff = Tiff::header(&mut source).unwrap();
        let mut ends = Vec::new();
        let mut next = tiff.first;
        while next != 0 {
            let directory = tiff.directory(&mut source, next).unwrap();
            let mut last = |tag| *tiff.numbers(&mut source, directory.find(tag).unwrap()).unwrap().last().unwrap();
            ends.push(last(tag::TILE_OFFSETS) + last(tag::TILE_BYTE_COUNTS) + FRAME_BYTES);
            next = directory.next;
        }
        let length = begin.len() as u64 + tiles + rest + more;
        assert_eq!((ends.len(), ends[0]), (1 + overviews.len(), length));
        assert!(ends.is_sorted_by(|a, b| a > b), "the smallest overview comes first: {ends:?}");
    }
}

#[test]
fn the_text_behind_the_header_is_what_gdal_looks_for() {
    let (head, index, bytes) = parts(1);
    let file = written(Cloud::new(&head, &index).unwrap(), &bytes).unwrap();
    let text = "GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\nLAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\n\
                BLOCK_LEADER=SIZE_AS_UINT4\nBLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";
    assert_eq!(&file[8..8 + text.len()], text.as_bytes());
    assert_eq!(file[8..8 + text.len()], COG[8..8 + text.len()], "as GDAL writes it");
    assert!(is_stated(&file[8..]) && is_stated(&COG[8..]));
    let edited = text.replace("NO\n ", "YES\n");
    assert!(!is_stated(edited.as_bytes()) && !is_stated(&file) && !is_stated(b""));
    let mut source = Cursor::new(&file);
    source.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(document(&mut source).unwrap().smaller.len(), head.overviews.len());
}

#[test]
fn each_tile_has_its_length_before_it_and_its_last_bytes_behind_it() {
    let tiles = framed(b"abcdefXYZ", &[6, 0, 3]).unwrap();
    assert_eq!(tiles, b"\x06\0\0\0abcdefcdef\0\0\0\0\0\0\0\0\x03\0\0\0XYZXYZ\0");
    assert_eq!(framed_bytes(&[6, 0, 3]), tiles.len() as u64);
    let mut next = 100;
    let found = places(&mut next, &[6, 0, 3]);
    assert_eq!((found.offsets, next), (vec![104, 118, 126], 100 + tiles.len() as u64));
    assert!(framed(b"", &[1 << 32]).is_err());
}

#[test]
fn planes_are_an_obstacle() {
    let read = |file: &[u8]| -> (Structure, ImageInfo) {
        let info = inspect(&mut Cursor::new(file), &Limits::default()).unwrap();
        let (tiff, page) = page_of(&mut Cursor::new(file), &info).unwrap();
        (structure(&mut Cursor::new(file), tiff, page, None).unwrap(), info)
    };
    let (page, info) = read(PLANES);
    assert_eq!(obstacle(&page, &info), Some("its channels are stored in separate planes"));
    let (page, info) = read(COG);
    assert_eq!(obstacle(&page, &info), None);
    assert_eq!(join_memory(&info), 2 * (1024 * 1024 + 2 * 512 * 512), "in tiles of 512");
}

proptest! {
    #[test]
    fn rows_in_any_pieces_become_the_same_tiles(
        (width, height, across, down) in (1_u32..70, 1_u32..70, 1_u32..5, 1_u32..5),
        cuts in proptest::collection::vec(1_usize..30, 1..20),
        seed in any::<u64>(),
    ) {
        let info = inspect(&mut Cursor::new(COG), &Limits::default()).unwrap();
        let (tiff, page) = page_of(&mut Cursor::new(COG), &info).unwrap();
        let page = structure(&mut Cursor::new(COG), tiff, page, None).unwrap();
        let chunks = Chunks::Tiles { width: 16 * across, height: 16 * down };
        let structure = Structure { width, height, chunks, ..page };
        let samples: Vec<u16> = (0..u64::from(width * height)).map(|at| (seed.wrapping_mul(at + 7) >> 40) as u16).collect();
        let rows = Rows { width, layout: Layout::Gray, samples: Samples::U16(samples) };
        prop_assert_eq!((structure.layout, structure.depth), (Layout::Gray, Depth::Sixteen));
        let expected = encode::pieces(&structure, &rows).unwrap();
        prop_assert_eq!(expected.1.len() as u64, structure.pieces());

        let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
        let mut take = |more: Vec<u8>, their: Vec<u64>| {
            bytes.extend(more);
            lengths.extend(their);
            Ok(())
        };
        let line = raw_line(&structure);
        let (mut tiler, raw) = (Tiler::new(structure), rows.to_le_bytes());
        let mut rest = &raw[..];
        for cut in cuts.into_iter().cycle() {
            let (now, later) = rest.split_at((cut * line).min(rest.len()));
            tiler.push(now, &mut take).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        tiler.end(&mut take).unwrap();
        prop_assert_eq!((bytes, lengths), (framed(&expected.0, &expected.1).unwrap(), expected.1));
    }
}

#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use super::super::head::FileHead;
use super::super::{Limits, PartIndex, head, inspect};
use shared::pixels::Layout;

const ORIGINAL: &[u8] = include_bytes!("../../../tests/samples/made/pillow_gray16_deflate.tif");

/// A sparse file: only a front and a back, at offsets as if parts of many gigabytes lay between them.
struct Hollow {
    front: Vec<u8>,
    hole: u64,
    back: Vec<u8>,
    at: u64,
}

impl std::io::Read for Hollow {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let (front, hole) = (self.front.len() as u64, self.hole);
        let part = match self.at {
            at if at < front => &self.front[at as usize..],
            at if at < front + hole => &[0][..],
            at => self.back.get((at - front - hole) as usize..).unwrap_or_default(),
        };
        let count = part.len().min(bytes.len());
        bytes[..count].copy_from_slice(&part[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl std::io::Seek for Hollow {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        let end = self.front.len() as u64 + self.hole + self.back.len() as u64;
        self.at = match to {
            std::io::SeekFrom::Start(at) => at,
            std::io::SeekFrom::End(by) => end.saturating_add_signed(by),
            std::io::SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

#[test]
fn a_result_beyond_four_gigabytes_becomes_a_bigtiff() {
    let info = inspect(&mut Cursor::new(ORIGINAL), &Limits::default()).unwrap();
    let head = head(&mut Cursor::new(ORIGINAL), &info, Layout::Gray).unwrap();
    let FileHead::Tiff(file) = &head.file else { panic!("it is a TIFF") };
    for (bytes, version) in [(2 << 30, 42), (6 << 30, 43)] {
        let raw_bytes = info.raw_bytes();
        let index = [PartIndex {
            bytes,
            rows: info.height,
            pieces: vec![bytes],
            overviews: Vec::new(),
            adler32: None,
            raw_bytes,
        }];
        let joiner = super::join(&[(file, &index)]).unwrap();
        assert_eq!(joiner.begin[..3], [b'I', b'I', version]);
        let mut hollow = Hollow { front: joiner.begin, hole: bytes, back: joiner.end, at: 0 };
        assert_eq!(inspect(&mut hollow, &Limits::default()).unwrap(), info);
    }
}

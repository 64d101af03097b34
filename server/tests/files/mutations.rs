//! Hostile files: the codec never panics, and never allocates memory for data that isn't there.

use std::io::Cursor;

use proptest::prelude::*;
use server::codec::{self, Error, Limits};
use shared::pixels::{Depth, Layout};

use super::{make, sample};

fn files() -> Vec<Vec<u8>> {
    let rgba = make::pixels(Layout::Rgba, Depth::Eight, 20, 17);
    let gray = make::pixels(Layout::Gray, Depth::Sixteen, 20, 17);
    let mut files = vec![
        make::png(&rgba),
        make::interlaced_png(&gray),
        sample("made/progressive.jpg"),
        sample("made/422.jpg"),
        sample("made/gray.jpg"),
        sample("made/pillow_lossy_alpha.webp"),
        sample("made/pillow_lossless_alpha.webp"),
    ];
    for (compression, piece) in [(1, (0, 4)), (1, (16, 16)), (5, (0, 4)), (8, (16, 16)), (32_773, (0, 17))] {
        for little in [true, false] {
            let predictor = compression == 5;
            let store = make::Tiff { little, big: !little, compression, predictor, piece, ..Default::default() };
            files.push(store.file(&rgba));
        }
    }
    files
}

/// Limits for hostile files.
pub const LIMITS: Limits = Limits { max_pixels: 1 << 22, max_side: 1 << 16, max_whole_decode: 1 << 24 };

/// Runs a file through the whole codec; if it is refused, returns the sentence.
pub fn through(file: &[u8]) -> Option<String> {
    let limits = LIMITS;
    let all = || -> codec::Result<()> {
        let info = codec::inspect(&mut Cursor::new(file), &limits)?;
        let head = codec::head(&mut Cursor::new(file), &info, info.layout)?;
        let mut reader = codec::open(Box::new(Cursor::new(file.to_vec())), &info)?;
        let rows = reader.read(0..info.height)?;
        let part = codec::part(&head, 0, &rows)?;
        let joiner = codec::join(&head, std::slice::from_ref(&part.index))?;
        joiner.write(&mut super::repeatable(&[part.bytes]), &mut |_| Ok(()))?;
        let mut reader = codec::open(Box::new(Cursor::new(file.to_vec())), &info)?;
        codec::view(reader.as_mut(), &info, None, 9)?;
        Ok(())
    };
    match all() {
        Ok(()) => None,
        Err(Error::Refused(sentence)) => {
            assert!(sentence.ends_with('.') && !sentence.contains("made the decoder fail"), "{sentence:?}");
            Some(sentence)
        }
        Err(error) => panic!("bytes in memory can't fail: {error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_are_refused_or_decoded(
        which in 0_usize..17,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        cut in prop::bool::weighted(0.2),
    ) {
        let mut file = files().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        if cut {
            file.truncate(end.index(file.len()));
        }
        through(&file);
    }

    #[test]
    fn changed_headers_are_refused_or_decoded(
        which in 0_usize..17,
        changes in prop::collection::vec((0_usize..300, prop::sample::select(vec![0_u8, 1, 2, 0x7f, 0x80, 0xff])), 1..4),
    ) {
        // TIFF's directory is at the end.
        let mut file = files().swap_remove(which);
        let length = file.len();
        let tiff = which >= 7;
        for (at, value) in changes {
            let at = if tiff { length - 1 - at.min(length - 1) } else { at.min(length - 1) };
            file[at] = value;
        }
        through(&file);
    }

    #[test]
    fn any_bytes_are_refused(start in prop::sample::select(vec![&b"\x89PNG\r\n\x1a\n"[..], b"II*\0", b"MM\0+", b"\xff\xd8\xff", b"RIFF\x40\0\0\0WEBP", b""]), rest in prop::collection::vec(any::<u8>(), 0..200)) {
        through(&[start, &rest].concat());
    }
}

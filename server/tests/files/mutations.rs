//! Hostile files: the codec never panics, and never allocates memory for data that isn't there.

use std::io::Cursor;
use std::ops::Range;

use proptest::prelude::*;
use proptest::sample::Index;
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

/// Changes of single bytes of a file, and perhaps a cut.
#[derive(Debug, Clone)]
pub struct Damage {
    /// Place, value, and whether the place is in the head.
    changes: Vec<(Index, u8, bool)>,
    end: Option<Index>,
    head: usize,
}

impl Damage {
    pub fn apply(&self, file: &mut Vec<u8>) {
        for (place, value, early) in &self.changes {
            let place = place.index(if *early { self.head } else { file.len() });
            file[place] = *value;
        }
        if let Some(end) = self.end {
            file.truncate(end.index(file.len()));
        }
    }
}

/// Returns damage anywhere in a file, which is also cut with the probability `cut`.
pub fn damage(changes: Range<usize>, cut: f64) -> impl Strategy<Value = Damage> {
    let changes = prop::collection::vec((any::<Index>(), any::<u8>(), Just(false)), changes);
    (changes, end(cut)).prop_map(|(changes, end)| Damage { changes, end, head: 0 })
}

/// As [`damage`], but half of the changes are in the first `head` bytes.
pub fn damage_of_head(head: usize, changes: Range<usize>, cut: f64) -> impl Strategy<Value = Damage> {
    let changes = prop::collection::vec(any::<(Index, u8, bool)>(), changes);
    (changes, end(cut)).prop_map(move |(changes, end)| Damage { changes, end, head })
}

/// Returns the end of a file that is cut with the probability `cut`, which may be 0.
fn end(cut: f64) -> impl Strategy<Value = Option<Index>> {
    (any::<Index>(), prop::bool::weighted(cut)).prop_map(|(end, cut)| cut.then_some(end))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_are_refused_or_decoded(
        which in 0_usize..17,
        damage in damage(1..6, 0.2),
    ) {
        let mut file = files().swap_remove(which);
        damage.apply(&mut file);
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

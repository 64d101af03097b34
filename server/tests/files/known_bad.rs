//! Known bad files: the defects of PngSuite's `x` files (Willem van Schaik, <http://www.schaik.com/pngsuite/>, "corrupted
//! files"), each reproduced here from its author's description, and inputs found by fuzzing.

use std::time::Duration;

use shared::pixels::{Depth, Layout};

use super::make;
use super::mutations::{LIMITS, through};
use super::refusals::sentence;
use super::scaling::{at_the_door, processor_time};

/// Returns a PNG like PngSuite's: 32 × 32, with this colour type and depth in its header, and valid data for it.
fn suite(bits: u8, color: u8) -> Vec<u8> {
    let start = make::png_start(32, 32, bits, color, 0);
    let row = 1 + 32 * usize::from(bits.min(16)) * if color == 2 { 3 } else { 1 } / 8;
    let data = make::chunk(b"IDAT", &make::zlib(&vec![0; 32 * row]));
    [start, data, make::chunk(b"IEND", &[])].concat()
}

fn changed(file: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut file = file.to_vec();
    change(&mut file);
    file
}

/// Returns the offset of a chunk's name.
fn chunk_at(file: &[u8], kind: &[u8; 4]) -> usize {
    file.windows(4).position(|four| four == kind).unwrap()
}

#[test]
fn the_defects_of_pngsuites_x_files_are_refused_each_with_a_sentence() {
    let sound = make::png(&make::pixels(Layout::Gray, Depth::Eight, 32, 32));
    let files = [
        ("xs1n0g01: a bit of the signature's first byte is reset", changed(&sound, |file| file[0] &= 0x7f)),
        ("xs2n0g01: the signature's second byte is a Q", changed(&sound, |file| file[1] = b'Q')),
        ("xs4n0g01: the signature's fourth byte is in lower case", changed(&sound, |file| file[3] = b'g')),
        ("xs7n0g01: the signature's seventh byte is a space", changed(&sound, |file| file[6] = b' ')),
        ("xcrn0g04: a carriage return was added", changed(&sound, |file| file.insert(5, b'\r'))),
        ("xlfn0g04: a line feed was added", changed(&sound, |file| file.insert(8, b'\n'))),
        ("xhdn0g08: the header's checksum is wrong", changed(&sound, |file| file[29] ^= 1)),
        ("xc1n0g08: colour type 1", suite(8, 1)),
        ("xc9n2c08: colour type 9", suite(8, 9)),
        ("xd0n2c08: 0 bits", suite(0, 2)),
        ("xd3n2c08: 3 bits", suite(3, 2)),
        ("xd9n2c08: 99 bits", suite(99, 2)),
        ("xdtn0g01: no image data", [make::png_start(32, 32, 1, 0, 0), make::chunk(b"IEND", &[])].concat()),
        (
            "xcsn0g01: the image data's checksum is wrong",
            changed(&sound, |file| {
                let end = chunk_at(file, b"IEND") - 4;
                file[end - 1] ^= 1;
            }),
        ),
    ];
    assert!(through(&sound).is_none());
    for (defect, file) in files {
        let said = sentence(&file);
        assert!(said.ends_with('.'), "{defect}: {said}");
        assert_eq!(through(&file).as_deref(), Some(&*said), "{defect}");
    }
}

/// CPU time limits for a file of the corpus, per file and per byte: about ten times what the slowest takes without
/// optimization. The limits bound what may be decoded of it.
const TIME: Duration = Duration::from_secs(20);
const TIME_PER_BYTE: Duration = Duration::from_millis(1);

/// Runs the seeds of `make fuzz`, inputs that reach as much code as its runs did, and inputs that it found.
#[test]
fn the_fuzzers_corpus_goes_through() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut files = 0;
    for target in ["png", "jpeg", "tiff", "webp"] {
        for entry in std::fs::read_dir(folder.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let file = std::fs::read(&path).unwrap();
            let begun = processor_time();
            at_the_door(&file, &LIMITS);
            through(&file);
            let (took, most) = (processor_time() - begun, TIME + TIME_PER_BYTE * file.len() as u32);
            assert!(took <= most, "{}: {} bytes took {took:?}", path.display(), file.len());
            files += 1;
        }
    }
    assert!(files > 30, "{files} files");
}

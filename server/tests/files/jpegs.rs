//! JPEGs of many kinds whose parts are encoded separately: in every decoder, the result is as close to the pixels as a JPEG of
//! the whole image by another encoder.

use std::io::Cursor;
use std::path::PathBuf;
use std::process::Command;

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, QuantizationTableType, SamplingFactor};
use shared::decode::jpeg::{Header, header};
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::{make, read, write};

/// Chroma subsampling, as the encoder's factors; `None` is gray.
const KINDS: [Option<(u8, u8)>; 7] =
    [None, Some((1, 1)), Some((2, 1)), Some((1, 2)), Some((2, 2)), Some((4, 1)), Some((1, 4))];
/// More than eight rows of MCUs, after which restart markers start over; a height that isn't a multiple of an MCU; less than
/// one MCU.
const SIZES: [(u32, u32); 5] = [(1, 1), (37, 29), (64, 64), (33, 300), (300, 17)];

fn layout(kind: Option<(u8, u8)>) -> Layout {
    if kind.is_some() { Layout::Rgb } else { Layout::Gray }
}

/// How to store a JPEG.
struct Store {
    kind: Option<(u8, u8)>,
    quality: u8,
    progressive: bool,
    tables: Option<[Box<[u16; 64]>; 2]>,
}

impl Store {
    fn of(kind: Option<(u8, u8)>) -> Self {
        Self { kind, quality: 83, progressive: false, tables: None }
    }

    fn file(self, rows: &Rows) -> Vec<u8> {
        let Samples::U8(samples) = &rows.samples else { panic!("JPEG has 8 bits") };
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.quality);
        let (across, down) = self.kind.unwrap_or((1, 1));
        encoder.set_sampling_factor(SamplingFactor::from_factors(across, down).unwrap());
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder.set_progressive(self.progressive);
        if let Some([luma, chroma]) = self.tables {
            encoder.set_quantization_tables(QuantizationTableType::Custom(luma), QuantizationTableType::Custom(chroma));
        }
        let color = if rows.layout == Layout::Gray { ColorType::Luma } else { ColorType::Rgb };
        encoder.encode(samples, rows.width as u16, rows.height() as u16, color).unwrap();
        file
    }
}

fn head_of(file: &[u8]) -> Header {
    header(&mut Cursor::new(file)).unwrap()
}

/// Encodes the same pixels with the same tables, as a whole and without restart markers.
fn at_once(original: &[u8], kind: Option<(u8, u8)>, rows: &Rows) -> Vec<u8> {
    let header = head_of(original);
    let table = |component: usize| {
        let component = header.components[component.min(header.components.len() - 1)];
        Box::new(header.tables[usize::from(component.table)].unwrap())
    };
    // At quality 100 the encoder takes the tables unchanged.
    Store { kind, quality: 100, progressive: false, tables: Some([table(0), table(1)]) }.file(rows)
}

/// Returns originals of every kind and size, and the pixels to store instead.
fn originals() -> impl Iterator<Item = (Option<(u8, u8)>, Vec<u8>, Rows)> {
    KINDS.into_iter().flat_map(|kind| {
        SIZES.into_iter().map(move |(width, height)| {
            let original = Store::of(kind).file(&make::pixels(layout(kind), Depth::Eight, width, height));
            let (_, decoded) = read(&original, u32::MAX).unwrap();
            (kind, original, decoded)
        })
    })
}

/// Returns the restart markers of a file's only scan, in order.
fn restarts(file: &[u8]) -> Vec<u8> {
    let scan = &file[head_of(file).scan_offset as usize..];
    scan.windows(2).filter(|two| two[0] == 0xff && (0xd0..=0xd7).contains(&two[1])).map(|two| two[1] - 0xd0).collect()
}

#[test]
fn a_jpegs_bytes_do_not_depend_on_how_it_was_cut() {
    for (kind, original, rows) in originals() {
        let whole = write(&original, &rows, u32::MAX);
        for units in [1, 2, 5, 8] {
            assert!(write(&original, &rows, units) == whole, "{kind:?}, {} × {}", rows.width, rows.height());
        }
    }
}

/// Returns the mean squared error of a JPEG's samples.
fn error(file: &[u8], rows: &Rows) -> f64 {
    let (_, decoded) = read(file, u32::MAX).unwrap();
    let (Samples::U8(found), Samples::U8(expected)) = (&decoded.samples, &rows.samples) else { panic!("8 bits") };
    let squares =
        found.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - f64::from(*expected)).powi(2));
    squares.sum::<f64>() / found.len() as f64
}

#[test]
fn a_joined_jpeg_is_no_further_from_its_pixels_than_one_that_another_encoder_makes_at_once() {
    let [mut ours, mut theirs] = [0.0; 2];
    for (kind, original, rows) in originals() {
        let (joined, at_once) = (write(&original, &rows, 1), at_once(&original, kind, &rows));
        let [joined, at_once] = [joined, at_once].map(|file| error(&file, &rows));
        // Each encoder rounds and pads beyond the edges in its own way.
        assert!(joined <= at_once + 1.0, "{kind:?}, {} × {}: {joined} and {at_once}", rows.width, rows.height());
        (ours, theirs) = (ours + joined, theirs + at_once);
    }
    assert!(ours <= 1.02 * theirs, "{ours} and {theirs}");
}

#[test]
fn every_row_of_mcus_is_a_restart_interval_and_markers_count_modulo_eight() {
    for (kind, original, rows) in originals() {
        let joined = write(&original, &rows, 3);
        let (_, down) = kind.unwrap_or((1, 1));
        let rows_of_mcus = rows.height().div_ceil(8 * usize::from(down));
        let expected: Vec<u8> = (0..rows_of_mcus - 1).map(|row| (row % 8) as u8).collect();
        assert_eq!(restarts(&joined), expected, "{kind:?}, {} × {}", rows.width, rows.height());
    }
}

/// Pillow (libjpeg-turbo) and OpenCV decode the joined file about as accurately as the other encoder's.
#[test]
fn other_decoders_see_no_seams() {
    let folder = tempfile::tempdir().unwrap();
    let mut pairs = Vec::new();
    for (kind, original, rows) in originals() {
        let number = pairs.len();
        for (name, bytes) in [("joined", write(&original, &rows, 1)), ("at-once", at_once(&original, kind, &rows))] {
            let path = folder.path().join(format!("{number}-{name}.jpg"));
            std::fs::write(&path, bytes).unwrap();
            pairs.push(path);
        }
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = root.join(".venv/bin/python");
    assert!(python.exists(), "Pillow and OpenCV are missing: `make test` installs them into .venv");
    let compared = Command::new(python).arg(root.join("scripts/golden/alike.py")).args(&pairs).output().unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
}

#[test]
fn a_progressive_jpeg_becomes_baseline_with_its_tables() {
    for kind in [None, Some((1, 1)), Some((2, 2))] {
        let rows = make::pixels(layout(kind), Depth::Eight, 61, 90);
        let original = Store { progressive: true, ..Store::of(kind) }.file(&rows);
        let (_, decoded) = read(&original, u32::MAX).unwrap();
        let result = write(&original, &decoded, 2);
        let (before, after) = (head_of(&original), head_of(&result));
        assert_eq!((before.frame, after.frame), (0xc2, 0xc0));
        assert_eq!(after.sampling().unwrap(), before.sampling().unwrap());
        for number in before.components.iter().map(|component| usize::from(component.table)) {
            assert_eq!(after.tables[number], before.tables[number]);
        }
        assert!(error(&result, &decoded) <= 1.02 * error(&at_once(&original, kind, &decoded), &decoded) + 0.1);
    }
}

//! The cost of inspecting a file is linear in its length, whatever its author put into it: four times as many chunks, segments,
//! fields, directories or resources cost about four times as much, in bytes read and in CPU time; and more than any honest file
//! has is refused.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use server::codec::{self, Error, Limits};
use shared::pixels::{Depth, Layout};

use super::{make, sample};

/// A call of the source counts as this many bytes.
const CALL: u64 = 64;

/// Number of bytes that inspection may read: a few passes over the file, through buffers of 64 KiB.
const TOUCHED: u64 = 256 << 10;
const TOUCHED_PER_BYTE: u64 = 64;

/// Maximum growth of the cost for four times as many elements. Linear work grows by 4, quadratic work by 16.
const MOST_GROWTH: u32 = 6;

/// A source that counts what is read from it.
struct Counting<'a> {
    file: Cursor<&'a [u8]>,
    touched: &'a AtomicU64,
}

impl Read for Counting<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(into)?;
        self.touched.fetch_add(CALL + read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Counting<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.touched.fetch_add(CALL, Ordering::Relaxed);
        self.file.seek(to)
    }
}

/// Does everything that is done with a file before it is accepted, and returns how much it read.
fn inspected(file: &[u8], limits: &Limits) -> (codec::Result<()>, u64) {
    let touched = AtomicU64::new(0);
    let source = || Counting { file: Cursor::new(file), touched: &touched };
    let result = codec::inspect(&mut source(), limits)
        .and_then(|info| codec::head(&mut source(), &info, info.layout).map(|_| ()));
    (result, touched.into_inner())
}

/// Returns the sentence with which a file is refused before it is accepted, if it is. Also checks how much the inspection read.
pub fn at_the_door(file: &[u8], limits: &Limits) -> Option<String> {
    let (result, touched) = inspected(file, limits);
    let most = TOUCHED + TOUCHED_PER_BYTE * file.len() as u64;
    assert!(touched <= most, "{touched} bytes of a file of {} were touched; {most} may be", file.len());
    match result {
        Ok(()) => None,
        Err(Error::Refused(sentence)) => Some(sentence),
        Err(error) => panic!("bytes in memory can't fail: {error}"),
    }
}

/// Returns this thread's CPU time, which doesn't depend on other load of the machine.
pub fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Returns the CPU time of an inspection.
fn cost(file: &[u8]) -> Duration {
    let begun = processor_time();
    inspected(file, &Limits::default()).0.unwrap();
    processor_time() - begun
}

/// Returns the CPU times of inspecting two files: the minimum of several runs, because caches and clocks only ever add. Repeats
/// while it looks like too much.
fn costs(few: &[u8], many: &[u8]) -> (Duration, Duration) {
    const ROUNDS: usize = 30;
    let (mut short, mut long) = (Duration::MAX, Duration::MAX);
    for round in 0..ROUNDS {
        (short, long) = (short.min(cost(few)), long.min(cost(many)));
        if round > 2 && long <= MOST_GROWTH * short {
            break;
        }
    }
    (short, long)
}

fn png_chunks(count: usize) -> Vec<u8> {
    let png = make::png(&make::pixels(Layout::Gray, Depth::Eight, 8, 8));
    make::with_chunks(&png, &vec![make::chunk(b"teSt", &[]); count])
}

fn png_data_chunks(count: usize) -> Vec<u8> {
    let data = make::chunk(b"IDAT", &make::zlib(&[0; 72]));
    let (start, end) = (make::png_start(8, 8, 8, 0, 0), make::chunk(b"IEND", &[]));
    [start, make::chunk(b"IDAT", &[]).repeat(count), data, end].concat()
}

fn jpeg_with(segments: &[u8]) -> Vec<u8> {
    let jpeg = sample("made/gray.jpg");
    [&jpeg[..2], segments, &jpeg[2..]].concat()
}

fn jpeg_comments(count: usize) -> Vec<u8> {
    jpeg_with(&b"\xff\xfe\0\x02".repeat(count))
}

/// Returns Photoshop resources, all of them empty.
fn resources(count: usize) -> Vec<u8> {
    b"8BIM\x03\xed\0\0\0\0\0\0".repeat(count)
}

fn jpeg_resources(count: usize) -> Vec<u8> {
    let data = [b"Photoshop 3.0\0", &resources(count)[..]].concat();
    jpeg_with(&[&[0xff, 0xed][..], &(data.len() as u16 + 2).to_be_bytes(), &data].concat())
}

fn webp_chunks(count: usize) -> Vec<u8> {
    let mut webp = sample("made/pillow_lossy.webp");
    webp.extend(b"abcd\0\0\0\0".repeat(count));
    let length = (webp.len() as u32 - 8).to_le_bytes();
    webp[4..8].copy_from_slice(&length);
    webp
}

/// A field of a TIFF directory: tag, type, count, value or offset.
type Entry = (u16, u16, u32, u32);

const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;

/// A little-endian TIFF under construction, whose first bytes are a strip of 8 × 8 pixels.
struct Tiff {
    bytes: Vec<u8>,
    /// Offset of the pointer to the next page.
    pointer: usize,
}

impl Tiff {
    fn new() -> Self {
        Self { bytes: [b"II\x2a\0\0\0\0\0", &[7; 64][..]].concat(), pointer: 4 }
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        let at = self.bytes.len() as u32;
        self.bytes.extend(bytes);
        at
    }

    /// Appends a directory; returns its offset.
    fn directory(&mut self, entries: &[Entry]) -> u32 {
        let mut bytes = (entries.len() as u16).to_le_bytes().to_vec();
        for (tag, kind, count, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend(count.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend([0; 4]);
        self.put(&bytes)
    }

    /// Appends a page with these fields in addition to its own.
    fn page(&mut self, entries: &[Entry]) {
        let at = self.directory(&[&gray(8, 0), entries].concat());
        let pointer = self.pointer;
        self.bytes[pointer..pointer + 4].copy_from_slice(&at.to_le_bytes());
        self.pointer = self.bytes.len() - 4;
    }

    /// Appends an array of offsets; returns its offset.
    fn offsets(&mut self, offsets: impl Iterator<Item = u32>) -> u32 {
        self.put(&offsets.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())
    }
}

/// Returns the fields of a gray image.
fn gray(side: u32, subfile: u32) -> [Entry; 9] {
    [
        (254, LONG, 1, subfile),
        (256, LONG, 1, side),
        (257, LONG, 1, side),
        (258, SHORT, 1, 8),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, 1),
        (273, LONG, 1, 8),
        (278, LONG, 1, side),
        (279, LONG, 1, side * side),
    ]
}

fn private(count: usize) -> Vec<Entry> {
    (0..count).map(|i| (43_000 + i as u16, LONG, 1, 7)).collect()
}

fn tiff_fields(count: usize) -> Vec<u8> {
    let mut tiff = Tiff::new();
    tiff.page(&private(count));
    tiff.bytes
}

fn tiff_pages(count: usize) -> Vec<u8> {
    let mut tiff = Tiff::new();
    (0..count).for_each(|_| tiff.page(&[]));
    tiff.bytes
}

/// Returns a TIFF with this many overviews below one page.
fn tiff_overviews(count: usize) -> Vec<u8> {
    let mut tiff = Tiff::new();
    let all: Vec<u32> = (0..count).map(|_| tiff.directory(&gray(4, 1))).collect();
    let at = tiff.offsets(all.into_iter());
    tiff.page(&[(330, LONG, count as u32, at)]);
    tiff.bytes
}

/// Returns a TIFF with this many pages, each with an overview.
fn tiff_pages_with_overviews(count: usize) -> Vec<u8> {
    let mut tiff = Tiff::new();
    for _ in 0..count {
        let overview = tiff.directory(&gray(4, 1));
        tiff.page(&[(330, LONG, 1, overview)]);
    }
    tiff.bytes
}

fn tiff_exif(count: usize) -> Vec<u8> {
    let mut tiff = Tiff::new();
    let exif = tiff.directory(&private(count));
    tiff.page(&[(34_665, LONG, 1, exif)]);
    tiff.bytes
}

fn tiff_with(tag: u16, bytes: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new();
    let at = tiff.put(bytes);
    tiff.page(&[(tag, UNDEFINED, bytes.len() as u32, at)]);
    tiff.bytes
}

fn tiff_resources(count: usize) -> Vec<u8> {
    tiff_with(34_377, &resources(count))
}

fn tiff_statistics(count: usize) -> Vec<u8> {
    tiff_with(42_112, &b"<Item name=\"STATISTICS_MEAN\">1</Item>\n".repeat(count))
}

fn tiff_xmp(count: usize) -> Vec<u8> {
    tiff_with(700, &b"<rdf:li>".repeat(count))
}

type Make = fn(usize) -> Vec<u8>;

#[test]
fn four_times_as_many_elements_cost_four_times_as_much() {
    let cases: [(&str, Make, usize); 13] = [
        ("chunks of a PNG", png_chunks, 2_000),
        ("image data chunks of a PNG", png_data_chunks, 20_000),
        ("segments of a JPEG", jpeg_comments, 2_000),
        ("Photoshop's resources in a JPEG", jpeg_resources, 1_300),
        ("chunks of a WebP", webp_chunks, 2_000),
        ("fields of a TIFF", tiff_fields, 2_000),
        ("pages of a TIFF", tiff_pages, 1_000),
        ("overviews below a page", tiff_overviews, 2_000),
        ("pages with an overview each", tiff_pages_with_overviews, 500),
        ("fields of EXIF in a TIFF", tiff_exif, 2_000),
        ("Photoshop's resources in a TIFF", tiff_resources, 2_000),
        ("statistics in GDAL's metadata", tiff_statistics, 5_000),
        ("elements of XMP", tiff_xmp, 20_000),
    ];
    let mut wrong = Vec::new();
    for (what, make, count) in cases {
        let (few, many) = (make(count), make(4 * count));
        let (read, read_more) = (inspected(&few, &Limits::default()).1, inspected(&many, &Limits::default()).1);
        let (short, long) = costs(&few, &many);
        println!(
            "{what}: {count} cost {short:?} and touch {read} bytes, {} cost {long:?} and touch {read_more}",
            4 * count
        );
        if long > MOST_GROWTH * short || read_more > u64::from(MOST_GROWTH) * read {
            wrong.push(format!("{what}: {short:?} and then {long:?}, {read} bytes and then {read_more}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn more_elements_than_any_honest_file_has_are_refused() {
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("chunks of a PNG", png_chunks(300_000), "10,000 chunks of metadata"),
        ("image data chunks of a PNG", png_data_chunks(100_001), "100,000 chunks of image data"),
        ("segments of a JPEG", jpeg_comments(10_001), "10,000 segments"),
        ("chunks of a WebP", webp_chunks(300_000), "10,000 chunks"),
        ("fields of a TIFF", tiff_fields(20_000), "10,000 fields"),
        ("pages of a TIFF", tiff_pages(10_001), "10,000 pages"),
        ("overviews below a page", tiff_overviews(10_001), "10,000 pages and overviews"),
        ("fields of EXIF in a TIFF", tiff_exif(20_000), "10,000 fields"),
        ("Photoshop's resources in a TIFF", tiff_resources(10_001), "10000 resources"),
    ];
    for (what, file, says) in cases {
        let sentence = at_the_door(&file, &Limits::default()).unwrap_or_default();
        assert!(sentence.contains(says) && sentence.ends_with('.'), "{what}: {sentence:?}");
    }
}

/// A TIFF's fields are found by offsets, so a short file may refer to any number of fields and bytes.
#[test]
fn tiffs_that_refer_to_the_same_bytes_again_and_again_are_refused() {
    let mut overviews = Tiff::new();
    let overview = overviews.directory(&gray(4, 1));
    let all = overviews.offsets(std::iter::repeat_n(overview, 4_000));
    (0..4_000).for_each(|_| overviews.page(&[(330, LONG, 4_000, all)]));

    let mut fields = Tiff::new();
    let megabyte = fields.put(&vec![7; 1 << 20]);
    let shared: Vec<Entry> = (0..5_000).map(|i| (40_000 + i, UNDEFINED, 1 << 20, megabyte)).collect();
    fields.page(&shared);

    let mut exif = Tiff::new();
    let inner = exif.directory(&private(2_000));
    let outer = exif.directory(&vec![(34_665, LONG, 1, inner); 2_000]);
    exif.page(&[(34_665, LONG, 1, outer)]);

    // Each directory starts within the one before, and its fields are of no known type.
    let mut overlapping = Tiff::new();
    let (count, size) = (5_000_u16, 12);
    let first = overlapping.put(&vec![0; 9_000 * size]) as usize;
    for at in (0..3_000).map(|i| first + size * i) {
        overlapping.bytes[at..at + 2].copy_from_slice(&count.to_le_bytes());
        let next = at + 2 + usize::from(count) * size;
        overlapping.bytes[next..next + 4].copy_from_slice(&((at + size) as u32).to_le_bytes());
    }
    overlapping.bytes[4..8].copy_from_slice(&(first as u32).to_le_bytes());

    let cases = [
        ("overviews of each page", overviews.bytes, "10,000 pages and overviews"),
        ("fields of the same bytes", fields.bytes, "share their bytes"),
        ("EXIF within EXIF", exif.bytes, "10,000 fields of metadata"),
        ("overlapping directories", overlapping.bytes, "1,000,000 fields"),
    ];
    for (what, file, says) in cases {
        let (begun, length) = (processor_time(), file.len());
        let sentence = match inspected(&file, &Limits::default()) {
            (Err(Error::Refused(sentence)), touched) => {
                println!("{what}: {length} bytes, {touched} touched in {:?}: {sentence}", processor_time() - begun);
                sentence
            }
            (other, _) => panic!("{what}: {other:?}"),
        };
        assert!(sentence.contains(says) && sentence.ends_with('.'), "{what}: {sentence}");
    }
}

#[test]
fn of_a_field_with_millions_of_values_only_what_is_needed_is_read() {
    let mut tiff = Tiff::new();
    let values = tiff.put(&[0; 4 << 20]);
    for _ in 0..500 {
        tiff.page(&[(255, LONG, 1 << 20, values), (274, LONG, 1 << 20, values), (42_113, 2, 4 << 20, values)]);
    }
    at_the_door(&tiff.bytes, &Limits::default());
}

//! What the fuzz targets do with their input.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use shared::decode::{Error, Limits, Result, detect, inspect, inspect_pages, open};
use shared::equalize::clahe::{Clahe, TileHistograms, TileTables, apply_le_bytes_into as apply_clahe};
use shared::equalize::{Color, Histogram, Kernel, Lut, Recipe, apply_le_bytes, apply_le_bytes_into, output_layout};
use shared::job::{Format, ImageInfo};
use shared::pixels::{Depth, Layout};

/// Small, so that what goes beyond them is seen: as memory, or as time.
const LIMITS: Limits = Limits { max_pixels: 1 << 20, max_side: 1 << 14, max_whole_decode: 16 << 20 };
/// What inspection may touch: so much, and so much for each byte of the file. A call counts as [`CALL`] bytes.
const TOUCHED: u64 = 256 << 10;
const TOUCHED_PER_BYTE: u64 = 64;
const CALL: u64 = 64;
/// Pages of a file that are read.
const PAGES: u32 = 4;

/// Decodes a PNG as it is, and with sound checksums, which chance would never hit.
pub fn decode_png(file: &[u8]) {
    decode(Format::Png, file);
    decode(Format::Png, &with_checksums(file));
}

/// A PNG whose chunks' checksums are made to be right, as far as its chunks can be told apart.
fn with_checksums(file: &[u8]) -> Vec<u8> {
    let (mut file, mut at) = (file.to_vec(), 8);
    while let Some(length) = file.get(at..at + 4).map(|four| u32::from_be_bytes(four.try_into().expect("four bytes"))) {
        let end = at + 8 + length as usize;
        let Some(chunk) = file.get(at + 4..end) else { break };
        let sum = crc32fast::hash(chunk).to_be_bytes();
        let Some(place) = file.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
    file
}

/// Decodes a file of a format. It may be refused, with a sentence; nothing else may happen.
pub fn decode(format: Format, file: &[u8]) {
    if detect(file) != Some(format) {
        return;
    }
    if let Err(error) = pages(file) {
        let Error::Refused(sentence) = error else { panic!("bytes in memory can't fail: {error}") };
        assert!(sentence.ends_with('.'), "no sentence: {sentence:?}");
    }
}

/// A source that counts what is read of it: a measure of time that no other work on the machine disturbs.
struct Counting<'a> {
    file: Cursor<&'a [u8]>,
    touched: &'a Cell<u64>,
}

impl Read for Counting<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.touched.set(self.touched.get() + CALL + read as u64);
        Ok(read)
    }
}

impl Seek for Counting<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.touched.set(self.touched.get() + CALL);
        self.file.seek(to)
    }
}

/// Reads the header, which must be linear in the file's length.
fn header(file: &[u8]) -> Result<ImageInfo> {
    let touched = Cell::new(0);
    let info = inspect(&mut Counting { file: Cursor::new(file), touched: &touched }, &LIMITS);
    let (touched, most) = (touched.get(), TOUCHED + TOUCHED_PER_BYTE * file.len() as u64);
    assert!(touched <= most, "{touched} bytes of a file of {} were touched; {most} may be", file.len());
    info
}

fn pages(file: &[u8]) -> Result<()> {
    let info = header(file)?;
    rows(file, &info)?;
    if info.more.further_pages > 0 {
        let some = 1..info.more.further_pages.min(PAGES) + 1;
        inspect_pages(&mut Cursor::new(file), &LIMITS, &info, some)?.iter().try_for_each(|page| rows(file, page))?;
    }
    Ok(())
}

/// Reads all rows, a few at a time.
fn rows(file: &[u8], info: &ImageInfo) -> Result<()> {
    let mut reader = open(Cursor::new(file), info)?;
    let step = info.unit_rows.max(1).saturating_mul(7);
    let mut first = 0;
    while first < info.height {
        let end = first.saturating_add(step).min(info.height);
        let rows = reader.read(first..end)?;
        assert_eq!((rows.width, rows.height()), (info.width, (end - first) as usize));
        first = end;
    }
    Ok(())
}

/// Every kernel that this machine has does to these pixels what the plain one does. The first bytes say how they are to be read.
pub fn agree(input: &[u8]) {
    let Some((&[width, kind, color], pixels)) = input.split_first_chunk::<3>() else { return };
    let layout = match kind & 8 {
        0 => [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba][usize::from(kind & 3)],
        _ => Layout::Cmyk,
    };
    let depth = if kind & 4 == 0 { Depth::Eight } else { Depth::Sixteen };
    let color = Color::ALL[usize::from(color) % Color::ALL.len()];
    let width = u32::from(width).max(1);
    let row = width as usize * layout.channels() * depth.bytes();
    let height = pixels.len() / row;
    if height == 0 {
        return;
    }
    let image = Image { color, layout, depth, width, height: height as u32, bytes: &pixels[..height * row] };
    let (plain, others) = (image.by(Kernel::SCALAR), Kernel::available());
    for kernel in others.into_iter().skip(1) {
        assert!(image.by(kernel) == plain, "{} {layout:?} {depth:?} {color:?}, {width} wide", kernel.name());
    }
}

struct Image<'a> {
    color: Color,
    layout: Layout,
    depth: Depth,
    width: u32,
    height: u32,
    bytes: &'a [u8],
}

impl Image<'_> {
    /// All that a kernel makes of it: counts, in place, elsewhere, by tiles.
    fn by(&self, kernel: Kernel) -> [Vec<u8>; 4] {
        let Image { color, layout, depth, width, height, bytes } = *self;
        let recipe = Recipe::global(color);
        let mut histogram = Histogram::new(&recipe, layout, depth);
        histogram.count_le_bytes(kernel, layout, bytes);
        let lut = Lut::from_histogram(&histogram);
        let mut in_place = bytes.to_vec();
        apply_le_bytes(kernel, &recipe, &lut, layout, &mut in_place);
        let pixels = width as usize * height as usize;
        let mut elsewhere = vec![0; pixels * output_layout(&recipe, layout).channels() * depth.bytes()];
        apply_le_bytes_into(kernel, &recipe, &lut, layout, bytes, &mut elsewhere);
        let mut by_tiles = vec![0; elsewhere.len()];
        let clahe = Clahe { columns: 2, rows: 2, ..Clahe::default() };
        // Tables of 65,536 entries for each tile would leave time for a few inputs a second only.
        if depth == Depth::Eight
            && let Ok(mut tiles) = TileHistograms::new(&clahe, color, layout, depth, width, height)
        {
            tiles.count_le_bytes(kernel, 0, bytes);
            let tables = TileTables::from_histograms(&clahe, &tiles);
            apply_clahe(kernel, color, &tables, layout, 0, bytes, &mut by_tiles);
        }
        [histogram.to_bytes(), in_place, elsewhere, by_tiles]
    }
}

//! Tile pyramids: an image in halving sizes, cut into tiles, in one file that is read by ranges.
//!
//! ```text
//! tiles, in the order in which they are completed
//! the index: Pyramid as JSON
//! the table: for each tile, level by level and row by row, its offset (8 bytes) and length (4)
//! the tail: the length of the index (8), the length of the table (8)
//! ```
//! All numbers are little-endian. The image is read once (samples without levels twice), from top to bottom; at most one row
//! of tiles is held per level.

mod level_rows;

use shared::distribution::Distribution;
use shared::equalize::Histogram;
use shared::job::ImageInfo;
use shared::pixels::{Depth, Layout, Rows, Samples};
use shared::pyramid::{Pyramid, TILE, levels, place, size, tiles};
use shared::shrink::Picture;

pub use self::level_rows::LevelRows;
use super::shown::Shown;
use super::view::{BAND_BYTES, encode};
use super::{Error, Result, RowReader, refuse};

/// Bytes per tile entry in the table.
pub const ENTRY: u64 = 12;
/// Bytes of the tail.
pub const TAIL: u64 = 16;
/// Maximum image width in pixels, since a row of tiles is held: 128 MiB with colours and alpha.
const MOST_WIDTH: u32 = 1 << 17;

/// Upper bound on the memory for building a pyramid, in bytes.
pub(super) fn memory(info: &ImageInfo) -> u64 {
    let row = u64::from(info.width) * 4 * u64::from(TILE);
    2 * row + 4 * BAND_BYTES.max(info.row_bytes() * u64::from(info.unit_rows.max(1))) + (8 << 20)
}

/// Returns the ranges of index and table in a file of `bytes` bytes that ends with this tail.
pub(super) fn parts(bytes: u64, tail: &[u8]) -> Option<(std::ops::Range<u64>, std::ops::Range<u64>)> {
    let number = |at: usize| tail.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let (index, table) = (number(0)?, number(8)?);
    let table_at = bytes.checked_sub(TAIL)?.checked_sub(table)?;
    let index_at = table_at.checked_sub(index)?;
    Some((index_at..table_at, table_at..table_at + table))
}

/// Returns the range of a tile, given its table entry.
pub(super) fn tile(entry: &[u8]) -> Option<std::ops::Range<u64>> {
    let at = u64::from_le_bytes(entry.get(..8)?.try_into().ok()?);
    let length = u32::from_le_bytes(entry.get(8..12)?.try_into().ok()?);
    Some(at..at + u64::from(length))
}

/// See [`super::pyramid`].
pub(super) fn pyramid(
    reader: &mut dyn RowReader,
    info: &ImageInfo,
    profile: Option<&[u8]>,
    emit: &mut dyn FnMut(Vec<u8>) -> std::io::Result<()>,
) -> Result<()> {
    if info.width > MOST_WIDTH {
        return refuse(format!(
            "An image that is {} pixels wide has no deep zoom; the limit is {MOST_WIDTH}.",
            info.width
        ));
    }
    let unit = info.unit_rows.max(1);
    let units = u32::try_from(BAND_BYTES / (info.row_bytes() * u64::from(unit)).max(1)).unwrap_or(u32::MAX).max(1);
    let band = unit.saturating_mul(units);
    let shown = Shown::new(reader, info, profile, band)?;
    let mut builder = Builder::new(info, shown.layout, emit);
    let mut counting = Counting::new(info, shown.layout);
    let mut first = 0;
    while first < info.height {
        let end = first.saturating_add(band).min(info.height);
        let rows = reader.read(first..end)?;
        counting.before(&rows);
        let rows = shown.rows(rows)?;
        counting.after(&rows);
        let Samples::U8(samples) = rows.samples else { return refuse("A picture has 8 bits a sample.") };
        for row in samples.chunks_exact(builder.levels[0].line) {
            builder.push(0, row)?;
        }
        first = end;
    }
    builder.finish(info, Distribution::of(&counting.histogram))
}

/// Histogram of the stored samples if it has bins for them (of inks, that of their red, green and blue), otherwise of the displayed
/// ones.
struct Counting {
    histogram: Histogram,
    own: bool,
}

impl Counting {
    fn new(info: &ImageInfo, shown: Layout) -> Self {
        let own = info.depth.has_levels() && (info.layout == shown || info.layout == Layout::Cmyk);
        let depth = if own { info.depth } else { Depth::Eight };
        Self { histogram: Distribution::histogram(shown, depth), own }
    }

    fn before(&mut self, rows: &Rows) {
        if self.own {
            Distribution::count(&mut self.histogram, rows);
        }
    }

    fn after(&mut self, rows: &Rows) {
        if !self.own {
            self.histogram.count(rows);
        }
    }
}

/// Builder of all levels.
struct Builder<'a> {
    emit: &'a mut dyn FnMut(Vec<u8>) -> std::io::Result<()>,
    layout: Layout,
    levels: Vec<Level>,
    at: u64,
    /// Offset and length of each tile, by its place.
    table: Vec<(u64, u32)>,
    media_type: &'static str,
    image: (u32, u32),
}

/// The row of tiles in progress of one level.
struct Level {
    width: u32,
    height: u32,
    /// Samples per row.
    line: usize,
    /// Pixel rows collected for the current row of tiles.
    rows: Vec<u8>,
    /// Number of rows pushed so far.
    done: u32,
    /// The previous row, while it waits for its partner to be halved with.
    single: Option<Vec<u8>>,
}

impl<'a> Builder<'a> {
    fn new(info: &ImageInfo, layout: Layout, emit: &'a mut dyn FnMut(Vec<u8>) -> std::io::Result<()>) -> Self {
        let (width, height) = (info.width, info.height);
        let level = |level| {
            let (width, height) = size(width, height, level);
            let line = width as usize * layout.channels();
            Level { width, height, line, rows: Vec::new(), done: 0, single: None }
        };
        let count = levels(width, height);
        let all: u64 = (0..count).map(|level| tiles(width, height, level)).sum();
        Self {
            emit,
            layout,
            levels: (0..count).map(level).collect(),
            at: 0,
            table: vec![(0, 0); usize::try_from(all).unwrap_or(0)],
            media_type: "",
            image: (width, height),
        }
    }

    /// Adds the next row of a level, and the resulting rows of all coarser levels.
    fn push(&mut self, level: usize, row: &[u8]) -> Result<()> {
        let halves = level + 1 < self.levels.len();
        let this = &mut self.levels[level];
        this.rows.extend_from_slice(row);
        this.done += 1;
        let last = this.done == this.height;
        let pair = match (halves, this.single.take()) {
            (false, _) => None,
            (true, Some(above)) => Some(halved(&above, row, self.layout)),
            (true, None) if last => Some(halved(row, row, self.layout)),
            (true, None) => {
                this.single = Some(row.to_vec());
                None
            }
        };
        if last || this.done.is_multiple_of(TILE) {
            self.cut(level)?;
        }
        match pair {
            Some(pair) => self.push(level + 1, &pair),
            None => Ok(()),
        }
    }

    /// Encodes the collected rows as a row of tiles.
    fn cut(&mut self, level: usize) -> Result<()> {
        let this = &mut self.levels[level];
        let rows = std::mem::take(&mut this.rows);
        let (width, line, channels) = (this.width, this.line, self.layout.channels());
        let row = (this.done - 1) / TILE;
        let height = u32::try_from(rows.len() / line).unwrap_or(0);
        for column in 0..width.div_ceil(TILE) {
            let (left, right) = (column * TILE, ((column + 1) * TILE).min(width));
            let part = left as usize * channels..right as usize * channels;
            let bytes: Vec<u8> = rows.chunks_exact(line).flat_map(|row| &row[part.clone()]).copied().collect();
            let tile = encode(&Picture { width: right - left, height, channels, bytes }, self.layout)?;
            self.media_type = tile.media_type;
            let place = place(self.image.0, self.image.1, (level as u32, column, row));
            let entry = place.and_then(|place| self.table.get_mut(usize::try_from(place).ok()?));
            let (Some(entry), Ok(length)) = (entry, u32::try_from(tile.bytes.len())) else {
                return refuse("The tiles of this image can't be counted.");
            };
            *entry = (self.at, length);
            self.at += u64::from(length);
            (self.emit)(tile.bytes).map_err(Error::Source)?;
        }
        // Reuse the memory for the next row of tiles.
        let mut rows = rows;
        rows.clear();
        self.levels[level].rows = rows;
        Ok(())
    }

    fn finish(self, info: &ImageInfo, distribution: Distribution) -> Result<()> {
        let pyramid = Pyramid {
            width: info.width,
            height: info.height,
            orientation: info.orientation,
            media_type: self.media_type.to_owned(),
            distribution,
        };
        let index = serde_json::to_vec(&pyramid).map_err(|error| Error::Source(error.into()))?;
        let table: Vec<u8> = self.table.iter().flat_map(|(at, length)| entry(*at, *length)).collect();
        let tail = [index.len() as u64, table.len() as u64].map(u64::to_le_bytes).concat();
        for piece in [index, table, tail] {
            (self.emit)(piece).map_err(Error::Source)?;
        }
        Ok(())
    }
}

fn entry(at: u64, length: u32) -> [u8; ENTRY as usize] {
    let mut entry = [0; ENTRY as usize];
    entry[..8].copy_from_slice(&at.to_le_bytes());
    entry[8..].copy_from_slice(&length.to_le_bytes());
    entry
}

/// Halves two rows in both directions: averages each 2 × 2 pixels, with colours weighted by their alpha.
fn halved(above: &[u8], below: &[u8], layout: Layout) -> Vec<u8> {
    let channels = layout.channels();
    let mut out = Vec::with_capacity(above.len().div_ceil(2 * channels) * channels);
    for (above, below) in above.chunks(2 * channels).zip(below.chunks(2 * channels)) {
        let right = above.len() - channels;
        let four = [&above[..channels], &above[right..], &below[..channels], &below[right..]];
        if !layout.has_alpha() {
            out.extend((0..channels).map(|c| ((four.iter().map(|p| u32::from(p[c])).sum::<u32>() + 2) / 4) as u8));
            continue;
        }
        let last = channels - 1;
        let alpha: u32 = four.iter().map(|pixel| u32::from(pixel[last])).sum();
        let weighed = |c: usize| four.iter().map(|p| u32::from(p[c]) * u32::from(p[last])).sum::<u32>();
        out.extend((0..last).map(|c| (weighed(c) + alpha / 2).checked_div(alpha).unwrap_or(0) as u8));
        out.push(((alpha + 2) / 4) as u8);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Cursor;

    use super::*;
    use crate::Limits;

    /// Returns a PNG file of a gradient.
    fn png(width: u32, height: u32, color: png::ColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        let channels = color.samples() as u32;
        let sample = |i: u32| ((i / channels % width) * 200 / width + (i % channels) * 20) as u8;
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&(0..width * height * channels).map(sample).collect::<Vec<u8>>()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn built(file: &[u8]) -> (Pyramid, Vec<u8>, std::ops::Range<u64>) {
        let mut source = Cursor::new(file.to_vec());
        let info = crate::inspect(&mut source, &Limits::default()).unwrap();
        let mut reader = crate::open(Box::new(source), &info).unwrap();
        let mut out = Vec::new();
        crate::pyramid(&mut *reader, &info, None, &mut |piece| {
            out.extend(piece);
            Ok(())
        })
        .unwrap();
        let length = out.len() as u64;
        let (index, table) = parts(length, &out[out.len() - TAIL as usize..]).unwrap();
        let pyramid = serde_json::from_slice(&out[index.start as usize..index.end as usize]).unwrap();
        (pyramid, out, table)
    }

    fn decoded(
        pyramid: &Pyramid,
        file: &[u8],
        table: &std::ops::Range<u64>,
        which: (u32, u32, u32),
    ) -> image::DynamicImage {
        let at = table.start + ENTRY * place(pyramid.width, pyramid.height, which).unwrap();
        let range = tile(&file[at as usize..(at + ENTRY) as usize]).unwrap();
        image::load_from_memory(&file[range.start as usize..range.end as usize]).unwrap()
    }

    #[test]
    fn every_tile_is_where_the_table_says_and_has_its_size() {
        for color in [png::ColorType::Rgb, png::ColorType::GrayscaleAlpha] {
            let (pyramid, file, table) = built(&png(700, 300, color));
            assert_eq!((pyramid.width, pyramid.height, pyramid.levels()), (700, 300, 3));
            for (which, size) in [
                ((0, 0, 0), (256, 256)),
                ((0, 2, 1), (188, 44)),
                ((1, 0, 0), (256, 150)),
                ((1, 1, 0), (94, 150)),
                ((2, 0, 0), (175, 75)),
            ] {
                let tile = decoded(&pyramid, &file, &table, which);
                assert_eq!((tile.width(), tile.height()), size, "{color:?} {which:?}");
            }
        }
    }

    #[test]
    fn a_level_shows_the_same_picture_as_the_one_below() {
        let (pyramid, file, table) = built(&png(700, 300, png::ColorType::Rgb));
        let (fine, coarse) = (decoded(&pyramid, &file, &table, (0, 1, 0)), decoded(&pyramid, &file, &table, (2, 0, 0)));
        // Pixel 100 of the second tile is pixel 356 of the image, and pixel 89 of the third level.
        let (fine, coarse) = (fine.to_rgb8().get_pixel(100, 8).0, coarse.to_rgb8().get_pixel(89, 2).0);
        for (fine, coarse) in fine.iter().zip(coarse) {
            assert!(fine.abs_diff(coarse) <= 4, "{fine} and {coarse}");
        }
    }

    #[test]
    fn a_view_is_made_of_tiles_as_well_as_of_the_image() {
        let original = png(700, 300, png::ColorType::Rgb);
        let (pyramid, file, table) = built(&original);
        let fetch = {
            let (width, height) = (pyramid.width, pyramid.height);
            Box::new(move |which| {
                let at = (table.start + ENTRY * place(width, height, which).unwrap()) as usize;
                let range = tile(&file[at..at + ENTRY as usize]).unwrap();
                Ok(file[range.start as usize..range.end as usize].to_vec())
            })
        };
        let mut rows = LevelRows::open(&pyramid, 400, fetch).unwrap();
        let info = rows.info().clone();
        assert_eq!((info.width, info.height), (350, 150));
        let from_tiles =
            image::load_from_memory(&crate::view(&mut rows, &info, None, 350).unwrap().bytes).unwrap().to_rgb8();
        let mut source = Cursor::new(original);
        let info = crate::inspect(&mut source, &Limits::default()).unwrap();
        let mut reader = crate::open(Box::new(source), &info).unwrap();
        let direct =
            image::load_from_memory(&crate::view(&mut *reader, &info, None, 350).unwrap().bytes).unwrap().to_rgb8();
        assert_eq!(from_tiles.dimensions(), direct.dimensions());
        let most = from_tiles.iter().zip(direct.iter()).map(|(one, other)| one.abs_diff(*other)).max().unwrap();
        assert!(most <= 8, "they differ by up to {most}");
    }

    #[test]
    fn the_distribution_is_that_of_every_pixel() {
        let (pyramid, ..) = built(&png(700, 300, png::ColorType::Rgb));
        assert_eq!(pyramid.distribution.planes.len(), 3);
        assert!(pyramid.distribution.planes.iter().all(|plane| plane.iter().sum::<u64>() == 700 * 300));
    }

    #[test]
    fn an_odd_row_and_column_are_halved_with_themselves() {
        assert_eq!(halved(&[10, 20, 30], &[10, 20, 30], Layout::Gray), [15, 30]);
        // A transparent pixel contributes no colour.
        assert_eq!(halved(&[200, 255, 9, 0], &[200, 255, 9, 0], Layout::GrayAlpha), [200, 128]);
    }
}

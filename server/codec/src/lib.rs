//! Image codecs: reading headers and rows, encoding parts, and joining parts to a file.
//!
//! Everything here is synchronous and runs on pixel threads. A [`Source`] may be a file, bytes in memory, or an object
//! in the store that is read by ranges.
//!
//! The order is `inspect` → `open` → rows → (equalize) → `part` on any worker → `join` on one worker. The bytes of the
//! file depend only on the original and the recipe, never on which worker encoded which part when.

mod bundle;
mod colors;
mod convert;
mod deflate;
mod jpeg;
mod photoshop;
mod png;
mod pyramid;
mod shown;
mod tiff;
mod view;
mod webp;
mod xmp;

use std::ops::Range;

use base::panics;
use shared::equalize::Target;
use shared::job::{Format, ImageInfo, Keeping};
use shared::pixels::{Layout, Rows};

pub use bundle::{Bundle, Hash, PartHash, bundle, open_bundle};
pub use convert::Conversion;
pub use pyramid::{ENTRY as PYRAMID_ENTRY, LevelRows, TAIL as PYRAMID_TAIL};
pub use shared::decode::{Error, Limits, Result, detect, foreign};

/// Byte source of an image file.
pub trait Source: std::io::Read + std::io::Seek + Send {}
impl<T: std::io::Read + std::io::Seek + Send> Source for T {}

/// Reader of an image's rows.
pub trait RowReader: Send {
    /// Reads rows as stored. Ranges may come in any order if [`ImageInfo::regions`] or [`ImageInfo::whole_decode`] is
    /// set; otherwise they must ascend.
    ///
    /// # Errors
    /// [`Error::Refused`] if the file is damaged, [`Error::Source`] if its source fails.
    fn read(&mut self, rows: Range<u32>) -> Result<Rows>;
}

/// What the join needs to know of a part without having its bytes. Small; stored as JSON before the parts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PartIndex {
    /// Length of the part in bytes.
    pub bytes: u64,
    /// Number of rows.
    pub rows: u32,
    /// Lengths of the part's pieces (TIFF strips or tiles); empty if there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<u64>,
    /// Lengths of its overview strips (TIFF), per overview, or of its raw rows of the overview (COG); these follow the part's own
    /// pieces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overviews: Vec<Vec<u64>>,
    /// Adler-32 of the uncompressed bytes, for PNG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adler32: Option<u32>,
    /// Length of the uncompressed bytes.
    pub raw_bytes: u64,
}

/// Encoded rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Index entry for the join.
    pub index: PartIndex,
    /// Encoded bytes.
    pub bytes: Vec<u8>,
}

/// Everything of the output file except its pixels: structure and metadata. Small, and derived from the original and
/// the result's layout alone.
#[derive(Debug, Clone)]
pub struct Head {
    /// The original's metadata, with the layout of the result.
    info: ImageInfo,
    keeping: Keeping,
    file: FileHead,
}

#[derive(Debug, Clone)]
enum FileHead {
    Png(png::Head),
    Jpeg(jpeg::Head),
    Tiff(Box<tiff::Head>),
    Webp(webp::Head),
}

impl Head {
    /// Returns which of the original's metadata is kept, and which isn't because it became stale or doesn't fit.
    pub fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    /// Makes the overviews of a TIFF average each channel by itself: a sample with the nodata value is left out on its own.
    #[must_use]
    pub fn with_channels_averaged_apart(mut self) -> Self {
        if let FileHead::Tiff(file) = &mut self.file {
            file.average_channels_apart();
        }
        self
    }

    /// Returns the head of a result whose layout isn't cloud-optimized, whatever its original's is.
    #[must_use]
    pub fn in_ordinary_layout(self) -> Self {
        let file = match self.file {
            FileHead::Tiff(file) => FileHead::Tiff(Box::new(file.in_ordinary_layout())),
            other => other,
        };
        Self { file, ..self }
    }

    /// Returns how many rows of the result can only be written together.
    pub fn unit_rows(&self) -> u32 {
        self.info.unit_rows
    }

    /// Returns the size in bytes of a page's metadata, for multi-page files.
    pub fn page_metadata(&self) -> u64 {
        match &self.file {
            FileHead::Tiff(file) => file.held,
            FileHead::Png(_) | FileHead::Jpeg(_) | FileHead::Webp(_) => 0,
        }
    }

    /// Returns the number of bytes before the parts in a single-page file, provided that its length doesn't require a
    /// BigTIFF; `None` if the file doesn't contain the parts verbatim ([`Joiner::Encoder`], [`Joiner::Cloud`]).
    pub fn begin_bytes(&self) -> Result<Option<usize>> {
        Ok(match &self.file {
            FileHead::Png(file) => Some(file.begin_bytes()),
            FileHead::Jpeg(file) => Some(file.join(&self.info)?.begin.len()),
            FileHead::Tiff(file) => file.begin_bytes(),
            FileHead::Webp(_) => None,
        })
    }
}

/// The parts of a file in order, which can be read several times: each call starts with the first part.
pub type Parts<'a> = dyn FnMut() -> Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + 'a> + 'a;

/// Assembles a file from its parts.
#[derive(Debug, Clone)]
pub enum Joiner {
    /// The file contains the parts in order, verbatim.
    Envelope(Envelope),
    /// The parts are raw rows; the file can only be encoded once all of them are there.
    Encoder(Box<webp::Encoder>),
    /// The file contains the beginning of each part, but before them overviews that are made of all parts (COG).
    Cloud(Box<tiff::Cloud>),
}

/// The bytes around the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Bytes before the first part.
    pub begin: Vec<u8>,
    /// Bytes after the last part.
    pub end: Vec<u8>,
}

impl Joiner {
    /// Passes the pieces of the file to `emit` in order.
    ///
    /// # Errors
    /// Those of `parts` and of `emit`, as [`Error::Source`]; [`Error::Refused`] if the file can't be made.
    pub fn write(self, parts: &mut Parts<'_>, emit: &mut dyn FnMut(Vec<u8>) -> std::io::Result<()>) -> Result<()> {
        match self {
            Joiner::Envelope(Envelope { begin, end }) => {
                emit(begin)?;
                for part in parts() {
                    emit(part?)?;
                }
                emit(end)?;
            }
            Joiner::Encoder(mut encoder) => {
                for part in parts() {
                    encoder.part(&part?)?;
                }
                encoder.file(emit)?;
            }
            Joiner::Cloud(cloud) => cloud.write(parts, emit)?,
        }
        Ok(())
    }
}

/// Returns the memory, in bytes, that the decoder holds for an image that is decoded as a whole.
pub fn decoder_memory(info: &ImageInfo) -> u64 {
    match info.format {
        Format::Png | Format::Jpeg | Format::Tiff => info.raw_bytes(),
        Format::Webp => shared::decode::webp::decoder_memory(info),
    }
}

/// Returns the memory, in bytes, that [`Joiner::write`] holds for an image's result, besides the part passing through.
pub fn join_memory(info: &ImageInfo) -> u64 {
    match info.format {
        Format::Png | Format::Jpeg => 0,
        // Overviews, if the file is cloud-optimized.
        Format::Tiff => tiff::join_memory(info),
        Format::Webp => shared::decode::webp::encoder_memory(info),
    }
}

/// A view for browsers: 8 bits per sample, upright, sRGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The encoded file.
    pub bytes: Vec<u8>,
    /// `image/png` if there is alpha or a side is too long for a JPEG, otherwise `image/jpeg`.
    pub media_type: &'static str,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Runs a decoder or encoder and converts its panic, which a hostile file may cause, to a refusal of the file.
fn contain<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // State that a panic leaves inconsistent is dropped, or refuses further use.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panics::message(&*panic).unwrap_or("no reason given");
        refuse(format!("The file made the decoder fail ({words})."))
    })
}

/// Removes from EXIF data, which start with the byte order mark, what became false and what can't be read.
fn refresh_exif(exif: &mut [u8], keeping: &mut Keeping) {
    if shared::decode::exif::forget_thumbnail(exif) {
        keeping.change("The EXIF thumbnail showed the old pixels.");
    }
    match shared::decode::exif::forget_outside(exif) {
        0 => {}
        1 => keeping.change("A field of EXIF pointed outside of its data and was left out."),
        n => keeping.change(format!("{n} fields of EXIF pointed outside of its data and were left out.")),
    }
}

fn refuse<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Error::Refused(sentence.into()))
}

/// Reads a file's header and checks it against the limits before anything is allocated.
///
/// # Errors
/// [`Error::Refused`] with a sentence if the file isn't an image that can be kept, or exceeds the limits.
pub fn inspect(mut source: &mut dyn Source, limits: &Limits) -> Result<ImageInfo> {
    contain(|| shared::decode::inspect(&mut source, limits))
}

/// Reads the headers of some pages ([`ImageInfo::pages`]), numbered from 0; `info` is the result of [`inspect`].
///
/// # Errors
/// As [`inspect`].
pub fn inspect_pages(
    mut source: &mut dyn Source,
    limits: &Limits,
    info: &ImageInfo,
    pages: Range<u32>,
) -> Result<Vec<ImageInfo>> {
    contain(|| shared::decode::inspect_pages(&mut source, limits, info, pages))
}

/// Opens an image for reading rows. `info` is the result of [`inspect`] for the same source. An image that can't be
/// read by regions or row by row ([`ImageInfo::whole_decode`]) may be decoded here.
///
/// # Errors
/// As [`RowReader::read`].
pub fn open(source: Box<dyn Source>, info: &ImageInfo) -> Result<Box<dyn RowReader>> {
    let reader = contain(|| shared::decode::open(source, info))?;
    Ok(Box::new(Reader(Some(reader))))
}

/// A decoder; `None` after a panic.
struct Reader(Option<shared::decode::RowReader<Box<dyn Source>>>);

impl RowReader for Reader {
    fn read(&mut self, rows: Range<u32>) -> Result<Rows> {
        let Some(mut reader) = self.0.take() else {
            return refuse("The file made the decoder fail before.");
        };
        let (reader, rows) = contain(|| {
            let rows = reader.read(rows);
            Ok((reader, rows))
        })?;
        self.0 = Some(reader);
        rows
    }
}

/// Reads the original's structure and metadata, for a result with the given layout: the original's, or its gray
/// counterpart.
///
/// # Errors
/// [`Error::Refused`] if something of the original can't be kept, [`Error::Source`] if its source fails.
pub fn head(source: &mut dyn Source, info: &ImageInfo, layout: Layout) -> Result<Head> {
    if layout != info.layout && layout != without_colors(info.layout) {
        return refuse(format!("A result of layout {layout:?} can't be made from {:?}.", info.layout));
    }
    let loses_color = layout != info.layout;
    let info = ImageInfo { layout, ..info.clone() };
    let mut keeping = Keeping::default();
    let file = contain(|| match info.format {
        Format::Png => Ok(FileHead::Png(png::Head::read(source, &info, loses_color, &mut keeping)?)),
        Format::Jpeg => Ok(FileHead::Jpeg(jpeg::Head::read(source, &info, loses_color, &mut keeping)?)),
        Format::Tiff => {
            tiff::Head::read(source, &info, loses_color, &mut keeping).map(|head| FileHead::Tiff(Box::new(head)))
        }
        Format::Webp => Ok(FileHead::Webp(webp::Head::read(source, loses_color, &mut keeping)?)),
    })?;
    Ok(Head { info, keeping, file })
}

/// As [`head`], of a result in another format or with fewer bits, with the conversion of its rows; `None` if `target`
/// keeps format and depth.
///
/// # Errors
/// Those of [`head`] and [`check_target`].
pub fn head_as(
    target: Target,
    source: &mut dyn Source,
    info: &ImageInfo,
    layout: Layout,
    limits: &Limits,
) -> Result<(Head, Option<Conversion>)> {
    if !target.changes(info) {
        return Ok((head(source, info, layout)?, None));
    }
    let (head, conversion) = contain(|| convert::head(target, source, info, layout, limits))?;
    Ok((head, Some(conversion)))
}

/// Checks that a result can be what `target` names. `layout` is that of the equalized rows: the original's, or its gray
/// counterpart.
///
/// # Errors
/// [`Error::Refused`] with a sentence for the user.
pub fn check_target(target: Target, info: &ImageInfo, layout: Layout, limits: &Limits) -> Result<()> {
    convert::check(target, info, layout, limits)
}

/// Checks the target of a page of a file that has several: pages stay what they are.
///
/// # Errors
/// [`Error::Refused`] with a sentence for the user.
pub fn check_target_of_page(target: Target, page: &ImageInfo, pages: u32) -> Result<()> {
    if pages > 1 && target.changes(page) { refuse(convert::pages_sentence(pages)) } else { Ok(()) }
}

/// Returns the header of a result, as far as it is known without its original's bytes.
pub fn result_info(target: Target, info: &ImageInfo, layout: Layout) -> ImageInfo {
    convert::result_info(target, info, layout)
}

/// Returns the header of an image, with the rows that belong together in both the original and the result: parts are cut
/// at multiples of them.
pub fn info_to_cut(target: Target, info: &ImageInfo, layout: Layout) -> ImageInfo {
    let (original, result) = (info.unit_rows.max(1), result_info(target, info, layout).unit_rows.max(1));
    let (mut larger, mut smaller) = (original, result);
    while smaller > 0 {
        (larger, smaller) = (smaller, larger % smaller);
    }
    ImageInfo { unit_rows: original.saturating_mul(result / larger), ..info.clone() }
}

/// Checks the total size of the metadata of all pages, in bytes, against a limit. It isn't bounded by the file's
/// length, since pages of a short file may share the same bytes.
///
/// # Errors
/// [`Error::Refused`] if it exceeds the limit.
pub fn check_pages(bytes: u64) -> Result<()> {
    const MOST: u64 = 4 * Limits::MAX_METADATA;
    if bytes > MOST {
        return refuse(format!(
            "The pages of this TIFF have {} MiB of metadata in all; at most {} MiB can be kept. Remove metadata from the pages, \
             or split the file, and send it again.",
            bytes >> 20,
            MOST >> 20
        ));
    }
    Ok(())
}

/// Returns the layout of an image reduced to gray.
const fn without_colors(layout: Layout) -> Layout {
    match layout {
        Layout::Gray | Layout::Rgb | Layout::Cmyk => Layout::Gray,
        Layout::GrayAlpha | Layout::Rgba => Layout::GrayAlpha,
        Layout::Bands(_) | Layout::BandsAlpha(_) => layout,
    }
}

/// Encodes the rows from `first_row` on: a multiple of [`ImageInfo::unit_rows`] rows, or up to the image's end.
///
/// # Errors
/// [`Error::Refused`] if the rows don't belong to the head's image.
pub fn part(head: &Head, first_row: u32, rows: &Rows) -> Result<Part> {
    let info = &head.info;
    if (rows.width, rows.layout, rows.samples.depth()) != (info.width, info.layout, info.depth) {
        return refuse("The rows to encode belong to another image.");
    }
    let end = u32::try_from(rows.height()).ok().and_then(|height| first_row.checked_add(height));
    let whole_units = |row: u32| row.is_multiple_of(info.unit_rows) || row == info.height;
    if rows.samples.is_empty()
        || !end.is_some_and(|end| end <= info.height && whole_units(end) && whole_units(first_row))
    {
        return refuse(format!("{} rows from row {first_row} on are not part of the image.", rows.height()));
    }
    match &head.file {
        FileHead::Png(file) => file.part(info, rows),
        FileHead::Jpeg(file) => file.part(info, first_row, rows),
        FileHead::Tiff(file) => file.part(info, first_row, rows),
        FileHead::Webp(_) => Ok(webp::part(rows)),
    }
}

/// Creates the joiner of a file from the indices of all its parts, in order.
///
/// # Errors
/// [`Error::Refused`] if the parts aren't the whole image.
pub fn join(head: &Head, index: &[PartIndex]) -> Result<Joiner> {
    join_pages(&[(head, index)])
}

/// Creates the joiner of a file from the indices of all its pages' parts, in order.
///
/// # Errors
/// [`Error::Refused`] if the parts aren't whole pages, or the format has no pages.
pub fn join_pages(pages: &[(&Head, &[PartIndex])]) -> Result<Joiner> {
    for (head, index) in pages {
        let rows: u64 = index.iter().map(|part| u64::from(part.rows)).sum();
        if rows != u64::from(head.info.height) {
            return refuse(format!("Expected parts of {} rows in all, got {rows}.", head.info.height));
        }
    }
    match pages {
        [(Head { file: FileHead::Png(file), info, .. }, index)] => Ok(Joiner::Envelope(file.join(info, index)?)),
        [(Head { file: FileHead::Jpeg(file), info, .. }, _)] => Ok(Joiner::Envelope(file.join(info)?)),
        [(Head { file: FileHead::Webp(file), info, .. }, _)] => Ok(Joiner::Encoder(Box::new(file.encoder(info)))),
        [(Head { file: FileHead::Tiff(file), .. }, index)] if file.cloud => {
            Ok(Joiner::Cloud(Box::new(tiff::Cloud::new(file, index)?)))
        }
        pages => {
            let mut of_tiff = Vec::with_capacity(pages.len());
            for (head, index) in pages {
                match &head.file {
                    FileHead::Tiff(file) => of_tiff.push((&**file, *index)),
                    _ => return refuse("Only a TIFF has several pages."),
                }
            }
            Ok(Joiner::Envelope(tiff::join(&of_tiff)?))
        }
    }
}

/// Assigns the parts, whose indices are given in order, to pages: each page takes as many as its rows need.
///
/// # Errors
/// [`Error::Refused`] if there are more parts than the pages need.
pub fn by_pages<'a>(heads: &'a [Head], mut index: &'a [PartIndex]) -> Result<Vec<(&'a Head, &'a [PartIndex])>> {
    let mut pages = Vec::with_capacity(heads.len());
    for head in heads {
        let mut rows = 0_u64;
        let before = index.iter().take_while(|part| {
            let more = rows < head.info.height.into();
            rows += u64::from(part.rows);
            more
        });
        let (own, others) = index.split_at(before.count());
        pages.push((head, own));
        index = others;
    }
    if index.is_empty() { Ok(pages) } else { refuse(format!("There are {} parts too many.", index.len())) }
}

/// Returns the file's embedded colour profile (ICC), unchanged; `info` is the result of [`inspect`] for the same
/// source. An unreadable profile counts as none.
///
/// # Errors
/// [`Error::Source`] if the source fails.
pub fn profile(mut source: &mut dyn Source, info: &ImageInfo) -> Result<Option<Vec<u8>>> {
    match contain(|| shared::decode::profile(&mut source, info)) {
        Err(Error::Refused(sentence)) => {
            tracing::debug!(sentence, "colour profile ignored");
            Ok(None)
        }
        read => read,
    }
}

/// Makes a view for browsers: at most `max_side` pixels on its longer side, never enlarged, upright, and converted to
/// sRGB by the image's profile. Reads the rows once, in ascending order (those without levels twice), and holds few of them.
///
/// # Errors
/// As [`RowReader::read`].
pub fn view(reader: &mut dyn RowReader, info: &ImageInfo, profile: Option<&[u8]>, max_side: u32) -> Result<View> {
    contain(|| view::view(reader, info, profile, max_side))
}

/// Makes a pyramid of tiles for deep zoom, in one file; `emit` takes its pieces in order. Tiles are converted to sRGB
/// by the image's profile; the histogram counts the stored samples where it has bins for them. Reads the rows once, in
/// ascending order (those without levels twice), and holds one row of tiles per level.
///
/// # Errors
/// As [`RowReader::read`]; [`Error::Refused`] also for an image that is too wide; [`Error::Source`] if `emit` fails.
pub fn pyramid(
    reader: &mut dyn RowReader,
    info: &ImageInfo,
    profile: Option<&[u8]>,
    emit: &mut dyn FnMut(Vec<u8>) -> std::io::Result<()>,
) -> Result<()> {
    contain(|| pyramid::pyramid(reader, info, profile, emit))
}

/// Returns the memory, in bytes, that [`pyramid()`] holds besides its reader.
pub fn pyramid_memory(info: &ImageInfo) -> u64 {
    pyramid::memory(info)
}

/// Returns the ranges of index and table in a pyramid file of `bytes` bytes, given its last [`PYRAMID_TAIL`] bytes.
pub fn pyramid_parts(bytes: u64, tail: &[u8]) -> Option<(Range<u64>, Range<u64>)> {
    pyramid::parts(bytes, tail)
}

/// Returns the range of a tile in a pyramid file, given its table entry of [`PYRAMID_ENTRY`] bytes.
pub fn pyramid_tile(entry: &[u8]) -> Option<Range<u64>> {
    pyramid::tile(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_decoder_is_a_refusal_with_its_words() {
        let failed: Result<()> = contain(|| panic!("index {} out of bounds", 7));
        assert!(failed.is_err_and(|error| error.to_string().contains("index 7")));
    }

    #[test]
    fn heads_and_joiners_go_to_pixel_threads() {
        fn sendable<T: Send + Sync>() {}
        sendable::<Head>();
        sendable::<Joiner>();
        sendable::<Part>();
    }

    #[test]
    fn a_reader_that_panicked_refuses_further_rows() {
        let mut reader = Reader(None);
        assert!(reader.read(0..1).is_err());
    }
}

//! Heads: everything of a result but its pixels, and the encoding of parts by them.

use shared::job::{Format, ImageInfo, Keeping};
use shared::pixels::{Layout, Rows};

use super::parts::Part;
use super::read::Source;
use super::refusal::{contain, refuse};
use super::{Limits, Result, jpeg, png, tiff, webp};

/// Everything of the output file except its pixels: structure and metadata. Small, and derived from the original and
/// the result's layout alone.
#[derive(Debug, Clone)]
pub struct Head {
    /// The original's metadata, with the layout of the result.
    pub(super) info: ImageInfo,
    pub(super) keeping: Keeping,
    pub(super) file: FileHead,
}

/// The head by format.
#[derive(Debug, Clone)]
pub(super) enum FileHead {
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
    /// BigTIFF; `None` if the file doesn't contain the parts verbatim ([`Joiner::Encoder`](super::Joiner::Encoder),
    /// [`Joiner::Cloud`](super::Joiner::Cloud)).
    pub fn begin_bytes(&self) -> Result<Option<usize>> {
        Ok(match &self.file {
            FileHead::Png(file) => Some(file.begin_bytes()),
            FileHead::Jpeg(file) => Some(file.join(&self.info)?.begin.len()),
            FileHead::Tiff(file) => file.begin_bytes(),
            FileHead::Webp(_) => None,
        })
    }
}

/// Reads the original's structure and metadata, for a result with the given layout: the original's, or its gray
/// counterpart.
///
/// # Errors
/// [`Error::Refused`](super::Error::Refused) if something of the original can't be kept,
/// [`Error::Source`](super::Error::Source) if its source fails.
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
/// [`Error::Refused`](super::Error::Refused) if the rows don't belong to the head's image.
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

/// Checks the total size of the metadata of all pages, in bytes, against a limit. It isn't bounded by the file's
/// length, since pages of a short file may share the same bytes.
///
/// # Errors
/// [`Error::Refused`](super::Error::Refused) if it exceeds the limit.
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

//! Image rows together with the pixels to leave unchanged (mask and nodata).

use std::ops::Range;

use codec::RowReader;
use shared::equalize::{Counts, Mask, NodataRule, Recipe, Table};
use shared::job::ImageInfo;
use shared::pixels::{Depth, Layout, Rows};

use super::source::RowSource;
use crate::job::companions::same_size;

/// The rows of an image and of its mask, to be opened on a pixel thread.
pub(super) struct MaskedImageSource {
    /// The image.
    pub(super) rows: (RowSource, ImageInfo),
    /// The mask.
    pub(super) mask: Option<(RowSource, ImageInfo)>,
    /// The rule for nodata.
    pub(super) nodata: Option<NodataRule>,
}

impl MaskedImageSource {
    /// Opens the readers; call on a pixel thread.
    pub(super) fn open(self) -> codec::Result<MaskedImage> {
        let (rows, info) = self.rows;
        let mask = match self.mask {
            None => None,
            Some((mask, mask_info)) => {
                same_size(&info, &mask_info).map_err(codec::Error::Refused)?;
                Some(mask.open(&mask_info)?)
            }
        };
        Ok(MaskedImage { rows: rows.open(&info)?, mask, nodata: self.nodata })
    }
}

/// Opened readers of an image and its mask.
pub(super) struct MaskedImage {
    rows: Box<dyn RowReader>,
    mask: Option<Box<dyn RowReader>>,
    nodata: Option<NodataRule>,
}

impl MaskedImage {
    /// Reads rows. Ranges must come in the order that both readers require.
    pub(super) fn read(&mut self, at: Range<u32>) -> codec::Result<MaskedRows> {
        let image = match &mut self.mask {
            Some(mask) => Some(Mask::image(&mask.read(at.clone())?)),
            None => None,
        };
        Ok(MaskedRows::new(at.start, self.rows.read(at)?, self.nodata, image.as_deref()))
    }
}

/// Rows with the mask of pixels to process.
pub(crate) struct MaskedRows {
    /// Index of the first row.
    pub(crate) first: u32,
    rows: Rows,
    mask: Option<Mask>,
    nodata: Option<NodataRule>,
}

impl MaskedRows {
    /// Creates it for rows starting at `first`; `mask` is the mask image, one byte per pixel.
    pub(crate) fn new(first: u32, rows: Rows, nodata: Option<NodataRule>, mask: Option<&[u8]>) -> Self {
        let mask = Mask::of(&rows, nodata, mask);
        Self { first, rows, mask, nodata }
    }

    /// Adds the rows to the counts.
    pub(crate) fn count(&self, counts: &mut Counts) {
        counts.count(self.first, &self.rows, self.mask.as_ref());
    }

    /// Equalizes the rows. A valid pixel never ends up with the nodata value.
    pub(crate) fn equalize(self, recipe: &Recipe, table: &Table) -> Rows {
        let mut rows = table.apply(recipe, self.first, self.rows, self.mask.as_ref());
        if let Some(nodata) = self.nodata {
            nodata.keep_apart(&mut rows, self.mask.as_ref());
        }
        rows
    }
}

/// Returns the metadata of an image's decoded mask: one byte per pixel.
pub(super) fn mask_info(info: &ImageInfo) -> ImageInfo {
    ImageInfo { layout: Layout::Gray, depth: Depth::Eight, ..info.clone() }
}

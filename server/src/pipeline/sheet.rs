//! An image's rows together with the pixels that are left alone.

use std::ops::Range;

use shared::equalize::{Counts, Mask, Nodata, Recipe, Table};
use shared::job::ImageInfo;
use shared::pixels::{Depth, Layout, Rows};

use super::stage::RowSource;
use crate::codec::{self, RowReader};

/// The rows of an image and of its mask, which a pixel thread can open.
pub(super) struct SheetSource {
    /// The image's.
    pub(super) rows: (RowSource, ImageInfo),
    /// The mask's.
    pub(super) mask: Option<(RowSource, ImageInfo)>,
    /// What stands for no measurement.
    pub(super) nodata: Option<Nodata>,
}

impl SheetSource {
    /// Opens them; on a pixel thread.
    pub(super) fn open(self) -> codec::Result<Sheet> {
        let (rows, info) = self.rows;
        let mask = match self.mask {
            None => None,
            Some((mask, mask_info)) => {
                same_size(&info, &mask_info).map_err(codec::Error::Refused)?;
                Some(mask.open(&mask_info)?)
            }
        };
        Ok(Sheet { rows: rows.open(&info)?, mask, nodata: self.nodata })
    }
}

/// An image and its mask.
pub(super) struct Sheet {
    rows: Box<dyn RowReader>,
    mask: Option<Box<dyn RowReader>>,
    nodata: Option<Nodata>,
}

impl Sheet {
    /// Reads some rows; ranges come in the order that both readers want.
    pub(super) fn read(&mut self, at: Range<u32>) -> codec::Result<Marked> {
        let image = match &mut self.mask {
            Some(mask) => Some(Mask::image(&mask.read(at.clone())?)),
            None => None,
        };
        Ok(Marked::new(at.start, self.rows.read(at)?, self.nodata, image.as_deref()))
    }
}

/// Some rows, and which of their pixels are worked on.
pub(super) struct Marked {
    /// The first of them.
    pub(super) first: u32,
    rows: Rows,
    mask: Option<Mask>,
    nodata: Option<Nodata>,
}

impl Marked {
    /// Rows from `first` on; `mask` is the mask image's, one byte a pixel.
    pub(super) fn new(first: u32, rows: Rows, nodata: Option<Nodata>, mask: Option<&[u8]>) -> Self {
        let mask = Mask::of(&rows, nodata, mask);
        Self { first, rows, mask, nodata }
    }

    /// Counts them.
    pub(super) fn count(&self, counts: &mut Counts) {
        counts.count(self.first, &self.rows, self.mask.as_ref());
    }

    /// Equalizes them. A pixel that is there never comes to look like one of no data.
    pub(super) fn equalize(self, recipe: &Recipe, table: &Table) -> Rows {
        let mut rows = table.apply(recipe, self.first, self.rows, self.mask.as_ref());
        if let Some(nodata) = self.nodata {
            nodata.keep_apart(&mut rows, self.mask.as_ref());
        }
        rows
    }
}

/// A decoded mask of an image: one byte a pixel.
pub(super) fn mask_info(info: &ImageInfo) -> ImageInfo {
    ImageInfo { layout: Layout::Gray, depth: Depth::Eight, ..info.clone() }
}

/// Whether a mask has the size of its image.
///
/// # Errors
/// A sentence for the person.
pub fn same_size(image: &ImageInfo, mask: &ImageInfo) -> Result<(), String> {
    if (image.width, image.height) == (mask.width, mask.height) {
        return Ok(());
    }
    Err(format!(
        "The mask must be as large as the image, {} × {} pixels as stored; it is {} × {}.",
        image.width, image.height, mask.width, mask.height
    ))
}

//! Encoder of a result: its head, and the conversion of its rows if its format or depth isn't the original's.

use codec::{Conversion, Head, Limits, Part, Source};
use shared::equalize::{Recipe, output_layout};
use shared::job::ImageInfo;
use shared::pixels::Rows;

/// Encodes the parts of a result. The same for every part, on whichever worker.
pub(crate) struct Encoder {
    pub(crate) head: Head,
    conversion: Option<Conversion>,
}

impl Encoder {
    /// Reads the head of the result that this recipe makes of an original.
    ///
    /// # Errors
    /// [`codec::Error::Refused`] if something of the original can't be kept, or the recipe's format can't hold it.
    pub(crate) fn read(
        source: &mut dyn Source,
        recipe: &Recipe,
        info: &ImageInfo,
        limits: &Limits,
    ) -> codec::Result<Self> {
        let layout = output_layout(recipe, info.layout);
        let (head, conversion) = codec::head_as(recipe.target, source, info, layout, limits)?;
        Ok(Self { head: for_recipe(head, recipe, info), conversion })
    }

    /// Encodes equalized rows, the first of which is row `first`.
    pub(crate) fn part(&self, first: u32, rows: Rows) -> codec::Result<Part> {
        let rows = match self.conversion {
            Some(conversion) => conversion.rows(rows),
            None => rows,
        };
        codec::part(&self.head, first, &rows)
    }

    /// Returns what the result loses because it isn't what its original is. What results lose anyway was reported when the
    /// image was accepted.
    pub(crate) fn notes(&self) -> Vec<String> {
        if self.conversion.is_some() { self.head.keeping().changed.clone() } else { Vec::new() }
    }
}

/// Returns a result's head that makes overviews as this recipe treats nodata.
pub(super) fn for_recipe(head: Head, recipe: &Recipe, info: &ImageInfo) -> Head {
    if recipe.averages_channels_apart(info) { head.with_channels_averaged_apart() } else { head }
}

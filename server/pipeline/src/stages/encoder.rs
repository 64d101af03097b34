//! Encoder of a result: its head, and the conversion of its rows if its format or depth isn't the original's.

use codec::{Conversion, Head, Limits, Part, Source};
use shared::equalize::{Arithmetic, Recipe, output_layout};
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

/// Returns a result's head in the layout of this recipe's version, which makes overviews as the recipe treats nodata.
pub(super) fn for_recipe(head: Head, recipe: &Recipe, info: &ImageInfo) -> Head {
    // Older pods may have encoded parts of older jobs, and know only the ordinary layout.
    let head = if recipe.arithmetic >= Arithmetic::Eleven { head } else { head.in_ordinary_layout() };
    if recipe.averages_channels_apart(info) { head.with_channels_averaged_apart() } else { head }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Cursor;

    use super::*;

    const COG: &[u8] = include_bytes!("../../../tests/samples/tiff/cog_parts.tif");

    #[test]
    fn jobs_of_older_versions_keep_the_ordinary_layout() {
        let limits = Limits::default();
        let info = codec::inspect(&mut Cursor::new(COG), &limits).unwrap();
        for (arithmetic, is_cloud) in [(Arithmetic::Nine, false), (Arithmetic::Ten, false), (Arithmetic::Eleven, true)]
        {
            let recipe = Recipe { arithmetic, ..Recipe::default() };
            let encoder = Encoder::read(&mut Cursor::new(COG), &recipe, &info, &limits).unwrap();
            // Its length depends on all parts only in the cloud-optimized layout.
            assert_eq!(encoder.head.begin_bytes().unwrap().is_none(), is_cloud, "{arithmetic:?}");
        }
    }
}

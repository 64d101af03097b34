//! Sources that a pixel thread opens: originals, heads of results, and rows.

use std::io;

use codec::{Limits, RowReader};
use shared::equalize::{Recipe, output_layout};
use shared::job::{Cut, ImageInfo};
use store::{ObjectReader, Store};
use tokio::runtime::Handle;

use super::checked::{Checked, RawRows};
use super::encoder::Encoder;
use super::failure::Damaged;
use crate::compute::deadline::Timed;

/// An original to be read on a pixel thread. Opening it blocks.
pub(super) struct Original {
    pub(super) store: Store,
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) handle: Handle,
}

impl Original {
    /// Opens it; call on a pixel thread. Fails with [`Damaged`] if its length differs from the uploaded one.
    pub(super) fn open(&self) -> io::Result<Timed<ObjectReader>> {
        let reader = self.store.reader(&self.key, self.handle.clone()).map_err(io::Error::other)?;
        if reader.size() == self.bytes {
            return Ok(Timed(reader));
        }
        let what = format!("expected {} bytes, found {}", self.bytes, reader.size());
        Err(Damaged { keys: vec![self.key.clone()], what }.into())
    }
}

/// The head of a job's result, to be made on a pixel thread.
pub(super) struct ResultHead {
    pub(super) original: Original,
    pub(super) info: ImageInfo,
    pub(super) recipe: Recipe,
    pub(super) limits: Limits,
}

impl ResultHead {
    /// Reads the head from the original; call on a pixel thread.
    pub(super) fn read(&self) -> codec::Result<Encoder> {
        Encoder::read(&mut self.original.open()?, &self.recipe, &self.info, &self.limits)
    }

    /// Returns the memory, in bytes, that joining the result's parts takes.
    pub(super) fn join_memory(&self) -> u64 {
        let layout = output_layout(&self.recipe, self.info.layout);
        codec::join_memory(&codec::result_info(self.recipe.target, &self.info, layout))
    }

    /// Reads the heads of all pages; call on a pixel thread.
    pub(super) fn read_pages(&self) -> codec::Result<Vec<codec::Head>> {
        let pages = codec::inspect_pages(&mut self.original.open()?, &self.limits, &self.info, 0..self.info.pages())?;
        let (mut heads, mut metadata) = (Vec::with_capacity(pages.len()), 0_u64);
        for page in &pages {
            let head = codec::head(&mut self.original.open()?, page, output_layout(&self.recipe, page.layout))?;
            metadata = metadata.saturating_add(head.page_metadata());
            codec::check_pages(metadata)?;
            heads.push(head);
        }
        Ok(heads)
    }
}

/// Rows that a pixel thread can open.
pub(super) enum RowSource {
    /// An image file.
    File(Original),
    /// Raw rows.
    Raw(Checked, Cut),
}

impl RowSource {
    /// Opens the rows; call on a pixel thread.
    pub(super) fn open(self, info: &ImageInfo) -> codec::Result<Box<dyn RowReader>> {
        match self {
            RowSource::File(original) => codec::open(Box::new(original.open()?), info),
            RowSource::Raw(split, cut) => Ok(Box::new(RawRows::open(split, cut, info)?)),
        }
    }
}

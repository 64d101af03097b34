//! Reads an image back from one level of its pyramid, so that a small view needs no large original.

use std::io::Cursor;

use shared::job::ImageInfo;
use shared::pixels::{Rows, Samples};
use shared::pyramid::{Pyramid, TILE, size};

use crate::{Error, Limits, Result, RowReader, inspect, open, refuse};

/// Fetches the file of a tile, given its level, column and row.
pub type Fetch = Box<dyn FnMut((u32, u32, u32)) -> std::io::Result<Vec<u8>> + Send>;

/// Rows of one level of a pyramid, decoded from its tiles.
pub struct LevelRows {
    level: u32,
    info: ImageInfo,
    fetch: Fetch,
    /// The row of tiles read last, and its pixels.
    held: Option<(u32, Vec<u8>)>,
}

impl LevelRows {
    /// Opens the finest level whose longer side is at most `max_side` pixels.
    ///
    /// # Errors
    /// [`Error::Source`] if a tile can't be read; [`Error::Refused`] if it isn't a valid image.
    pub fn open(pyramid: &Pyramid, max_side: u32, mut fetch: Fetch) -> Result<Self> {
        let (width, height) = (pyramid.width, pyramid.height);
        let fits = |level: &u32| {
            let (width, height) = size(width, height, *level);
            width.max(height) <= max_side
        };
        let level = (0..pyramid.levels()).find(fits).unwrap_or(pyramid.levels() - 1);
        let tile = fetch((level, 0, 0)).map_err(Error::Source)?;
        let first = inspect(&mut Cursor::new(tile), &Limits::default())?;
        let (width, height) = size(width, height, level);
        let (orientation, unit_rows) = (pyramid.orientation, TILE);
        Ok(Self { level, info: ImageInfo { width, height, orientation, unit_rows, ..first }, fetch, held: None })
    }

    /// Returns the level's image metadata.
    pub fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// Decodes a row of tiles, unless it is held already.
    fn hold(&mut self, row: u32) -> Result<&[u8]> {
        if self.held.as_ref().is_none_or(|(held, _)| *held != row) {
            let channels = self.info.layout.channels();
            let height = TILE.min(self.info.height - row * TILE);
            let line = self.info.width as usize * channels;
            let mut bytes = vec![0; line * height as usize];
            for column in 0..self.info.width.div_ceil(TILE) {
                let file = (self.fetch)((self.level, column, row)).map_err(Error::Source)?;
                let mut source = Cursor::new(file);
                let info = inspect(&mut source, &Limits::default())?;
                let width = TILE.min(self.info.width - column * TILE);
                if (info.width, info.height, info.layout) != (width, height, self.info.layout) {
                    return refuse("A tile of the pyramid has the wrong size.");
                }
                let Samples::U8(samples) = open(Box::new(source), &info)?.read(0..height)?.samples else {
                    return refuse("A tile has 8 bits a sample.");
                };
                let (at, length) = ((column * TILE) as usize * channels, width as usize * channels);
                for (to, from) in bytes.chunks_exact_mut(line).zip(samples.chunks_exact(length)) {
                    to[at..at + length].copy_from_slice(from);
                }
            }
            self.held = Some((row, bytes));
        }
        Ok(self.held.as_ref().map_or(&[], |(_, bytes)| bytes))
    }
}

impl RowReader for LevelRows {
    fn read(&mut self, rows: std::ops::Range<u32>) -> Result<Rows> {
        let (width, layout) = (self.info.width, self.info.layout);
        let line = width as usize * layout.channels();
        let mut samples = Vec::with_capacity(line * rows.len());
        for row in rows {
            let at = (row % TILE) as usize * line;
            samples.extend_from_slice(&self.hold(row / TILE)?[at..at + line]);
        }
        Ok(Rows { width, layout, samples: Samples::U8(samples) })
    }
}

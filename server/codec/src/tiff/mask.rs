//! A page's mask, or an overview of it: copied verbatim, strip by strip, after the pixels.

use std::io::SeekFrom;

use shared::decode::tiff::{Chunks, Structure, pieces, tag};
use shared::decode::{Blocks, Limits};
use shared::job::Keeping;

use super::super::{Error, Result, Source, refuse};
use super::field::{self, Field};

/// A mask's strips or tiles, and its fields except offsets and lengths.
#[derive(Debug, Clone)]
pub(super) struct Mask {
    fields: Vec<Field>,
    pieces: Vec<Vec<u8>>,
    tiled: bool,
}

impl Mask {
    /// Reads a mask.
    pub(super) fn read(
        mut source: &mut dyn Source,
        mask: &Structure,
        blocks: &mut Blocks,
        keeping: &mut Keeping,
    ) -> Result<Self> {
        let places = pieces(&mut source, mask)?;
        if places.iter().map(|(_, length)| length).sum::<u64>() > Limits::MAX_METADATA {
            return refuse("This TIFF has a mask page of more than 64 MiB, which is too large.");
        }
        let places_are_told = |tag| {
            matches!(tag, tag::STRIP_OFFSETS | tag::STRIP_BYTE_COUNTS | tag::TILE_OFFSETS | tag::TILE_BYTE_COUNTS)
        };
        let copied = mask.directory.entries.iter().filter(|entry| !places_are_told(entry.tag));
        let fields = copied.map(|entry| Field::read(source, &mask.tiff, entry, blocks, keeping));
        let fields = fields.filter_map(Result::transpose).collect::<Result<_>>()?;
        let read = |(at, length): (u64, u64)| {
            let mut bytes = vec![0; length as usize];
            source.seek(SeekFrom::Start(at))?;
            source.read_exact(&mut bytes)?;
            Ok::<_, Error>(bytes)
        };
        let pieces = places.into_iter().map(read).collect::<Result<_>>()?;
        Ok(Self { fields, pieces, tiled: matches!(mask.chunks, Chunks::Tiles { .. }) })
    }

    /// Returns the total length of the strips or tiles, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Appends the strips or tiles to `file`, which starts at offset `base`; returns the fields of the mask's
    /// directory.
    pub(super) fn put(&self, page: &Structure, big: bool, base: u64, file: &mut Vec<u8>) -> Vec<Field> {
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        for piece in &self.pieces {
            // A sparse piece (length 0) stays sparse.
            offsets.push(if piece.is_empty() { 0 } else { base + file.len() as u64 });
            lengths.push(piece.len() as u64);
            file.extend_from_slice(piece);
        }
        let (at, of) = if self.tiled {
            (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
        } else {
            (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
        };
        let kind = if big { field::LONG8 } else { field::LONG };
        let numbers = |tag, values: &[u64]| Field::numbers(page.tiff.order, tag, kind, values);
        let mut fields = self.fields.clone();
        fields.extend([numbers(at, &offsets), numbers(of, &lengths)]);
        fields
    }
}

//! Cloud-optimized layout (COG): all directories, then the overviews in tiles, the smallest first, then the page's tiles.
//!
//! A reader gets all directories with its first request, and any part of an overview with few others
//! (<https://docs.ogc.org/is/21-026/21-026.html>). A part holds the page's tiles, encoded and framed, and its rows of each overview, raw,
//! since the rows of one part rarely fill whole tiles of an overview. The parts are read several times: first the overviews are
//! encoded, because the directories need the lengths of their tiles; the last time the page's tiles are copied.
//!
//! # Hazards
//! - Encoded overviews are held in memory from the first pass on, but only as many as fit in [`MAX_HELD_BYTES`], the smallest
//!   first. Each of the others is encoded once more in a pass of its own.

use std::ops::Range;

use shared::decode::tiff::{Chunks, Structure};
use shared::job::ImageInfo;
use shared::pixels::Rows;

use super::super::{Error, PartIndex, Parts, Result, refuse};
use super::field::{self, Field};
use super::header::{header, header_bytes};
use super::{Head, Pieces, encode};

/// Maximum bytes of the overviews that are held encoded, as if their tiles were uncompressed. Compression can make noise longer, LZW by
/// half.
const MAX_HELD_BYTES: u64 = 256 << 20;

/// Start of the text behind the header that states the layout (GDAL's "ghost area",
/// <https://gdal.org/en/stable/drivers/raster/cog.html#header-ghost-area>). Six digits follow, the length of the rest.
const GHOST: &str = "GDAL_STRUCTURAL_METADATA_SIZE=";
/// The rest of the text. The space makes room for a program that edits the file and replaces `NO` by `YES`.
const LAYOUT: &str = "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n\
                      BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";
/// Bytes before each tile, and as many behind it.
const FRAME_BYTES: u64 = 4;

/// Returns tiles of these lengths, each with its length before it and its last four bytes behind it, as the text states. So a
/// reader can get a tile without reading the table of lengths first.
pub(super) fn framed(tiles: &[u8], lengths: &[u64]) -> Result<Vec<u8>> {
    let mut framed = Vec::with_capacity(tiles.len() + lengths.len() * 2 * FRAME_BYTES as usize);
    let mut rest = tiles;
    for length in lengths {
        let Ok(leader) = u32::try_from(*length) else {
            return refuse("A tile of the result has more than 4 GiB, which a cloud-optimized GeoTIFF can't hold.");
        };
        let (tile, others) = rest.split_at(leader as usize);
        framed.extend_from_slice(&leader.to_le_bytes());
        framed.extend_from_slice(tile);
        let last = &tile[tile.len().saturating_sub(FRAME_BYTES as usize)..];
        framed.extend_from_slice(last);
        framed.resize(framed.len() + FRAME_BYTES as usize - last.len(), 0);
        rest = others;
    }
    Ok(framed)
}

/// Returns the bytes of framed tiles of these lengths.
fn framed_bytes(lengths: &[u64]) -> u64 {
    lengths.iter().map(|length| length + 2 * FRAME_BYTES).sum()
}

/// Returns the places of framed tiles from `next` on, and advances it.
fn places(next: &mut u64, lengths: &[u64]) -> Pieces {
    let mut pieces = Pieces::default();
    for length in lengths {
        pieces.offsets.push(*next + FRAME_BYTES);
        pieces.lengths.push(*length);
        *next += length + 2 * FRAME_BYTES;
    }
    pieces
}

/// Returns whether the bytes behind a file's header state that it is cloud-optimized, and that no program edited it since.
pub(super) fn is_stated(behind_header: &[u8]) -> bool {
    let states = |text: &str| behind_header.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    behind_header.starts_with(GHOST.as_bytes())
        && states("LAYOUT=IFDS_BEFORE_DATA")
        && !states("KNOWN_INCOMPATIBLE_EDITION=YES")
}

/// Returns why the result of a page can't be cloud-optimized, as the end of a sentence; `None` if it can.
pub(super) fn obstacle(page: &Structure, info: &ImageInfo) -> Option<&'static str> {
    let overviews = &info.more.overviews;
    if page.mask.is_some() {
        Some("it has a mask")
    } else if page.planar {
        Some("its channels are stored in separate planes")
    } else if matches!(page.chunks, Chunks::Strips(_)) {
        Some("its pixels are stored in strips")
    } else if overviews.iter().any(|overview| overview.below) || !overviews.is_sorted_by(|a, b| a.factor < b.factor) {
        Some("its overviews aren't listed by size")
    } else {
        None
    }
}

/// Returns the memory, in bytes, that joining holds at most; assumes the usual tiles.
pub(in super::super) fn join_memory(info: &ImageInfo) -> u64 {
    const TILE_SIDE: u64 = 512;
    let pixel = (info.layout.channels() * info.depth.bytes()) as u64;
    let side = |side: u32| u64::from(side).next_multiple_of(TILE_SIDE);
    let bytes = info.more.overviews.iter().map(|overview| pixel * side(overview.width) * side(overview.height));
    bytes.sum::<u64>().min(MAX_HELD_BYTES)
}

/// Joins the parts of a page.
#[derive(Debug, Clone)]
pub struct Cloud {
    head: Head,
    index: Vec<PartIndex>,
    max_held_bytes: u64,
}

impl Cloud {
    /// # Errors
    /// Refused if the parts aren't those of a cloud-optimized page.
    pub(in super::super) fn new(head: &Head, index: &[PartIndex]) -> Result<Self> {
        let cloud = Self { head: head.clone(), index: index.to_vec(), max_held_bytes: MAX_HELD_BYTES };
        let own = index.iter().map(|part| part.pieces.len() as u64).sum::<u64>();
        if own != cloud.head.structure.pieces() {
            return refuse("The parts of a TIFF don't have the pieces of its picture.");
        }
        let mut rows = vec![0; cloud.head.overviews.len()];
        for part in index {
            let sums = part.overviews.iter().map(|lengths| lengths.iter().sum::<u64>());
            if part.overviews.len() != rows.len() || own_bytes(part) + sums.clone().sum::<u64>() != part.bytes {
                return refuse("The index of a part is not that of a TIFF's part.");
            }
            rows.iter_mut().zip(sums).for_each(|(all, bytes)| *all += bytes);
        }
        let raw_bytes = |number: usize| {
            let structure = cloud.overview(number);
            raw_line(&structure) as u64 * u64::from(structure.height)
        };
        if rows.iter().enumerate().any(|(number, bytes)| *bytes != raw_bytes(number)) {
            return refuse("The parts of a TIFF don't have all rows of its overviews.");
        }
        Ok(cloud)
    }

    /// Returns how an overview is stored: like the page.
    fn overview(&self, number: usize) -> Structure {
        let overview = &self.head.overviews[number];
        Structure { width: overview.width, height: overview.height, ..self.head.structure.clone() }
    }

    /// Passes the pieces of the file to `emit` in order.
    ///
    /// # Errors
    /// Those of `parts` and of `emit`, as [`Error::Source`]; [`Error::Refused`] if a part isn't what its index says.
    pub(in super::super) fn write(
        self,
        parts: &mut Parts<'_>,
        emit: &mut dyn FnMut(Vec<u8>) -> std::io::Result<()>,
    ) -> Result<()> {
        let mut overviews = self.tables();
        if !overviews.is_empty() {
            self.encode(0..overviews.len(), parts, &mut |number, bytes, lengths| {
                let overview = &mut overviews[number];
                overview.lengths.extend(lengths);
                if let Some(held) = &mut overview.held {
                    held.push(bytes);
                }
                Ok(())
            })?;
        }
        emit(self.begin(&overviews))?;
        for (number, overview) in overviews.into_iter().enumerate().rev() {
            match overview.held {
                Some(held) => held.into_iter().try_for_each(&mut *emit)?,
                None => self.encode(number..number + 1, parts, &mut |_, bytes, _| Ok(emit(bytes)?))?,
            }
        }
        self.each_part(parts, &mut |index, mut part| {
            part.truncate(own_bytes(index) as usize);
            Ok(emit(part)?)
        })
    }

    /// Returns the tables of the overviews, still empty.
    fn tables(&self) -> Vec<Tiles> {
        let (mut bytes, numbers) = (0_u64, (0..self.head.overviews.len()).rev());
        let mut tables: Vec<Tiles> = numbers
            .map(|number| {
                let structure = self.overview(number);
                let tile = structure.piece_line() as u64 * u64::from(structure.chunks.rows());
                bytes = bytes.saturating_add(tile.saturating_mul(structure.pieces()));
                let held = (bytes <= self.max_held_bytes).then(Vec::new);
                Tiles { structure, lengths: Vec::new(), held }
            })
            .collect();
        tables.reverse();
        tables
    }

    /// Encodes some overviews in a pass over the parts. `take` receives each row of tiles: the overview's number, the framed
    /// tiles, and their lengths.
    fn encode(&self, numbers: Range<usize>, parts: &mut Parts<'_>, take: &mut Take<'_>) -> Result<()> {
        let mut tilers: Vec<Tiler> = numbers.clone().map(|number| Tiler::new(self.overview(number))).collect();
        self.each_part(parts, &mut |index, part| {
            let mut rest = &part[own_bytes(index) as usize..];
            for (number, lengths) in index.overviews.iter().enumerate() {
                let (rows, others) = rest.split_at(lengths.iter().sum::<u64>() as usize);
                if numbers.contains(&number) {
                    tilers[number - numbers.start].push(rows, &mut |bytes, lengths| take(number, bytes, lengths))?;
                }
                rest = others;
            }
            Ok(())
        })?;
        for (number, tiler) in numbers.clone().zip(&mut tilers) {
            tiler.end(&mut |bytes, lengths| take(number, bytes, lengths))?;
        }
        Ok(())
    }

    /// Reads all parts and passes each with its index to `take`.
    fn each_part(&self, parts: &mut Parts<'_>, take: &mut dyn FnMut(&PartIndex, Vec<u8>) -> Result<()>) -> Result<()> {
        let mut parts = parts();
        for index in &self.index {
            match parts.next().transpose()? {
                Some(part) if part.len() as u64 == index.bytes => take(index, part)?,
                _ => return refuse("A part of a TIFF is missing, or isn't as long as its index says."),
            }
        }
        Ok(())
    }

    /// Returns the header, the layout's text and the directories. The file is a BigTIFF if the original is, or if 32-bit offsets don't
    /// suffice.
    fn begin(&self, overviews: &[Tiles]) -> Vec<u8> {
        let own: Vec<u64> = self.index.iter().flat_map(|part| part.pieces.iter().copied()).collect();
        let data = framed_bytes(&own) + overviews.iter().map(|overview| framed_bytes(&overview.lengths)).sum::<u64>();
        if !self.head.structure.tiff.big {
            let begin = self.directories(overviews, &own, false);
            if begin.len() as u64 + data <= u64::from(u32::MAX) {
                return begin;
            }
        }
        self.directories(overviews, &own, true)
    }

    fn directories(&self, overviews: &[Tiles], own: &[u64], big: bool) -> Vec<u8> {
        let order = self.head.structure.tiff.order;
        let mut begin = header(order, big, 0);
        begin.extend(format!("{GHOST}{:06} bytes\n{LAYOUT}", LAYOUT.len()).bytes());
        begin.resize(begin.len().next_multiple_of(16), 0);
        let first = begin.len() as u64;
        begin[..header_bytes(big)].copy_from_slice(&header(order, big, first));
        // The directories' length doesn't depend on the offsets in them.
        let length = self.chain(overviews, own, big, first, 0).len() as u64;
        begin.extend(self.chain(overviews, own, big, first, first + length));
        begin
    }

    /// Returns the directories at offset `at`, with the tiles of the smallest overview at offset `data`.
    fn chain(&self, overviews: &[Tiles], own: &[u64], big: bool, at: u64, data: u64) -> Vec<u8> {
        let (head, mut next) = (&self.head, data);
        let mut of_overviews: Vec<Pieces> =
            overviews.iter().rev().map(|overview| places(&mut next, &overview.lengths)).collect();
        of_overviews.reverse();
        let mut page = head.structural(&head.structure, &places(&mut next, own), big);
        page.extend(head.fields.iter().cloned());
        let smaller = overviews.iter().zip(&of_overviews);
        let smaller = smaller.map(|(overview, places)| head.of_overview(&overview.structure, places, big));
        let all: Vec<Vec<Field>> = std::iter::once(page).chain(smaller).collect();
        let (mut bytes, last) = (Vec::new(), all.len() - 1);
        for (index, fields) in all.into_iter().enumerate() {
            let here = at + bytes.len() as u64;
            bytes.extend(field::directory_first(head.structure.tiff.order, big, fields, here, index < last));
        }
        bytes
    }
}

/// Returns the bytes of a part's own tiles, framed, which its overviews' rows follow.
fn own_bytes(index: &PartIndex) -> u64 {
    framed_bytes(&index.pieces)
}

/// Returns the bytes of a decoded row.
fn raw_line(structure: &Structure) -> usize {
    structure.width as usize * structure.layout.channels() * structure.depth.bytes()
}

/// Takes a row of tiles of an overview: its number, the framed tiles, and their lengths.
type Take<'a> = dyn FnMut(usize, Vec<u8>, Vec<u64>) -> Result<()> + 'a;

/// An overview's tiles.
struct Tiles {
    structure: Structure,
    lengths: Vec<u64>,
    /// The encoded rows of framed tiles, if they are held.
    held: Option<Vec<Vec<u8>>>,
}

/// Encodes rows that arrive in order as rows of tiles.
struct Tiler {
    structure: Structure,
    /// Raw rows that don't fill a row of tiles yet.
    rows: Vec<u8>,
}

impl Tiler {
    const fn new(structure: Structure) -> Self {
        Self { structure, rows: Vec::new() }
    }

    fn push(&mut self, mut rows: &[u8], take: &mut dyn FnMut(Vec<u8>, Vec<u64>) -> Result<()>) -> Result<()> {
        let full = raw_line(&self.structure) * self.structure.chunks.rows() as usize;
        while self.rows.len() + rows.len() >= full {
            let (now, later) = rows.split_at(full - self.rows.len());
            self.rows.extend_from_slice(now);
            self.end(take)?;
            rows = later;
        }
        self.rows.extend_from_slice(rows);
        Ok(())
    }

    /// Encodes the rows that are there.
    fn end(&mut self, take: &mut dyn FnMut(Vec<u8>, Vec<u64>) -> Result<()>) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let (structure, rows) = (&self.structure, std::mem::take(&mut self.rows));
        let rows = Rows::from_le_cow(structure.width, structure.layout, structure.depth, rows.into());
        let (bytes, lengths) = encode::pieces(structure, &rows.map_err(Error::Refused)?)?;
        take(framed(&bytes, &lengths)?, lengths)
    }
}

#[cfg(test)]
mod tests;

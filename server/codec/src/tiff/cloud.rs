//! Cloud-optimized layout (COG): the directories first, then the overviews in tiles, the smallest first, then the page's tiles.
//!
//! A reader gets all directories with its first request, and each overview with few others
//! (<https://docs.ogc.org/is/21-026/21-026.html>). The parts are read twice: their overviews, which are raw rows here, are cut
//! into tiles of the file's own size, and must be encoded before the directories can be written; then the page's tiles, which
//! are copied.
//!
//! # Hazards
//! - The encoded overviews are held in memory. A file whose overviews have more than [`MOST_OVERVIEWS`] bytes gets the ordinary
//!   layout.

use shared::decode::tiff::{Chunks, Structure, tag};
use shared::job::{ImageInfo, Overview};
use shared::pixels::{Layout, Rows};

use super::super::{Error, PartIndex, Result, refuse};
use super::field::{self, Field};
use super::join::{header, header_bytes};
use super::{Head, Pieces, encode};

/// Most raw bytes of all overviews together.
pub(super) const MOST_OVERVIEWS: u64 = 1 << 30;

/// What GDAL calls the ghost area: says how the file is laid out
/// (<https://gdal.org/en/stable/drivers/raster/cog.html#header-ghost-area>).
const LAYOUT: &str = "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";

/// The parts of a page, in order; they can be read repeatedly.
pub type Parts<'a> = dyn FnMut() -> Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + 'a> + 'a;

/// Joins the parts of a page.
#[derive(Debug, Clone)]
pub struct Cloud {
    head: Head,
    index: Vec<PartIndex>,
}

impl PartialEq for Cloud {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl Cloud {
    pub(super) fn new(head: &Head, index: &[PartIndex]) -> Self {
        Self { head: head.clone(), index: index.to_vec() }
    }

    /// Passes the pieces of the file to `emit` in order. Takes the parts twice.
    ///
    /// # Errors
    /// Those of `parts` and of `emit`, as [`Error::Source`]; [`Error::Refused`] if the parts don't fit.
    pub(in super::super) fn write(
        self,
        parts: &mut Parts<'_>,
        emit: &mut dyn FnMut(Vec<u8>) -> std::io::Result<()>,
    ) -> Result<()> {
        let mut overviews: Vec<Tiles> =
            self.head.overviews.iter().map(|overview| Tiles::new(&self.head.structure, overview)).collect();
        if !overviews.is_empty() {
            for (index, part) in self.index.iter().zip(parts()) {
                let part = part?;
                let mut rest = part.get(own_bytes(index)?..).unwrap_or_default();
                if index.overviews.len() != overviews.len() {
                    return refuse("The index of a part is not that of a TIFF's part.");
                }
                for (overview, lengths) in overviews.iter_mut().zip(&index.overviews) {
                    let length = lengths.iter().sum::<u64>() as usize;
                    let Some((rows, others)) = rest.split_at_checked(length) else {
                        return refuse("A part is shorter than its index says.");
                    };
                    overview.push(rows)?;
                    rest = others;
                }
            }
            overviews.iter_mut().try_for_each(Tiles::end)?;
        }
        emit(self.begin(&overviews)?)?;
        for overview in overviews.into_iter().rev() {
            emit(overview.bytes)?;
        }
        for (index, part) in self.index.iter().zip(parts()) {
            let mut part = part?;
            part.truncate(own_bytes(index)?);
            emit(part)?;
        }
        Ok(())
    }

    /// Returns the header, the layout and the directories.
    fn begin(&self, overviews: &[Tiles]) -> Result<Vec<u8>> {
        let planes = self.head.structure.pieces();
        let own: Vec<u64> = self.index.iter().flat_map(|part| part.pieces.iter().copied()).collect();
        if own.len() as u64 != planes {
            return refuse("The parts of a TIFF don't have the pieces of its picture.");
        }
        let data = overviews.iter().map(|overview| overview.bytes.len() as u64).sum::<u64>() + own.iter().sum::<u64>();
        let classic = !self.head.structure.tiff.big;
        if classic {
            let begin = self.directories(overviews, &own, false);
            if begin.len() as u64 + data <= u64::from(u32::MAX) {
                return Ok(begin);
            }
        }
        Ok(self.directories(overviews, &own, true))
    }

    fn directories(&self, overviews: &[Tiles], own: &[u64], big: bool) -> Vec<u8> {
        let order = self.head.structure.tiff.order;
        let mut begin = header(order, big, 0);
        begin.extend(format!("GDAL_STRUCTURAL_METADATA_SIZE={:06} bytes\n{LAYOUT}", LAYOUT.len()).bytes());
        begin.resize(begin.len().next_multiple_of(16), 0);
        let first = begin.len() as u64;
        begin[..header_bytes(big)].copy_from_slice(&header(order, big, first));
        // The directories' length doesn't depend on the offsets in them.
        let length = self.chain(overviews, own, big, first, 0).len() as u64;
        begin.extend(self.chain(overviews, own, big, first, first + length));
        begin
    }

    /// Returns the directories at offset `at`, with the pixels of the smallest overview at offset `data`.
    fn chain(&self, overviews: &[Tiles], own: &[u64], big: bool, at: u64, data: u64) -> Vec<u8> {
        let mut next = data;
        let mut pieces = |lengths: &[u64]| {
            let offset = |length: &u64| {
                let here = next;
                next += length;
                here
            };
            Pieces { offsets: lengths.iter().map(offset).collect(), lengths: lengths.to_vec() }
        };
        let mut places: Vec<Pieces> = overviews.iter().rev().map(|overview| pieces(&overview.lengths)).collect();
        places.reverse();
        let page = pieces(own);
        let head = &self.head;
        let mut fields = head.structural(&head.structure, &page, big);
        fields.extend(head.fields.iter().cloned());
        let of_overviews = overviews.iter().zip(&places).map(|(overview, places)| {
            let mut fields = head.structural(&overview.structure, places, big);
            fields.push(Field::numbers(head.structure.tiff.order, tag::NEW_SUBFILE_TYPE, field::LONG, &[1]));
            fields.extend(head.fields.iter().find(|field| field.is(tag::GDAL_NODATA)).cloned());
            fields
        });
        let all: Vec<Vec<Field>> = std::iter::once(fields).chain(of_overviews).collect();
        let (mut bytes, last) = (Vec::new(), all.len() - 1);
        for (index, fields) in all.into_iter().enumerate() {
            let here = at + bytes.len() as u64;
            bytes.extend(field::directory_first(head.structure.tiff.order, big, fields, here, index < last));
        }
        bytes
    }
}

/// Returns the bytes of a part's own tiles.
fn own_bytes(index: &PartIndex) -> Result<usize> {
    let own = index.pieces.iter().sum::<u64>();
    let all = own + index.overviews.iter().flatten().sum::<u64>();
    if all != index.bytes {
        return refuse("The index of a part is not that of a TIFF's part.");
    }
    usize::try_from(own).map_err(|_| Error::Refused("A part of the TIFF is too large.".to_owned()))
}

/// Raw bytes of all overviews.
pub(super) fn overview_bytes(info: &ImageInfo) -> u64 {
    let pixel = (info.layout.channels() * info.depth.bytes()) as u64;
    info.more.overviews.iter().map(|each| u64::from(each.width) * u64::from(each.height) * pixel).sum()
}

/// An overview whose rows arrive in order and become tiles.
struct Tiles {
    structure: Structure,
    layout: Layout,
    /// Raw rows that don't fill a row of tiles yet.
    rows: Vec<u8>,
    lengths: Vec<u64>,
    bytes: Vec<u8>,
}

impl Tiles {
    fn new(page: &Structure, overview: &Overview) -> Self {
        let structure = Structure { width: overview.width, height: overview.height, ..page.clone() };
        Self { structure, layout: page.layout, rows: Vec::new(), lengths: Vec::new(), bytes: Vec::new() }
    }

    fn push(&mut self, mut rows: &[u8]) -> Result<()> {
        let line = self.structure.width as usize * self.layout.channels() * self.structure.depth.bytes();
        let full = line * self.structure.chunks.rows() as usize;
        while self.rows.len() + rows.len() >= full {
            let (now, later) = rows.split_at(full - self.rows.len());
            self.rows.extend_from_slice(now);
            self.end()?;
            rows = later;
        }
        self.rows.extend_from_slice(rows);
        Ok(())
    }

    /// Encodes the rows that are there.
    fn end(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let rows = Rows::from_le_cow(self.structure.width, self.layout, self.structure.depth, rows.into());
        let (bytes, lengths) = encode::pieces(&self.structure, &rows.map_err(Error::Refused)?)?;
        self.bytes.extend(bytes);
        self.lengths.extend(lengths);
        Ok(())
    }
}

/// Whether a structure can be laid out so.
pub(super) fn fits(structure: &Structure, info: &ImageInfo) -> bool {
    let tiled = matches!(structure.chunks, Chunks::Tiles { .. });
    let below = info.more.overviews.iter().any(|overview| overview.below);
    tiled && !structure.planar && structure.mask.is_none() && !below && overview_bytes(info) <= MOST_OVERVIEWS
}

//! TIFF from independently encoded parts: strips or tiles as in the original, in its compression and byte order, in
//! sequence, page after page; then the directories with their offsets.

mod cloud;
mod encode;
mod fate;
mod field;
mod header;
mod imagej;
mod join;
mod mask;
mod ome;
mod overview;
#[cfg(test)]
mod tests;

use std::io::{Read, SeekFrom};

use shared::decode::Blocks;
use shared::decode::tiff::{
    Chunks, Meaning, Page, Predictor, Smaller, Structure, Tiff, document, mask, overview_of, page_of, structure, tag,
};
use shared::job::{Format, ImageInfo, Keeping, Overview};
use shared::pixels::{Depth, Layout, Rows};

pub use self::cloud::Cloud;
pub(super) use self::cloud::join_memory;
use self::fate::Fate;
use self::field::Field;
pub(super) use self::join::join;
use self::mask::Mask;
use super::{Part, PartIndex, Result, Source, refuse};

/// How a page of the result is stored, and the fields that are copied.
#[derive(Debug, Clone)]
pub(super) struct Head {
    structure: Structure,
    fields: Vec<Field>,
    mask: Option<Mask>,
    /// Overviews of the mask.
    small_masks: Vec<Mask>,
    overviews: Vec<Overview>,
    /// What overviews leave out.
    nodata: overview::Nodata,
    /// Whether the file is cloud-optimized: [`Cloud`] joins its parts, not [`join()`].
    pub(super) cloud: bool,
    /// Bytes of metadata held here.
    pub(super) held: u64,
}

/// Offsets and lengths of strips or tiles, plane after plane.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pieces {
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

/// Positions of everything that belongs to a page.
#[derive(Debug, PartialEq, Eq)]
struct Places {
    own: Pieces,
    /// Rows per strip of each overview, and its strips.
    overviews: Vec<(u32, Pieces)>,
    /// End of the last part.
    end: u64,
}

impl Head {
    /// Reads the fields of the original's page that `info` describes.
    pub(super) fn read(
        mut source: &mut dyn Source,
        info: &ImageInfo,
        loses_color: bool,
        keeping: &mut Keeping,
    ) -> Result<Self> {
        let (tiff, page) = page_of(&mut source, info)?;
        let original = structure(&mut source, tiff, page, None)?;
        let (small_masks, cloud) = of_file(source, info, &original, keeping)?;
        let mut result = fate::result(&original, keeping);
        let mut blocks = Blocks::new(Format::Tiff, "fields of metadata");
        let fields = fields(source, (&original, &result), loses_color, &mut blocks, keeping)?;
        let mask = match original.mask {
            Some(at) => {
                keeping.keep("the mask page: what it hides is neither counted nor changed");
                let structure = mask(&mut source, &original, at)?;
                Some(Mask::read(source, &structure, &mut blocks, keeping)?)
            }
            None => None,
        };
        let small_masks = small_masks.iter().map(|at| {
            let page = Page { at: *at, mask: None, slice: 0 };
            let structure = structure(&mut source, tiff, page, None)?;
            Mask::read(source, &structure, &mut blocks, keeping)
        });
        let small_masks = small_masks.collect::<Result<Vec<_>>>()?;
        result.layout = info.layout;
        result.channels = if mask.is_some() { info.layout.colors() } else { info.layout.channels() };
        result.planar &= result.channels > 1;
        // The entries of the original's directory are in `fields` now.
        result.directory.entries = Vec::new();
        let overviews = info.more.overviews.clone();
        if result.any_row() && !overviews.is_empty() {
            // Overview strips lie between the parts, so the page's strips must not span parts.
            result.chunks = Chunks::Strips(info.unit_rows);
        }
        let nodata = overview::Nodata { value: info.more.nodata, is_of_samples: false };
        let held = blocks.bytes() + mask.iter().chain(&small_masks).map(Mask::held).sum::<u64>();
        Ok(Self { structure: result, fields, mask, small_masks, overviews, nodata, cloud, held })
    }

    /// Averages the channels of overviews each by itself, leaving out a sample that has the nodata value on its own.
    pub(super) fn average_channels_apart(&mut self) {
        self.nodata.is_of_samples = true;
    }

    /// Returns the head without the cloud-optimized layout.
    pub(super) fn in_ordinary_layout(self) -> Self {
        Self { cloud: false, ..self }
    }

    /// Returns whether rows are stored contiguously through the whole file, independent of strips.
    fn any_row(&self) -> bool {
        self.structure.any_row() && self.overviews.is_empty()
    }

    /// Encodes rows as strips or tiles, followed by their strip of each overview; in a cloud-optimized file as framed tiles,
    /// followed by their raw rows of each overview.
    pub(super) fn part(&self, info: &ImageInfo, first_row: u32, rows: &Rows) -> Result<Part> {
        let (mut bytes, pieces) = match self.any_row() {
            true => (encode::plain(&self.structure, rows), Vec::new()),
            false => encode::pieces(&self.structure, rows)?,
        };
        if self.cloud {
            bytes = cloud::framed(&bytes, &pieces)?;
        }
        let mut overviews = Vec::with_capacity(self.overviews.len());
        for overview in &self.overviews {
            let reduced = overview::rows(&self.structure, overview, first_row, rows, self.nodata);
            let (rows, lengths) = match reduced {
                None => (Vec::new(), Vec::new()),
                Some(rows) if self.cloud => {
                    let rows = rows.into_le_bytes();
                    let length = rows.len() as u64;
                    (rows, vec![length])
                }
                Some(rows) => overview::strip(&self.structure, overview, &rows)?,
            };
            bytes.extend(rows);
            overviews.push(lengths);
        }
        let index = PartIndex {
            bytes: bytes.len() as u64,
            rows: rows.height() as u32,
            pieces,
            overviews,
            adler32: None,
            raw_bytes: rows.height() as u64 * info.row_bytes(),
        };
        Ok(Part { index, bytes })
    }

    /// Returns all positions, given that the first part begins at `start`.
    fn places(&self, start: u64, index: &[PartIndex]) -> Result<Places> {
        let structure = &self.structure;
        let rows = structure.chunks.rows();
        if self.any_row() {
            // Rows are contiguous, so strips need not end where parts do.
            let end = start.saturating_add(index.iter().map(|part| part.bytes).sum());
            let row = structure.piece_line() as u64;
            let strips = (0..structure.height).step_by(rows as usize);
            let offsets = strips.clone().map(|first| start + row * u64::from(first)).collect();
            let lengths = strips.map(|first| row * u64::from(rows.min(structure.height - first))).collect();
            return Ok(Places { own: Pieces { offsets, lengths }, overviews: Vec::new(), end });
        }
        let planes = structure.planes();
        let across = structure.chunks.across(structure.width) as usize;
        let strips = |overview: &Overview| index.first().map_or(1, |part| part.rows.div_ceil(overview.factor));
        let mut own = Planes::new(planes);
        let mut overviews: Vec<_> = self.overviews.iter().map(|each| (strips(each), Planes::new(planes))).collect();
        let mut next = start;
        for part in index {
            let pieces = part.rows.div_ceil(rows) as usize * across;
            let bytes = part.pieces.iter().chain(part.overviews.iter().flatten()).sum::<u64>();
            let alike = part.overviews.iter().all(|lengths| lengths.is_empty() || lengths.len() == planes);
            if part.pieces.len() != planes * pieces
                || part.overviews.len() != overviews.len()
                || bytes != part.bytes
                || !alike
            {
                return refuse("The index of a part is not that of a TIFF's part.");
            }
            own.add(&mut next, &part.pieces);
            for ((_, planes), lengths) in overviews.iter_mut().zip(&part.overviews) {
                planes.add(&mut next, lengths);
            }
        }
        let own = own.pieces();
        if own.offsets.len() as u64 != planes as u64 * structure.pieces() {
            return refuse("The parts of a TIFF don't have the pieces of its picture.");
        }
        let overviews = overviews.into_iter().map(|(rows, planes)| (rows, planes.pieces())).collect();
        Ok(Places { own, overviews, end: next })
    }

    /// Returns the fields of an overview's directory.
    fn of_overview(&self, structure: &Structure, places: &Pieces, big: bool) -> Vec<Field> {
        let mut fields = self.structural(structure, places, big);
        fields.push(Field::numbers(self.structure.tiff.order, tag::NEW_SUBFILE_TYPE, field::LONG, &[1]));
        fields.extend(self.fields.iter().find(|field| field.is(tag::GDAL_NODATA)).cloned());
        fields
    }

    /// Returns the fields that describe how the pixels of the page, or of an overview, are stored.
    fn structural(&self, structure: &Structure, places: &Pieces, big: bool) -> Vec<Field> {
        let Pieces { offsets, lengths } = places;
        let (order, channels) = (structure.tiff.order, structure.channels);
        let short = |tag, values: &[u64]| Field::numbers(order, tag, field::SHORT, values);
        let long = |tag, value: u32| Field::numbers(order, tag, field::LONG, &[value.into()]);
        let offset =
            |tag, values: &[u64]| Field::numbers(order, tag, if big { field::LONG8 } else { field::LONG }, values);
        let photometric = match (structure.meaning, structure.layout) {
            (Meaning::Inverted, _) => 0,
            (_, Layout::Rgb | Layout::Rgba) => 2,
            (_, Layout::Cmyk) => 5,
            (_, Layout::Bands(_) | Layout::BandsAlpha(_)) if structure.colors == 3 => 2,
            _ => 1,
        };
        let format = match (structure.depth, structure.meaning) {
            (Depth::Half | Depth::Float | Depth::Double, _) => 3,
            (Depth::Int32, _) | (_, Meaning::Signed) => 2,
            _ => 1,
        };
        let mut fields = vec![
            long(tag::IMAGE_WIDTH, structure.width),
            long(tag::IMAGE_LENGTH, structure.height),
            short(tag::BITS_PER_SAMPLE, &vec![structure.bits.into(); channels]),
            short(tag::COMPRESSION, &[structure.compression.number().into()]),
            short(tag::PHOTOMETRIC, &[photometric]),
            short(tag::SAMPLES_PER_PIXEL, &[channels as u64]),
            short(tag::PLANAR_CONFIGURATION, &[if structure.planar { 2 } else { 1 }]),
            short(tag::SAMPLE_FORMAT, &vec![format; channels]),
        ];
        match structure.layout {
            Layout::Bands(_) | Layout::BandsAlpha(_) => {
                let kinds: Vec<u64> = structure.extra.iter().map(|kind| (*kind).into()).collect();
                fields.push(short(tag::EXTRA_SAMPLES, &kinds));
            }
            layout if layout.has_alpha() && self.mask.is_none() => {
                let kind = if structure.meaning == Meaning::Associated { 1 } else { 2 };
                fields.push(short(tag::EXTRA_SAMPLES, &[kind]));
            }
            _ => {}
        }
        match structure.predictor {
            Predictor::None => {}
            Predictor::Horizontal => fields.push(short(tag::PREDICTOR, &[2])),
            Predictor::Float => fields.push(short(tag::PREDICTOR, &[3])),
        }
        match structure.chunks {
            Chunks::Strips(rows) => {
                fields.push(long(tag::ROWS_PER_STRIP, rows));
                fields.push(offset(tag::STRIP_OFFSETS, offsets));
                fields.push(offset(tag::STRIP_BYTE_COUNTS, lengths));
            }
            Chunks::Tiles { width, height } => {
                fields.push(long(tag::TILE_WIDTH, width));
                fields.push(long(tag::TILE_LENGTH, height));
                fields.push(offset(tag::TILE_OFFSETS, offsets));
                fields.push(offset(tag::TILE_BYTE_COUNTS, lengths));
            }
        }
        fields
    }
}

/// Reads the fields of the original's page that are copied, and reports on them and on the others.
fn fields(
    mut source: &mut dyn Source,
    (original, result): (&Structure, &Structure),
    loses_color: bool,
    blocks: &mut Blocks,
    keeping: &mut Keeping,
) -> Result<Vec<Field>> {
    if original.slice == 0 {
        fate::unreadable(&original.directory, keeping);
    }
    let imagej = imagej::metadata(&mut source, original, keeping)?;
    let mut fields = Vec::new();
    for entry in &original.directory.entries {
        match fate::fate(entry, original, result, loses_color) {
            Fate::Rewritten => {}
            Fate::Dropped(note) => keeping.change(note),
            Fate::Kept(name) => {
                let Some(read) = Field::read(source, &original.tiff, entry, blocks, keeping)? else { continue };
                let mut field = match imagej.iter().find(|field| field.is(entry.tag)) {
                    Some(changed) if changed.is_empty() => continue,
                    Some(changed) => changed.clone(),
                    None => read,
                };
                if entry.tag == tag::GDAL_METADATA && field.forget_statistics() {
                    keeping.change("The statistics in GDAL's metadata were for the old pixels.");
                }
                if entry.tag == tag::IMAGE_DESCRIPTION && imagej::forget_range(&mut field) {
                    keeping.change("ImageJ's display range (min and max) was for the old pixels.");
                }
                if entry.tag == tag::IMAGE_DESCRIPTION
                    && original.depth.has_levels()
                    && ome::forget_significant_bits(&mut field, result.bits)
                {
                    keeping.change(format!(
                        "OME-XML declared fewer than {} significant bits; the result uses all of them.",
                        result.bits
                    ));
                }
                if entry.tag == tag::XMP && !field.refresh_xmp(keeping) {
                    continue;
                }
                if entry.tag == tag::PHOTOSHOP && field.forget_photoshop_thumbnail()? {
                    keeping.change("Photoshop's thumbnail showed the old pixels.");
                }
                fields.push(field);
                name.into_iter().for_each(|name| keeping.keep(name));
            }
        }
    }
    Ok(fields)
}

/// Reports on the whole file with its first page. Returns the directories of the overviews of the first page's mask that are kept:
/// those as large as an overview of the page. Those of further pages aren't: each page would have to read all directories.
/// Returns too whether the result is cloud-optimized.
fn of_file(
    mut source: &mut dyn Source,
    info: &ImageInfo,
    original: &Structure,
    keeping: &mut Keeping,
) -> Result<(Vec<u64>, bool)> {
    if info.more.page > 0 {
        return Ok((Vec::new(), false));
    }
    let document = document(&mut source)?;
    let mut kept = Vec::new();
    let (masks, others): (Vec<&Smaller>, Vec<&Smaller>) = document.smaller.iter().partition(|smaller| smaller.of_mask);
    let own = others.iter().filter(|smaller| smaller.page == 0).count();
    let has_mask = document.pages.first().is_some_and(|page| page.mask.is_some());
    for smaller in masks.iter().filter(|smaller| has_mask && !smaller.below && smaller.page == 0) {
        let overview = overview_of(&mut source, document.tiff, smaller, info)?;
        let size = overview.map(|overview| (overview.width, overview.height));
        if info.more.overviews.iter().any(|own| Some((own.width, own.height)) == size) {
            kept.push(smaller.at);
        }
    }
    let lost = own.saturating_sub(info.more.overviews.len()) + masks.len() - kept.len();
    fate::of_file(&document, keeping);
    let mut cloud = is_cloud_optimized(source, document.tiff)?;
    if cloud {
        let obstacle = match (document.pages.len(), lost) {
            (2.., _) => Some("it has several pages"),
            (_, 1..) => Some("an overview can't be rebuilt"),
            _ => cloud::obstacle(original, info),
        };
        fate::of_cloud_optimized(obstacle, keeping);
        cloud = obstacle.is_none();
    }
    fate::overviews(info.more.overviews.len(), kept.len(), lost, keeping);
    Ok((kept, cloud))
}

/// Returns whether a file states behind its header that it is cloud-optimized.
fn is_cloud_optimized(source: &mut dyn Source, tiff: Tiff) -> Result<bool> {
    /// GDAL's text has about 200 bytes.
    const TEXT_BYTES: u64 = 512;
    let mut start = Vec::new();
    source.seek(SeekFrom::Start(header::header_bytes(tiff.big) as u64))?;
    source.take(TEXT_BYTES).read_to_end(&mut start)?;
    Ok(cloud::is_stated(&start))
}

/// Positions of pieces, plane by plane.
struct Planes(Vec<Pieces>);

impl Planes {
    fn new(planes: usize) -> Self {
        Self((0..planes).map(|_| Pieces::default()).collect())
    }

    /// Adds consecutive pieces of these lengths, equally many per plane.
    fn add(&mut self, next: &mut u64, lengths: &[u64]) {
        let each = (lengths.len() / self.0.len()).max(1);
        for (plane, lengths) in self.0.iter_mut().zip(lengths.chunks(each)) {
            for length in lengths {
                plane.offsets.push(*next);
                plane.lengths.push(*length);
                *next += length;
            }
        }
    }

    /// Returns all pieces, plane after plane.
    fn pieces(self) -> Pieces {
        let mut all = Pieces::default();
        for plane in self.0 {
            all.offsets.extend(plane.offsets);
            all.lengths.extend(plane.lengths);
        }
        all
    }
}

//! What the stages of the pipeline see of any method: counts that add up, and the table that is made of them.

use super::clahe::{self, GridError, TileHistograms, TileTables};
use super::float::{Curves, FloatHistogram, Ranges, Spans};
use super::histogram::{Histogram, MergeError};
use super::kernel::Kernel;
use super::lut::Lut;
use super::mask::Mask;
use super::recipe::{Method, Recipe};
use super::strength::Strength;
use super::wire::Malformed;
use crate::job::ImageInfo;
use crate::pixels::{Depth, Layout, Rows};

/// The shape of an image in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Samples of a pixel.
    pub layout: Layout,
    /// Bits of a sample.
    pub depth: Depth,
}

impl Frame {
    /// The frame of an image as it is stored.
    pub const fn of(info: &ImageInfo) -> Self {
        Self { width: info.width, height: info.height, layout: info.layout, depth: info.depth }
    }
}

/// What was counted of some rows, by whatever method: partial results add up to the whole in any order.
///
/// Floating-point samples are looked at twice: first for their range, unless the recipe gives it, then for how often they
/// lie where in it ([`Counts::further`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// One histogram.
    Whole(Histogram),
    /// One for each tile.
    Tiles(Box<TileHistograms>),
    /// The ranges of floating-point samples.
    Ranges(Ranges),
    /// A histogram over those ranges.
    Float(FloatHistogram),
}

impl Counts {
    /// Counts of nothing.
    ///
    /// # Errors
    /// If the image can't be cut into the recipe's grid.
    pub fn new(recipe: &Recipe, frame: &Frame) -> Result<Self, GridError> {
        let Frame { width, height, layout, depth } = *frame;
        if depth == Depth::Float {
            return Ok(match recipe.range {
                None => Self::Ranges(Ranges::new(recipe, layout)),
                Some(range) => Self::Float(FloatHistogram::over(&Ranges::given(recipe, layout, range))),
            });
        }
        match recipe.clahe() {
            None => Ok(Self::Whole(Histogram::new(recipe, layout, depth))),
            Some(clahe) => {
                let tiles = TileHistograms::new(&clahe, recipe.color, layout, depth, width, height)?;
                Ok(Self::Tiles(Box::new(tiles)))
            }
        }
    }

    /// Counts of nothing that are to be made after these, once all rows have been looked at; `None` if these are the
    /// last.
    pub fn further(&self) -> Option<Self> {
        match self {
            Self::Ranges(ranges) => Some(Self::Float(FloatHistogram::over(ranges))),
            Self::Whole(_) | Self::Tiles(_) | Self::Float(_) => None,
        }
    }

    /// How often the rows of such images are looked at.
    pub const fn looks(recipe: &Recipe, depth: Depth) -> u32 {
        if Self::needs_ranges(recipe, depth) { 2 } else { 1 }
    }

    /// Whether the range of such samples must be found before they are counted.
    pub const fn needs_ranges(recipe: &Recipe, depth: Depth) -> bool {
        matches!(depth, Depth::Float) && recipe.range.is_none()
    }

    /// Counts of nothing over ranges that are known; `None` if the ranges are of other images.
    pub fn over(recipe: &Recipe, frame: &Frame, spans: &Spans) -> Option<Self> {
        let ranges = Ranges::of(recipe, frame.layout, spans)?;
        (frame.depth == Depth::Float).then(|| Self::Float(FloatHistogram::over(&ranges)))
    }

    /// Counts some rows of the image, of which the first is row `first`, but for the pixels that the mask hides.
    ///
    /// # Panics
    /// If they are not rows of such an image.
    pub fn count(&mut self, first: u32, rows: &Rows, mask: Option<&Mask>) {
        match (self, mask) {
            (Self::Whole(histogram), None) => histogram.count(rows),
            (Self::Whole(histogram), Some(mask)) => histogram.count(&mask.kept(rows)),
            (Self::Tiles(tiles), mask) => tiles.count_masked(Kernel::best(), first, rows, mask),
            (Self::Ranges(ranges), None) => ranges.look(rows),
            (Self::Ranges(ranges), Some(mask)) => ranges.look(&mask.kept(rows)),
            (Self::Float(histogram), None) => histogram.count(rows),
            (Self::Float(histogram), Some(mask)) => histogram.count(&mask.kept(rows)),
        }
    }

    /// Adds what was counted of other rows of the same image. The order never matters.
    ///
    /// # Errors
    /// If it is of another image or method; this one is then unchanged.
    pub fn merge(&mut self, other: &Counts) -> Result<(), MergeError> {
        match (self, other) {
            (Self::Whole(ours), Self::Whole(theirs)) => ours.merge(theirs),
            (Self::Tiles(ours), Self::Tiles(theirs)) => ours.merge(theirs),
            (Self::Ranges(ours), Self::Ranges(theirs)) => {
                ours.merge(theirs);
                Ok(())
            }
            (Self::Float(ours), Self::Float(theirs)) => ours.merge(theirs),
            _ => Err(MergeError::Method),
        }
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Whole(histogram) => histogram.to_bytes(),
            Self::Tiles(tiles) => tiles.to_bytes(),
            Self::Ranges(ranges) => ranges.to_bytes(),
            Self::Float(histogram) => histogram.to_bytes(),
        }
    }

    /// The inverse of [`Counts::to_bytes`] of counts that began as these did.
    ///
    /// # Errors
    /// If the bytes are not such counts, exactly to their end.
    pub fn filled(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        match self {
            Self::Whole(_) => Histogram::from_bytes(bytes).map(Self::Whole),
            Self::Tiles(tiles) => Ok(Self::Tiles(Box::new(tiles.emptied().filled(bytes)?))),
            Self::Ranges(ranges) => ranges.filled(bytes).map(Self::Ranges),
            Self::Float(histogram) => histogram.filled(bytes).map(Self::Float),
        }
    }

    /// The inverse of [`Counts::to_bytes`], for the same recipe and image.
    ///
    /// # Errors
    /// If the bytes are not such counts, exactly to their end.
    pub fn from_bytes(recipe: &Recipe, frame: &Frame, bytes: &[u8]) -> Result<Self, Malformed> {
        let empty = Self::new(recipe, frame);
        empty.map_err(|_| Malformed::Value("the image can't be cut into this grid"))?.filled(bytes)
    }

    /// Bytes of memory that counts of this recipe take.
    pub fn memory(recipe: &Recipe, frame: &Frame) -> u64 {
        let planes = frame.layout.colors() as u64 * frame.depth.levels() as u64 * size_of::<u64>() as u64;
        let tiles = recipe.clahe().map_or(1, |clahe| u64::from(clahe.columns) * u64::from(clahe.rows));
        tiles.saturating_mul(planes).min(clahe::Geometry::MOST_BYTES.max(planes))
    }
}

/// Why there is no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The counts are those of another method.
    #[error("what was counted is for another method than {0}")]
    Method(&'static str),
    /// The histogram that the image shall have is missing.
    #[error("the histogram of the reference image is missing")]
    Reference,
}

/// What becomes of each intensity, at each place of the image.
#[derive(Debug, Clone, PartialEq)]
pub enum Table {
    /// The same everywhere.
    Whole(Lut),
    /// By tiles.
    Tiles(Box<TileTables>),
    /// Of floating-point samples.
    Curves(Curves),
}

impl Table {
    /// The table of an image whose rows have all been counted. `reference` is what was counted of the image to match
    /// to ([`Histogram::for_reference`]).
    ///
    /// # Errors
    /// If the counts or the reference are not what the method needs.
    pub fn new(recipe: &Recipe, counts: &Counts, reference: Option<&Histogram>) -> Result<Self, TableError> {
        match (counts, recipe.clahe()) {
            (Counts::Whole(histogram), None) => {
                let lut = lut(&recipe.method, histogram, reference)?;
                let full = recipe.strength == Strength::FULL;
                Ok(Self::Whole(if full { lut } else { lut.with_strength(recipe.strength) }))
            }
            (Counts::Tiles(tiles), Some(clahe)) => {
                let tables = TileTables::from_histograms(&clahe, tiles);
                let full = recipe.strength == Strength::FULL;
                Ok(Self::Tiles(Box::new(if full { tables } else { tables.with_strength(recipe.strength) })))
            }
            (Counts::Float(histogram), None) => {
                Curves::new(recipe, histogram).map(Self::Curves).ok_or(TableError::Method(recipe.method.name()))
            }
            _ => Err(TableError::Method(recipe.method.name())),
        }
    }

    /// Equalizes some rows of the image, of which the first is row `first`. What the mask hides stays as it is, or
    /// becomes its luma where colour becomes gray, as fully transparent pixels do.
    ///
    /// # Panics
    /// If they are not rows of such an image.
    pub fn apply(&self, recipe: &Recipe, first: u32, rows: Rows, mask: Option<&Mask>) -> Rows {
        let apply = |rows| match self {
            Self::Whole(lut) => super::apply(recipe, lut, rows),
            Self::Tiles(tables) => clahe::apply(Kernel::best(), recipe.color, tables, first, rows),
            Self::Curves(curves) => curves.apply(recipe, rows),
        };
        let Some(mask) = mask else { return apply(rows) };
        let mut equalized = apply(rows.clone());
        mask.restore(&rows, &mut equalized);
        equalized
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Whole(lut) => lut.to_bytes(),
            Self::Tiles(tables) => tables.to_bytes(),
            Self::Curves(curves) => curves.to_bytes(),
        }
    }

    /// The inverse of [`Table::to_bytes`], for the same recipe and image.
    ///
    /// # Errors
    /// If the bytes are not such a table, exactly to their end.
    pub fn from_bytes(recipe: &Recipe, frame: &Frame, bytes: &[u8]) -> Result<Self, Malformed> {
        match recipe.clahe() {
            None if frame.depth == Depth::Float => Curves::from_bytes(recipe, frame.layout, bytes).map(Self::Curves),
            None => Lut::from_bytes(bytes).map(Self::Whole),
            Some(clahe) => Ok(Self::Tiles(Box::new(TileTables::from_bytes(&clahe, recipe.color, frame, bytes)?))),
        }
    }
}

/// The table of one histogram by a method, in full strength.
fn lut(method: &Method, histogram: &Histogram, reference: Option<&Histogram>) -> Result<Lut, TableError> {
    match method {
        Method::Global => Ok(Lut::from_histogram(histogram)),
        Method::Stretch { cut } => Ok(Lut::stretching(histogram, *cut)),
        Method::Match { .. } => {
            let reference = reference.ok_or(TableError::Reference)?;
            let reference = reference.as_reference(histogram.intensity(), histogram.depth());
            Lut::matching(histogram, &reference).map_err(|_| TableError::Method(method.name()))
        }
        Method::Clahe { .. } => Err(TableError::Method(method.name())),
    }
}

//! The interface of all methods to the stages of the pipeline: mergeable counts, and the table derived from them.

use super::arithmetic::Arithmetic;
use super::clahe::{self, Bins, Clahe, Filling, GridError, Occupied, TileHistograms, TileTables};
use super::frame::Frame;
use super::histogram::{Histogram, MergeError};
use super::kernel::Kernel;
use super::lut::Lut;
use super::mask::Mask;
use super::ranged::{Curves, RangedHistogram, Ranges, Spans, Spread};
use super::recipe::{Method, Recipe};
use super::strength::Strength;
use super::tone::Tone;
use super::wire::Malformed;
use crate::pixels::{Depth, Rows};

/// Counts over some rows of an image, by any method. Partial counts merge to the whole in any order.
///
/// Samples without levels, and 16-bit ones for CLAHE, take two passes: one for their range, unless the recipe sets it, and
/// one for the histogram over that range ([`Counts::further`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Counts {
    /// One histogram of the whole image.
    Whole(Histogram),
    /// Levels that occur, for CLAHE of 16 bits (first pass).
    Occupied(Box<Occupied>),
    /// One histogram for each tile.
    Tiles(Box<TileHistograms>),
    /// Spread of samples without levels (first pass).
    Spread(Box<Spread>),
    /// Histogram over the ranges that it has (second pass).
    Ranged(RangedHistogram),
}

impl Counts {
    /// Creates empty counts.
    ///
    /// # Errors
    /// Fails if the image can't be divided into the recipe's grid of tiles.
    ///
    /// # Panics
    /// Panics if samples of this depth can't have the recipe's range ([`Recipe::check`]).
    pub fn new(recipe: &Recipe, frame: &Frame) -> Result<Self, GridError> {
        let Frame { layout, depth, .. } = *frame;
        if !depth.has_levels() {
            return Ok(match recipe.range {
                None => Self::Spread(Box::new(Spread::new(recipe, layout, depth))),
                Some(range) => {
                    let ranges = Ranges::given(recipe, layout, depth, range);
                    Self::Ranged(RangedHistogram::over(&ranges.expect("the recipe was checked")))
                }
            });
        }
        match recipe.clahe() {
            None => Ok(Self::Whole(Histogram::new(recipe, layout, depth).of_packed(frame.packed))),
            Some(clahe) => Self::of_tiles(recipe, clahe, frame),
        }
    }

    fn of_tiles(recipe: &Recipe, clahe: Clahe, frame: &Frame) -> Result<Self, GridError> {
        let Frame { width, height, layout, depth, packed } = *frame;
        let range = recipe.range.and_then(|range| packed.map_or(Some(range), |packed| range.widened(packed)));
        let tiles = match (recipe.tile_bins(depth), range) {
            (Bins::Levels(_), _) => None,
            (Bins::Few, Some(range)) => TileHistograms::over_range(&clahe, recipe.color, frame, range)?,
            (Bins::Few, None) => return Ok(Self::Occupied(Box::new(Occupied::new(clahe, recipe.color, *frame)?))),
        };
        let tiles = match tiles {
            Some(tiles) => tiles,
            None => TileHistograms::new(&clahe, recipe.color, layout, depth, width, height)?,
        };
        Ok(Self::Tiles(Box::new(tiles)))
    }

    /// Returns the empty counts of the next pass, once all rows were counted in this one; `None` after the last pass.
    pub fn further(&self) -> Option<Self> {
        match self {
            Self::Spread(spread) => Some(Self::Ranged(RangedHistogram::over(&spread.ranges()))),
            Self::Occupied(occupied) => Some(Self::Tiles(Box::new(occupied.further()))),
            Self::Whole(_) | Self::Tiles(_) | Self::Ranged(_) => None,
        }
    }

    /// Returns what the first pass found, once all rows were counted in it; `None` of other counts.
    pub fn spans(&self) -> Option<Spans> {
        match self {
            Self::Spread(spread) => Some(spread.spans()),
            Self::Occupied(occupied) => Some(occupied.spans()),
            Self::Whole(_) | Self::Tiles(_) | Self::Ranged(_) => None,
        }
    }

    /// Returns what users should know of what the first pass found, once all rows were counted in it.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::Spread(spread) => spread.notes(),
            _ => Vec::new(),
        }
    }

    /// Returns the number of passes over the rows: 1 or 2.
    pub fn looks(recipe: &Recipe, depth: Depth) -> u32 {
        if Self::needs_ranges(recipe, depth) { 2 } else { 1 }
    }

    /// Returns whether samples of this depth need a first pass for their range.
    pub fn needs_ranges(recipe: &Recipe, depth: Depth) -> bool {
        let counts_over_range = match recipe.clahe() {
            None => !depth.has_levels(),
            Some(_) => recipe.tile_bins(depth) == Bins::Few,
        };
        counts_over_range && recipe.range.is_none()
    }

    /// Creates empty counts of the second pass over known ranges. Returns `None` if there is no such pass, or the ranges
    /// don't fit the recipe and layout.
    pub fn over(recipe: &Recipe, frame: &Frame, spans: &Spans) -> Option<Self> {
        if let Some(clahe) = recipe.clahe().filter(|_| recipe.tile_bins(frame.depth) == Bins::Few) {
            let tiles = TileHistograms::over_spans(&clahe, recipe.color, frame, spans).ok()??;
            return Some(Self::Tiles(Box::new(tiles)));
        }
        let ranges = Ranges::of(recipe, frame.layout, frame.depth, spans)?;
        (!frame.depth.has_levels()).then(|| Self::Ranged(RangedHistogram::over(&ranges)))
    }

    /// Counts some rows of the image, beginning with row `first`, except for the pixels that the mask hides.
    ///
    /// # Panics
    /// Panics if the rows have another layout or depth than the counts, or (with tiles) don't lie in the image.
    pub fn count(&mut self, first: u32, rows: &Rows, mask: Option<&Mask>) {
        match (self, mask) {
            (Self::Whole(histogram), None) => histogram.count(rows),
            (Self::Whole(histogram), Some(mask)) => histogram.count_masked(rows, mask),
            (Self::Occupied(occupied), None) => occupied.histogram.count(rows),
            (Self::Occupied(occupied), Some(mask)) => occupied.histogram.count_masked(rows, mask),
            (Self::Tiles(tiles), mask) => tiles.count_masked(Kernel::best(), first, rows, mask),
            (Self::Spread(spread), mask) => spread.look(rows, mask),
            (Self::Ranged(histogram), mask) => histogram.count(rows, mask),
        }
    }

    /// Adds counts of other rows of the same image. The order of merging doesn't matter.
    ///
    /// # Errors
    /// Fails if `other` counts another image or method; `self` is then unchanged.
    pub fn merge(&mut self, other: &Counts) -> Result<(), MergeError> {
        match (self, other) {
            (Self::Whole(ours), Self::Whole(theirs)) => ours.merge(theirs),
            (Self::Occupied(ours), Self::Occupied(theirs)) => ours.merge(theirs),
            (Self::Tiles(ours), Self::Tiles(theirs)) => ours.merge(theirs),
            (Self::Spread(ours), Self::Spread(theirs)) => ours.merge(theirs),
            (Self::Ranged(ours), Self::Ranged(theirs)) => ours.merge(theirs),
            _ => Err(MergeError::Method),
        }
    }

    /// Serializes the counts.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Whole(histogram) => histogram.to_bytes(),
            Self::Occupied(occupied) => occupied.histogram.to_bytes(),
            Self::Tiles(tiles) => tiles.to_bytes(),
            Self::Spread(spread) => spread.to_bytes(),
            Self::Ranged(histogram) => histogram.to_bytes(),
        }
    }

    /// Deserializes counts of the same kind as these. The inverse of [`Counts::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one such value.
    pub fn filled(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        match self {
            Self::Whole(histogram) => histogram.filled(bytes).map(Self::Whole),
            Self::Occupied(occupied) => Ok(Self::Occupied(Box::new(occupied.filled(bytes)?))),
            Self::Tiles(tiles) => Ok(Self::Tiles(Box::new(tiles.emptied().filled(bytes)?))),
            Self::Spread(spread) => Ok(Self::Spread(Box::new(spread.filled(bytes)?))),
            Self::Ranged(histogram) => histogram.filled(bytes).map(Self::Ranged),
        }
    }

    /// Deserializes counts for a recipe and image; where there are two passes, those of the first one. The inverse of
    /// [`Counts::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one such value.
    pub fn from_bytes(recipe: &Recipe, frame: &Frame, bytes: &[u8]) -> Result<Self, Malformed> {
        let empty = Self::new(recipe, frame);
        empty.map_err(|_| Malformed::Value("the image can't be cut into this grid"))?.filled(bytes)
    }

    /// Returns the memory that counts of this recipe take, in bytes.
    pub fn memory(recipe: &Recipe, frame: &Frame) -> u64 {
        let planes = frame.layout.colors() as u64 * frame.depth.levels() as u64 * size_of::<u64>() as u64;
        // The first pass may hold a count and two numbers where the second has a bin.
        let planes = if frame.depth.has_levels() { planes } else { 3 * planes };
        let tiles = recipe.clahe().map_or(1, |clahe| u64::from(clahe.columns) * u64::from(clahe.rows));
        tiles.saturating_mul(planes).min(clahe::Geometry::MOST_BYTES.max(planes))
    }
}

/// Why a table can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The counts belong to another method.
    #[error("what was counted is for another method than {0}")]
    Method(&'static str),
    /// The histogram of the reference image is missing.
    #[error("the histogram of the reference image is missing")]
    Reference,
}

/// Mapping from old to new intensity, for each place of the image.
#[derive(Debug, Clone, PartialEq)]
pub enum Table {
    /// One look-up table for the whole image.
    Whole(Lut),
    /// A look-up table for each tile.
    Tiles(Box<TileTables>),
    /// Curves for samples without levels.
    Curves(Curves),
}

impl Table {
    /// Creates the table of an image whose rows have all been counted. `reference` is the histogram of the image to
    /// match ([`Histogram::for_reference`]).
    ///
    /// # Errors
    /// Fails if the counts belong to another method, or the method needs a reference that is missing or doesn't fit.
    pub fn new(recipe: &Recipe, counts: &Counts, reference: Option<&Histogram>) -> Result<Self, TableError> {
        match (counts, recipe.clahe()) {
            (Counts::Whole(histogram), None) => {
                let lut = lut(&recipe.method, &histogram.in_own_levels(), reference)?;
                let full = recipe.strength == Strength::FULL;
                let lut = if full { lut } else { lut.with_strength(recipe.strength) };
                Ok(Self::Whole(lut.widened(histogram.packed())))
            }
            (Counts::Tiles(tiles), Some(clahe)) => {
                let tables = TileTables::from_histograms(&clahe, tiles);
                let tables = match recipe.arithmetic {
                    Arithmetic::Nine => tables,
                    Arithmetic::Ten => tables.with_empty_tiles_filled(tiles, Filling::Neighbours),
                    Arithmetic::Eleven => tables.with_empty_tiles_filled(tiles, Filling::NeighboursAndLinear),
                };
                let full = recipe.strength == Strength::FULL;
                Ok(Self::Tiles(Box::new(if full { tables } else { tables.with_strength(recipe.strength) })))
            }
            (Counts::Ranged(histogram), None) => {
                Curves::new(recipe, histogram).map(Self::Curves).ok_or(TableError::Method(recipe.method.name()))
            }
            _ => Err(TableError::Method(recipe.method.name())),
        }
    }

    /// Equalizes some rows of the image, beginning with row `first`. Like fully transparent pixels, those that the mask
    /// hides keep their samples, or become their luma, unequalized, where colour becomes gray.
    ///
    /// # Panics
    /// Panics if the rows don't have the layout and depth of the table, or (with tiles) don't lie in the image.
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

    /// Serializes the table.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Whole(lut) => lut.to_bytes(),
            Self::Tiles(tables) => tables.to_bytes(),
            Self::Curves(curves) => curves.to_bytes(),
        }
    }

    /// Deserializes a table for the same recipe and image. The inverse of [`Table::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly one such table.
    pub fn from_bytes(recipe: &Recipe, frame: &Frame, bytes: &[u8]) -> Result<Self, Malformed> {
        match recipe.clahe() {
            None if !frame.depth.has_levels() => {
                Curves::from_bytes(recipe, frame.layout, frame.depth, bytes).map(Self::Curves)
            }
            None => Lut::from_bytes(bytes).map(Self::Whole),
            Some(clahe) => {
                let bins = recipe.tile_bins(frame.depth);
                Ok(Self::Tiles(Box::new(TileTables::from_bytes(&clahe, recipe.color, frame, bins, bytes)?)))
            }
        }
    }
}

/// Creates the table of one histogram, at full strength.
fn lut(method: &Method, histogram: &Histogram, reference: Option<&Histogram>) -> Result<Lut, TableError> {
    // Of packed samples, points are among the file's levels, as are those of the histogram unless it is of all 16 bits.
    let widened = histogram.packed().filter(|packed| histogram.levels() > packed.levels());
    match method {
        Method::Global => Ok(Lut::from_histogram(histogram)),
        Method::Plateau { clip_limit } => Ok(Lut::from_histogram(&histogram.with_plateau(clip_limit.value()))),
        Method::Stretch { cut, tone } if *tone == Tone::default() => Ok(Lut::stretching(histogram, *cut)),
        Method::Stretch { cut, tone } => {
            Ok(Lut::toned(histogram, *cut, widened.map_or(*tone, |packed| tone.widened(packed))))
        }
        Method::Match { .. } => {
            let reference = reference.ok_or(TableError::Reference)?;
            let reference = reference.as_reference(histogram.intensity(), histogram.depth());
            let reference = reference.of_packed(histogram.packed());
            Lut::matching(histogram, &reference.in_own_levels()).map_err(|_| TableError::Method(method.name()))
        }
        Method::Clahe { .. } => Err(TableError::Method(method.name())),
    }
}

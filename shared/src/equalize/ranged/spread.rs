//! Spread of the values of an image without levels: the first pass, which finds the range of each plane.
//!
//! A range from the least to the greatest value fails if one pixel is far away from all others, as a hot pixel of a camera or
//! an undeclared nodata value: all others then share a few of the bins. So values far away don't stretch the range. The *core*
//! of a plane reaches from its 0.5 to its 99.5 percentile; values that are more than 100 times the width of the core away from
//! it are outliers. The range reaches from the least to the greatest of the others. A core that is a single value has no width,
//! and no outliers.
//!
//! Values are counted in cells that are equal in the leading bits of their number: 128 for each power of two of binary32, 16 of
//! binary64. With the least and the greatest value of each cell, all ends are values that occur, and exact; percentiles are
//! exact to a cell. Whether a cell that holds the limit has values beyond it isn't known, and none of it is an outlier. Counts,
//! least and greatest values don't depend on the parts or the order of merging.

use super::super::arithmetic::Arithmetic;
use super::super::histogram::{Histogram, MergeError};
use super::super::mask::Mask;
use super::super::recipe::{Method, Recipe};
use super::super::wire::{self, Malformed, Reader};
use super::range::Range;
use super::ranges::{Ranges, Spans, put_value, take_value};
use super::view::View;
use crate::number::Decimal;
use crate::pixels::{Depth, Layout, Rows};

/// One in this many values lies below the core, and one above.
const OUTSIDE_CORE: u64 = 200;
/// Distance from the core at which outliers begin, in widths of the core.
const CORE_WIDTHS: f64 = 100.0;
/// Cells are allocated in blocks of this many.
const BLOCK_CELLS: usize = 128;

/// Values of each plane over the rows seen so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    view: View,
    arithmetic: Arithmetic,
    /// Whether outliers are left out of the range.
    leaves_out: bool,
    planes: Vec<Cells>,
}

/// Values that share their leading bits.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cell {
    count: u64,
    least: f64,
    greatest: f64,
}

const EMPTY: Cell = Cell { count: 0, least: f64::INFINITY, greatest: f64::NEG_INFINITY };

impl Cell {
    fn add(&mut self, other: Cell) {
        self.count += other.count;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
    }
}

/// The cells of a plane, by their key.
#[derive(Debug, Clone, PartialEq)]
struct Cells(Vec<Option<Box<[Cell; BLOCK_CELLS]>>>);

impl Cells {
    fn new() -> Self {
        Self(vec![None; (1 << 16) / BLOCK_CELLS])
    }

    fn cell(&mut self, key: u16) -> &mut Cell {
        let block = self.0[usize::from(key) / BLOCK_CELLS].get_or_insert_with(|| Box::new([EMPTY; BLOCK_CELLS]));
        &mut block[usize::from(key) % BLOCK_CELLS]
    }

    /// Returns the cells that have values, and their keys, in ascending order.
    fn filled(&self) -> impl Iterator<Item = (u16, &Cell)> {
        let blocks = self.0.iter().enumerate().filter_map(|(index, block)| Some((index, block.as_ref()?)));
        let cells = blocks
            .flat_map(|(index, block)| block.iter().zip(index * BLOCK_CELLS..).map(|(cell, key)| (key as u16, cell)));
        cells.filter(|(_, cell)| cell.count > 0)
    }

    fn total(&self) -> u64 {
        self.filled().map(|(_, cell)| cell.count).sum()
    }
}

/// Returns the leading bits of a value, which ascend with values.
fn key(depth: Depth, value: f64) -> u16 {
    if depth == Depth::Double {
        let bits = value.to_bits();
        return ((if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }) >> 48) as u16;
    }
    let bits = (value as f32).to_bits();
    ((if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }) >> 16) as u16
}

/// What was found of a plane.
struct Found {
    ends: [f64; 2],
    outermost: [f64; 2],
    outliers: u64,
}

impl Spread {
    /// Creates a spread without any values.
    pub fn new(recipe: &Recipe, layout: Layout, depth: Depth) -> Self {
        let view = View::new(recipe, layout, depth);
        // Black and white points say which values matter.
        let by_points = matches!(&recipe.method, Method::Stretch { tone, .. } if tone.points().is_some());
        let leaves_out = recipe.arithmetic >= Arithmetic::Eleven && !by_points;
        Self { view, arithmetic: recipe.arithmetic, leaves_out, planes: vec![Cells::new(); view.planes()] }
    }

    /// Adds the values of some rows, except for what the mask hides.
    ///
    /// # Panics
    /// Panics if the rows have another layout, or samples of another depth.
    pub fn look(&mut self, rows: &Rows, mask: Option<&Mask>) {
        let Self { view, planes, .. } = self;
        view.each_value(rows, mask, |plane, value| {
            // Normalizes −0 to 0, so that the order of values doesn't matter.
            let value = value + 0.0;
            planes[plane].cell(key(view.depth, value)).add(Cell { count: 1, least: value, greatest: value });
        });
    }

    /// Adds the values of other rows. The order of merging doesn't matter.
    ///
    /// # Errors
    /// Fails if `other` is of other samples, or the sum counts too many pixels; `self` is then unchanged.
    pub fn merge(&mut self, other: &Spread) -> Result<(), MergeError> {
        let (ours, theirs) = (self.view, other.view);
        if (ours, self.arithmetic) != (theirs, other.arithmetic) {
            let shape = |view: View| (view.intensity, view.depth);
            return Err(MergeError::Shape { ours: shape(ours), theirs: shape(theirs) });
        }
        let mut planes = self.planes.iter().zip(&other.planes);
        if planes.any(|(ours, theirs)| ours.total() + theirs.total() > Histogram::MAX_TOTAL) {
            return Err(MergeError::Overflow);
        }
        for (ours, theirs) in self.planes.iter_mut().zip(&other.planes) {
            theirs.filled().for_each(|(key, cell)| ours.cell(key).add(*cell));
        }
        Ok(())
    }

    fn found(&self, plane: &Cells) -> Option<Found> {
        let cells: Vec<Cell> = plane.filled().map(|(_, cell)| *cell).collect();
        let (first, last) = (cells.first()?, cells.last()?);
        let outermost = [first.least, last.greatest];
        let whole = Found { ends: outermost, outermost, outliers: 0 };
        let outside = plane.total() / OUTSIDE_CORE;
        let core = (percentile(cells.iter(), outside)?.least, percentile(cells.iter().rev(), outside)?.greatest);
        let reach = CORE_WIDTHS * (core.1 - core.0);
        if !self.leaves_out || reach <= 0.0 {
            return Some(whole);
        }
        let (low, high) = (core.0 - reach, core.1 + reach);
        let mut within = cells.iter().filter(|cell| cell.greatest >= low && cell.least <= high);
        let counted = within.clone().map(|cell| cell.count).sum::<u64>();
        let first = within.next()?;
        let ends = [first.least, within.next_back().unwrap_or(first).greatest];
        Some(Found { ends, outliers: plane.total() - counted, ..whole })
    }

    /// Returns the ranges of what was seen.
    pub fn ranges(&self) -> Ranges {
        let range = |plane| {
            let Found { ends, outermost, .. } = self.found(plane)?;
            Range::new(self.view.depth, ends, outermost)
        };
        Ranges { view: self.view, planes: self.planes.iter().map(range).collect() }
    }

    /// Returns the ranges in a form that JSON preserves exactly.
    pub fn spans(&self) -> Spans {
        self.ranges().spans()
    }

    /// Returns what users should know of the ranges: a sentence for each plane with outliers.
    pub fn notes(&self) -> Vec<String> {
        let depth = self.view.depth;
        let number = |value: f64| match depth {
            // As few digits as tell the value from others of its type.
            Depth::Half | Depth::Float => format!("{:?}", value as f32).trim_end_matches(".0").to_owned(),
            Depth::Double => format!("{value:?}").trim_end_matches(".0").to_owned(),
            _ => Decimal(value).to_string(),
        };
        let planes = self.planes.iter().enumerate().filter_map(|(plane, cells)| Some((plane, self.found(cells)?)));
        let sentence = |(plane, found): (usize, Found)| {
            let Found { ends: [lo, hi], outermost: [least, greatest], outliers } = found;
            let of_plane = if self.planes.len() > 1 { format!(" of channel {}", plane + 1) } else { String::new() };
            let values = if outliers == 1 { "1 value is".to_owned() } else { format!("{outliers} values are") };
            format!(
                "The range{of_plane} that was equalized is {} to {}: {values} far away from all others, within {} to {}, and \
                 became its ends or nearly so. `--range LOW HIGH` (in a recipe `range`) sets another range.",
                number(lo),
                number(hi),
                number(least),
                number(greatest)
            )
        };
        planes.filter(|(_, found)| found.outliers > 0).map(sentence).collect()
    }

    /// Serializes the spread. For jobs up to version 10 these are only the least and the greatest value of each plane, in the
    /// form of that time.
    pub fn to_bytes(&self) -> Vec<u8> {
        let View { intensity, depth, .. } = self.view;
        if self.arithmetic < Arithmetic::Eleven {
            let mut bytes = wire::header(wire::RANGES, intensity, depth);
            self.ranges().put(&mut bytes);
            return bytes;
        }
        let mut bytes = wire::header(wire::SPREADS, intensity, depth);
        for plane in &self.planes {
            wire::put_number(&mut bytes, plane.filled().count() as u64);
            for (_, cell) in plane.filled() {
                wire::put_number(&mut bytes, cell.count);
                put_value(depth, cell.least, &mut bytes);
                put_value(depth, cell.greatest, &mut bytes);
            }
        }
        bytes
    }

    /// Deserializes a spread of the recipe, layout and depth of this one. The inverse of [`Spread::to_bytes`].
    ///
    /// # Errors
    /// Fails if the bytes are not exactly such a spread.
    pub fn filled(&self, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Reader::new(bytes);
        let is_old = self.arithmetic < Arithmetic::Eleven;
        let shape = bytes.header(if is_old { wire::RANGES } else { wire::SPREADS })?;
        if shape != (self.view.intensity, self.view.depth) {
            return Err(Malformed::Value("the ranges are of other samples"));
        }
        let mut spread = Self { planes: vec![Cells::new(); self.planes.len()], ..self.clone() };
        if is_old {
            let ranges = Ranges::take(self.view, &mut bytes)?;
            for (plane, range) in spread.planes.iter_mut().zip(&ranges.planes) {
                for value in range.iter().flat_map(|range| range.ends()) {
                    plane.cell(key(self.view.depth, value)).add(Cell { count: 1, least: value, greatest: value });
                }
            }
        } else {
            spread.planes.iter_mut().try_for_each(|plane| take_cells(self.view.depth, plane, &mut bytes))?;
        }
        bytes.end()?;
        Ok(spread)
    }
}

/// Returns the first cell up to which there are more than `outside` values.
fn percentile<'a>(mut cells: impl Iterator<Item = &'a Cell>, outside: u64) -> Option<&'a Cell> {
    let mut sum = 0;
    cells.find(|cell| {
        sum += cell.count;
        sum > outside
    })
}

/// Reads the cells of a plane, which must be empty.
fn take_cells(depth: Depth, plane: &mut Cells, bytes: &mut Reader<'_>) -> Result<(), Malformed> {
    let wrong = Malformed::Value("the values of a plane don't ascend, or are too many");
    let (mut total, mut before) = (0_u64, f64::NEG_INFINITY);
    for _ in 0..bytes.number()? {
        let count = bytes.number()?;
        let (least, greatest) = (take_value(depth, bytes)?, take_value(depth, bytes)?);
        total = total.checked_add(count).filter(|total| *total <= Histogram::MAX_TOTAL).ok_or(wrong)?;
        let ascends = before < least && least <= greatest && greatest.is_finite();
        if !ascends || count == 0 || key(depth, least) != key(depth, greatest) {
            return Err(wrong);
        }
        before = greatest;
        let cell = plane.cell(key(depth, least));
        if cell.count > 0 {
            return Err(wrong);
        }
        *cell = Cell { count, least, greatest };
    }
    Ok(())
}

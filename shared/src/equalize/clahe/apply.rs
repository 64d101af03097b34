//! Applying the tables of the tiles to pixels, with interpolation.

use std::marker::PhantomData;

use super::geometry::Geometry;
use super::lookup::{EdgeTables, LevelTables, Tables};
use super::tables::TileTables;
use crate::equalize::intensity::{Color, Intensity};
use crate::equalize::kernel::sample::{Le16, Sample, as_le16_mut};
use crate::equalize::kernel::{Engine, Kernel, Scalar, fused, with_engine};
use crate::equalize::{Recipe, output_layout};
use crate::pixels::{Layout, Rows, Samples};

/// Equalizes some rows of the image, beginning with row `first`, in place.
///
/// Alpha and fully transparent pixels are treated as by the global [`apply`](crate::equalize::apply()).
///
/// # Panics
/// Panics if the tables don't match the colour and the rows' layout, depth and width, or the rows don't lie in the
/// image.
pub fn apply(kernel: Kernel, color: Color, tables: &TileTables, first: u32, rows: Rows) -> Rows {
    let Rows { width, layout, mut samples } = rows;
    assert_eq!(tables.intensity(), Intensity::of(color, layout), "the tables are for another intensity");
    assert_eq!(tables.geometry().width(), width, "the tables are for another image");
    match (&mut samples, tables.entries()) {
        (Samples::U8(samples), Samples::U8(entries)) => {
            let tiles = Tiles::<u8, _>::new(tables.geometry(), LevelTables::new(tables, entries));
            let kept = with_engine!(kernel, engine => tiles.apply(engine, color, layout, first, samples));
            samples.truncate(kept);
        }
        (Samples::U16(samples), Samples::U16(entries)) => {
            let kept = match as_le16_mut(samples) {
                Some(samples) => {
                    let tiles = Tiles::<Le16, _>::new(tables.geometry(), LevelTables::new(tables, entries));
                    with_engine!(kernel, engine => tiles.apply(engine, color, layout, first, samples))
                }
                None => Tiles::<u16, _>::new(tables.geometry(), LevelTables::new(tables, entries))
                    .apply(Scalar, color, layout, first, samples),
            };
            samples.truncate(kept);
        }
        (Samples::U16(samples), Samples::F32(_)) => {
            let edges = edge_tables(tables);
            let kept = match as_le16_mut(samples) {
                Some(samples) => {
                    let tiles = Tiles::<Le16, _>::new(tables.geometry(), edges);
                    with_engine!(kernel, engine => tiles.apply(engine, color, layout, first, samples))
                }
                None => Tiles::<u16, _>::new(tables.geometry(), edges).apply(Scalar, color, layout, first, samples),
            };
            samples.truncate(kept);
        }
        (samples, entries) => panic!("tables of {:?} applied to rows of {:?}", entries.depth(), samples.depth()),
    }
    Rows { width, layout: output_layout(&Recipe::global(color), layout), samples }
}

/// As [`apply`], from rows in the store's form ([`Rows::to_le_bytes`]) to `to`, which must have the length of the
/// result.
///
/// # Panics
/// Panics if the tables don't match the colour and layout, `from` is not whole rows of the image, or `to` has another
/// length than the result.
pub fn apply_le_bytes_into(
    kernel: Kernel,
    color: Color,
    tables: &TileTables,
    layout: Layout,
    first: u32,
    from: &[u8],
    to: &mut [u8],
) {
    assert_eq!(tables.intensity(), Intensity::of(color, layout), "the tables are for another intensity");
    with_engine!(kernel, engine => match tables.entries() {
        Samples::U8(entries) => {
            let tiles = Tiles::<u8, _>::new(tables.geometry(), LevelTables::new(tables, entries));
            tiles.apply_into(engine, color, layout, first, from, to);
        }
        Samples::U16(entries) => {
            let (from, to) = (from.as_chunks::<2>().0, to.as_chunks_mut::<2>().0);
            let tiles = Tiles::<Le16, _>::new(tables.geometry(), LevelTables::new(tables, entries));
            tiles.apply_into(engine, color, layout, first, from, to);
        }
        Samples::F32(_) => {
            let (from, to) = (from.as_chunks::<2>().0, to.as_chunks_mut::<2>().0);
            let tiles = Tiles::<Le16, _>::new(tables.geometry(), edge_tables(tables));
            tiles.apply_into(engine, color, layout, first, from, to);
        }
        _ => panic!("tables have levels or edges"),
    });
}

/// Returns the tables of a range.
fn edge_tables(tables: &TileTables) -> EdgeTables<'_> {
    match (tables.scales(), tables.entries()) {
        (Some(scales), Samples::F32(edges)) => EdgeTables::new(tables, scales, edges),
        _ => panic!("tables with edges have scales"),
    }
}

/// The tables in the form the kernels take, and the position of each pixel of a row between them.
struct Tiles<'a, S, T> {
    geometry: &'a Geometry,
    tables: T,
    samples: PhantomData<S>,
    /// For each pixel of a row, its position between the centres of the tiles to its left and right, from 0 to 1.
    across: Vec<f32>,
    /// Runs of pixels that lie between the same two columns of tiles: the end of each run, and the two columns.
    runs: Vec<(usize, [usize; 2])>,
}

impl<'a, S: Sample, T: Tables<S>> Tiles<'a, S, T> {
    fn new(geometry: &'a Geometry, tables: T) -> Self {
        let places = (0..geometry.width()).map(|x| geometry.across(x));
        let (between, across): (Vec<[usize; 2]>, Vec<f32>) = places.unzip();
        let mut end = 0;
        let runs = between.chunk_by(|a, b| a == b).map(|run| {
            end += run.len();
            (end, run[0])
        });
        let runs = runs.collect();
        Self { geometry, tables, samples: PhantomData, across, runs }
    }

    fn apply(&self, engine: impl Engine<S>, color: Color, layout: Layout, first: u32, samples: &mut [S]) -> usize {
        let row = self.across.len() * layout.channels();
        let end = first as usize + samples.len() / row;
        assert!(samples.len().is_multiple_of(row) && end <= self.geometry.height() as usize, "rows of another image");
        self.apply_rows(engine, color, layout, first, samples, &mut self.around(end as u32))
    }

    /// Copies and equalizes row by row, while each row is in the cache.
    fn apply_into(&self, engine: impl Engine<S>, color: Color, layout: Layout, first: u32, from: &[S], to: &mut [S]) {
        let row = self.across.len() * layout.channels();
        let row_to = self.across.len() * output_layout(&Recipe::global(color), layout).channels();
        let rows = from.len() / row;
        assert_eq!((from.len() % row, to.len()), (0, rows * row_to), "the result has another length");
        assert!(first as usize + rows <= self.geometry.height() as usize, "rows of another image");
        let mut around = self.around(first + rows as u32);
        let mut copy = vec![S::default(); if row == row_to { 0 } else { row }];
        for (y, (from, to)) in (first..).zip(from.chunks_exact(row).zip(to.chunks_exact_mut(row_to))) {
            if row == row_to {
                to.copy_from_slice(from);
                self.apply_rows(engine, color, layout, y, to, &mut around);
            } else {
                copy.copy_from_slice(from);
                let kept = self.apply_rows(engine, color, layout, y, &mut copy, &mut around);
                to.copy_from_slice(&copy[..kept]);
            }
        }
    }

    fn apply_rows<'t>(
        &'t self,
        engine: impl Engine<S>,
        color: Color,
        layout: Layout,
        first: u32,
        samples: &mut [S],
        around: &mut [TileNeighbours<'t, S, T>],
    ) -> usize {
        fused::apply_with(engine, color, layout, samples, |plane, pixel, values| {
            self.blend(engine, &mut around[plane], first, pixel, values);
        })
    }

    /// Creates the state of each plane for rows before `end`, with no tables selected yet.
    fn around(&self, end: u32) -> Vec<TileNeighbours<'_, S, T>> {
        (0..self.tables.planes()).map(|plane| TileNeighbours { plane, end, rows: None, runs: Vec::new() }).collect()
    }

    /// Replaces the intensities of consecutive pixels, of any number of rows; the first is pixel number `pixel`,
    /// counted from the beginning of row `first`.
    fn blend<'t>(
        &'t self,
        engine: impl Engine<S>,
        around: &mut TileNeighbours<'t, S, T>,
        first: u32,
        pixel: usize,
        mut values: &mut [S],
    ) {
        let width = self.across.len();
        let (mut y, mut x) = (first + (pixel / width) as u32, pixel % width);
        while !values.is_empty() {
            let down = around.move_to(self, y);
            let skipped = self.runs.partition_point(|(end, _)| *end <= x);
            for ((end, _), corners) in self.runs.iter().zip(&around.runs).skip(skipped) {
                let (run, rest) = values.split_at_mut((end - x).min(values.len()));
                self.tables.blend(engine, around.plane, corners, down, &self.across[x..][..run.len()], run);
                x += run.len();
                values = rest;
                if values.is_empty() {
                    return;
                }
            }
            (y, x) = (y + 1, 0);
        }
    }
}

/// The tables of one plane that surround each run of the current row.
struct TileNeighbours<'t, S: Sample, T: Tables<S> + 't> {
    plane: usize,
    /// The row after the last one to be equalized.
    end: u32,
    /// The two rows of tiles around the current row.
    rows: Option<[usize; 2]>,
    runs: Vec<T::Corners<'t>>,
}

impl<'t, S: Sample, T: Tables<S>> TileNeighbours<'t, S, T> {
    /// Selects the tables around row `y`. Returns the position of the row between the two rows of tiles, from 0 to 1.
    fn move_to(&mut self, tiles: &'t Tiles<'_, S, T>, y: u32) -> f32 {
        let (rows, down) = tiles.geometry.down(y);
        if self.rows != Some(rows) {
            let alike = (y..self.end).take_while(|y| tiles.geometry.down(*y).0 == rows).count();
            let mut before = 0;
            let corners = tiles.runs.iter().map(|(end, columns)| {
                let tile = |row: usize, column: usize| row * tiles.geometry.columns() + column;
                let ([above, below], [left, right]) = (rows, *columns);
                let values = alike * (end - before);
                before = *end;
                let around = [tile(above, left), tile(above, right), tile(below, left), tile(below, right)];
                tiles.tables.corners(self.plane, around, values)
            });
            self.runs = corners.collect();
            self.rows = Some(rows);
        }
        down
    }
}

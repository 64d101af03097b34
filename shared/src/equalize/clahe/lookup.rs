//! How a pixel's intensity is looked up in the four tables around it: with an entry for each level, or between the edges of
//! bins.

use super::scale::{Scale, Scales};
use super::tables::TileTables;
use crate::equalize::kernel::sample::Sample;
use crate::equalize::kernel::{Engine, scalar};

/// The tables of all tiles, in the form that the kernels take.
pub(super) trait Tables<S: Sample> {
    /// Four tables to interpolate between.
    type Corners<'c>
    where
        Self: 'c;

    /// Returns the number of planes.
    fn planes(&self) -> usize;

    /// Returns the tables of four tiles (top left, top right, bottom left, bottom right), which will be applied to `values`
    /// values.
    fn corners(&self, plane: usize, tiles: [usize; 4], values: usize) -> Self::Corners<'_>;

    /// Replaces each value by interpolating between four tables; see [`Engine::blend`].
    fn blend(
        &self,
        engine: impl Engine<S>,
        plane: usize,
        corners: &Self::Corners<'_>,
        down: f32,
        across: &[f32],
        values: &mut [S],
    );
}

/// Tables with an entry for each level: for each plane, the table of each tile.
pub(super) struct LevelTables<'a, S: Sample>(Vec<Vec<&'a S::Table>>);

impl<'a, S: Sample> LevelTables<'a, S> {
    pub(super) fn new(tables: &TileTables, entries: &'a [S::Entry]) -> Self {
        let planes = tables.intensity().planes();
        let of_plane = |plane| {
            let tiles = entries.chunks_exact(S::LEVELS).skip(plane).step_by(planes);
            tiles.map(|entries| S::table(entries).expect("as many entries as there are levels")).collect()
        };
        Self((0..planes).map(of_plane).collect())
    }
}

impl<S: Sample> Tables<S> for LevelTables<'_, S> {
    type Corners<'c>
        = S::Corners<'c>
    where
        Self: 'c;

    fn planes(&self) -> usize {
        self.0.len()
    }

    fn corners(&self, plane: usize, tiles: [usize; 4], values: usize) -> S::Corners<'_> {
        S::corners(tiles.map(|tile| self.0[plane][tile]), values)
    }

    fn blend(
        &self,
        engine: impl Engine<S>,
        _: usize,
        corners: &S::Corners<'_>,
        down: f32,
        across: &[f32],
        values: &mut [S],
    ) {
        engine.blend(corners, down, across, values);
    }
}

/// Tables with the edges of bins.
pub(super) struct EdgeTables<'a> {
    scales: &'a Scales,
    planes: usize,
    /// Edges of a tile's plane.
    count: usize,
    edges: &'a [f32],
}

impl<'a> EdgeTables<'a> {
    pub(super) fn new(tables: &'a TileTables, scales: &'a Scales, edges: &'a [f32]) -> Self {
        Self { scales, planes: tables.intensity().planes(), count: tables.entries_of_plane(), edges }
    }
}

impl<S: Sample> Tables<S> for EdgeTables<'_> {
    type Corners<'c>
        = [&'c [f32]; 4]
    where
        Self: 'c;

    fn planes(&self) -> usize {
        self.planes
    }

    fn corners(&self, plane: usize, tiles: [usize; 4], _: usize) -> [&[f32]; 4] {
        tiles.map(|tile| &self.edges[(tile * self.planes + plane) * self.count..][..self.count])
    }

    fn blend(
        &self,
        _: impl Engine<S>,
        plane: usize,
        corners: &[&[f32]; 4],
        down: f32,
        across: &[f32],
        values: &mut [S],
    ) {
        let scale: &Scale = self.scales.plane(plane);
        scalar::blend_edges(corners, |level| scale.place(level), down, across, values);
    }
}

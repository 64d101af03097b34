//! Colour palettes (TIFF 6.0, section 5).

use std::io::{Read, Seek};

use super::super::error::{Result, damaged};
use super::fields::Fields;
use super::tag;
use crate::job::Format;
use crate::pixels::{Depth, Samples};

/// Palette: red, green and blue of 16 bits per index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Palette(Vec<[u16; 3]>);

/// Reads the palette of a page whose samples have `bits` bits.
pub(super) fn read<R: Read + Seek>(fields: &mut Fields<'_, R>, bits: u8) -> Result<Palette> {
    let count = 1 << bits;
    match fields.all(tag::COLOR_MAP)? {
        Some(map) if map.len() == 3 * count => {
            let entry = |i: usize| [map[i] as u16, map[count + i] as u16, map[2 * count + i] as u16];
            Ok(Palette((0..count).map(entry).collect()))
        }
        other => {
            let found = other.map_or(0, |map| map.len());
            Err(damaged(Format::Tiff, format!("its palette should have {} numbers and has {found}", 3 * count)))
        }
    }
}

impl Palette {
    /// Returns the depth of the colours: 8 bits if that loses nothing, whether the palette's values were widened by repeating
    /// the byte or by appending zeros; else 16.
    pub(super) fn depth(&self) -> Depth {
        match self.narrow() {
            Some(_) => Depth::Eight,
            None => Depth::Sixteen,
        }
    }

    /// Looks up the colours of indices.
    pub(super) fn colors(&self, indices: &[u8]) -> Samples {
        match self.narrow() {
            Some(colors) => Samples::U8(indices.iter().flat_map(|index| colors[usize::from(*index)]).collect()),
            None => Samples::U16(indices.iter().flat_map(|index| self.0[usize::from(*index)]).collect()),
        }
    }

    fn narrow(&self) -> Option<Vec<[u8; 3]>> {
        let all = |fits: fn(u16) -> bool| self.0.iter().flatten().all(|value| fits(*value));
        let repeated = all(|value| value % 257 == 0);
        let shifted = all(|value| value % 256 == 0);
        (repeated || shifted).then(|| self.0.iter().map(|color| color.map(|value| (value >> 8) as u8)).collect())
    }
}

//! Applying a look-up table to pixels.

use super::Recipe;
use super::intensity::{Color, Intensity};
use super::kernel::sample::{Sample, as_le16_mut};
use super::kernel::{Engine, Kernel, Scalar, fused, with_engine};
use super::lut::Lut;
use crate::pixels::{Layout, Rows, Samples};

/// Returns the layout of the result of [`apply`] for rows of this layout.
pub const fn output_layout(recipe: &Recipe, layout: Layout) -> Layout {
    match (recipe.color, layout) {
        (Color::Gray, Layout::Rgb | Layout::Cmyk) => Layout::Gray,
        (Color::Gray, Layout::Rgba) => Layout::GrayAlpha,
        (_, layout) => layout,
    }
}

/// Equalizes some rows with the table of the whole image, in place: the result reuses the samples of `rows`, truncated
/// where colour becomes gray.
///
/// Alpha is preserved. Fully transparent pixels keep their samples; where colour becomes gray, they become their luma,
/// unequalized.
///
/// # Panics
/// Panics if the table doesn't match the recipe and the rows' layout and depth.
pub fn apply(recipe: &Recipe, lut: &Lut, rows: Rows) -> Rows {
    apply_by(Kernel::best(), recipe, lut, rows)
}

/// As [`apply`], with a given kernel. The result is the same with each.
pub fn apply_by(kernel: Kernel, recipe: &Recipe, lut: &Lut, rows: Rows) -> Rows {
    let Rows { width, layout, mut samples } = rows;
    let color = checked(recipe, lut, layout);
    match (&mut samples, lut.entries()) {
        (Samples::U8(samples), Samples::U8(entries)) => {
            let kept = with_engine!(kernel, engine => look_up(engine, color, layout, entries, samples));
            samples.truncate(kept);
        }
        (Samples::U16(samples), Samples::U16(entries)) => {
            let kept = match as_le16_mut(samples) {
                Some(samples) => with_engine!(kernel, engine => look_up(engine, color, layout, entries, samples)),
                None => look_up(Scalar, color, layout, entries, samples),
            };
            samples.truncate(kept);
        }
        (samples, entries) => panic!("a table of {:?} applied to rows of {:?}", entries.depth(), samples.depth()),
    }
    Rows { width, layout: output_layout(recipe, layout), samples }
}

/// As [`apply`], in place on rows in the store's form ([`Rows::to_le_bytes`]).
///
/// # Panics
/// Panics if the table doesn't match the recipe and layout, or the bytes end within a pixel of the table's depth.
pub fn apply_le_bytes(kernel: Kernel, recipe: &Recipe, lut: &Lut, layout: Layout, bytes: &mut Vec<u8>) {
    let color = checked(recipe, lut, layout);
    assert!(bytes.len().is_multiple_of(layout.channels() * lut.depth().bytes()), "the bytes end within a pixel");
    let kept = with_engine!(kernel, engine => match lut.entries() {
        Samples::U8(entries) => look_up(engine, color, layout, entries, bytes),
        Samples::U16(entries) => 2 * look_up(engine, color, layout, entries, bytes.as_chunks_mut::<2>().0),
        _ => panic!("tables have whole numbers"),
    });
    bytes.truncate(kept);
}

/// As [`apply_le_bytes`], with the result written to `to`. Its length must be that of the result: pixels × channels of
/// [`output_layout`] × bytes per sample.
///
/// # Panics
/// Panics as [`apply_le_bytes`], and if `to` has another length than the result.
pub fn apply_le_bytes_into(kernel: Kernel, recipe: &Recipe, lut: &Lut, layout: Layout, from: &[u8], to: &mut [u8]) {
    let color = checked(recipe, lut, layout);
    let pixel = layout.channels() * lut.depth().bytes();
    assert!(from.len().is_multiple_of(pixel), "the bytes end within a pixel");
    let result = from.len() / pixel * output_layout(recipe, layout).channels() * lut.depth().bytes();
    assert_eq!(to.len(), result, "the result has another length");
    if has_table_for_each(color, layout) {
        to.copy_from_slice(from);
        match lut.entries() {
            Samples::U8(entries) => look_up(Scalar, color, layout, entries, to),
            Samples::U16(entries) => look_up(Scalar, color, layout, entries, to.as_chunks_mut::<2>().0),
            _ => panic!("tables have whole numbers"),
        };
        return;
    }
    with_engine!(kernel, engine => match lut.entries() {
        Samples::U8(entries) => fused::apply_into(engine, color, layout, tables::<u8>(entries), from, to),
        Samples::U16(entries) => {
            let (from, to) = (from.as_chunks::<2>().0, to.as_chunks_mut::<2>().0);
            fused::apply_into(engine, color, layout, tables::<u16>(entries), from, to);
        }
        _ => panic!("tables have whole numbers"),
    });
}

/// Returns the recipe's colour, after asserting that the table is for its intensity.
fn checked(recipe: &Recipe, lut: &Lut, layout: Layout) -> Color {
    assert_eq!(lut.intensity(), Intensity::of(recipe.color, layout), "the table is for another intensity");
    recipe.color
}

/// Whether each sample of a pixel has a table, as bands do, and inks that are equalized by themselves.
const fn has_table_for_each(color: Color, layout: Layout) -> bool {
    matches!(Intensity::of(color, layout), Intensity::Bands(_))
}

/// Looks samples up in the tables of their planes, in place. Returns the length of the result.
fn look_up<S: Sample>(
    engine: impl Engine<S>,
    color: Color,
    layout: Layout,
    entries: &[S::Entry],
    samples: &mut [S],
) -> usize {
    if has_table_for_each(color, layout) {
        let tables: Vec<&S::Table> = entries.chunks_exact(S::LEVELS).filter_map(S::table).collect();
        fused::apply_bands(layout, &tables, samples);
        return samples.len();
    }
    fused::apply(engine, color, layout, tables::<S>(entries), samples)
}

/// Returns the tables of red, green and blue; if there is only one table, three times that one.
fn tables<S: Sample>(entries: &[S::Entry]) -> [&S::Table; 3] {
    let last = entries.len() / S::LEVELS - 1;
    [0, 1, 2].map(|plane| {
        let entries = &entries[plane.min(last) * S::LEVELS..][..S::LEVELS];
        S::table(entries).expect("the slice has as many entries as there are levels")
    })
}

//! The look-up table on pixels.

use super::color::{self, Intensity, luma, scale, value};
use super::kernel::Sample;
use super::kernel::scalar::{self, change, convert};
use super::lut::Lut;
use super::{Color, Recipe};
use crate::pixels::{Layout, Rows, Samples};

/// The layout of what [`apply`] makes of rows of this layout.
pub const fn output_layout(recipe: &Recipe, layout: Layout) -> Layout {
    match (recipe.color(), layout) {
        (Color::Gray, Layout::Rgb) => Layout::Gray,
        (Color::Gray, Layout::Rgba) => Layout::GrayAlpha,
        (_, layout) => layout,
    }
}

/// Equalizes some rows by the table of the whole image, in place unless their layout changes.
///
/// Alpha is carried through. Fully transparent pixels keep their samples; where colour becomes gray, they become
/// their luma, unequalized.
///
/// # Panics
/// If the table is not one for this recipe and rows of this layout and depth.
pub fn apply(recipe: &Recipe, lut: &Lut, rows: Rows) -> Rows {
    let Rows { width, layout, samples } = rows;
    let color = recipe.color();
    assert_eq!(lut.intensity(), Intensity::of(color, layout), "the table is for another intensity");
    let samples = match (samples, lut.entries()) {
        (Samples::U8(samples), Samples::U8(entries)) => Samples::U8(equalize(color, layout, entries, samples)),
        (Samples::U16(samples), Samples::U16(entries)) => Samples::U16(equalize(color, layout, entries, samples)),
        (samples, entries) => panic!("a table of {:?} applied to rows of {:?}", entries.depth(), samples.depth()),
    };
    Rows { width, layout: output_layout(recipe, layout), samples }
}

fn equalize<S: Sample>(color: Color, layout: Layout, entries: &[S], mut samples: Vec<S>) -> Vec<S> {
    let plane = |index: usize| {
        let entries = &entries[index * S::LEVELS..][..S::LEVELS];
        S::table(entries).expect("the slice has as many entries as there are levels")
    };
    let table = plane(0);
    match (layout, color) {
        (Layout::Gray, _) => change(&mut samples, |[gray]| *gray = gray.look_up(table)),
        (Layout::GrayAlpha, _) => change(&mut samples, |[gray, _]| *gray = gray.look_up(table)),
        (Layout::Rgb, Color::Luma) => scalar::shift(&mut samples, |&[r, g, b]| by_luma(table, [r, g, b])),
        (Layout::Rgba, Color::Luma) => scalar::shift(&mut samples, |&[r, g, b, _]| by_luma(table, [r, g, b])),
        (Layout::Rgb, Color::Hsv) => change(&mut samples, |[r, g, b]| by_value(table, [r, g, b])),
        (Layout::Rgba, Color::Hsv) => change(&mut samples, |[r, g, b, _]| by_value(table, [r, g, b])),
        (Layout::Rgb, Color::Channels) => {
            let tables = [table, plane(1), plane(2)];
            change(&mut samples, |[r, g, b]| by_channel(tables, [r, g, b]));
        }
        (Layout::Rgba, Color::Channels) => {
            let tables = [table, plane(1), plane(2)];
            change(&mut samples, |[r, g, b, _]| by_channel(tables, [r, g, b]));
        }
        (Layout::Rgb, Color::Gray) => {
            return convert(&samples, |&[r, g, b], _| [luma(r, g, b).look_up(table)]);
        }
        (Layout::Rgba, Color::Gray) => {
            return convert(&samples, |&[r, g, b, alpha], visible| {
                let gray = luma(r, g, b);
                [if visible { gray.look_up(table) } else { gray }, alpha]
            });
        }
    }
    samples
}

#[inline(always)]
fn by_luma<S: Sample>(table: &S::Table, [red, green, blue]: [S; 3]) -> [S; 2] {
    let from = luma(red, green, blue);
    color::shift(from, from.look_up(table))
}

#[inline(always)]
fn by_value<S: Sample>(table: &S::Table, colors: [&mut S; 3]) {
    let from = value(*colors[0], *colors[1], *colors[2]);
    let to = from.look_up(table);
    for color in colors {
        *color = scale(*color, from, to);
    }
}

#[inline(always)]
fn by_channel<S: Sample>(tables: [&S::Table; 3], colors: [&mut S; 3]) {
    for (color, table) in colors.into_iter().zip(tables) {
        *color = color.look_up(table);
    }
}

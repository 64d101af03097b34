//! Equalization in parts, for tests.
#![allow(clippy::unwrap_used)]

use super::super::{Counts, Frame, Mask, Nodata, NodataRule, Recipe, Table};
use crate::for_samples;
use crate::pixels::Rows;

fn part(rows: &Rows, range: std::ops::Range<usize>) -> Rows {
    let line = rows.width as usize * rows.layout.channels();
    let samples = for_samples!(&rows.samples, samples => samples[range.start * line..range.end * line].to_vec().into());
    Rows { samples, ..rows.clone() }
}

/// Equalizes rows in parts that end at `cuts`, counted and merged in reverse order, with every intermediate result serialized and
/// deserialized, as by the tasks of a job. Returns the result and the notes.
pub(super) fn equalize(recipe: &Recipe, rows: &Rows, nodata: Option<f64>, cuts: &[usize]) -> (Rows, Vec<String>) {
    let depth = rows.samples.depth();
    let nodata =
        nodata.and_then(Nodata::new).map(|nodata| NodataRule::new(nodata, recipe.intensity(rows.layout, depth)));
    let ends: Vec<usize> = [&[0], cuts, &[rows.height()]].concat();
    let parts: Vec<Rows> = ends.windows(2).map(|ends| part(rows, ends[0]..ends[1])).collect();
    let frame = Frame { width: rows.width, height: rows.height() as u32, layout: rows.layout, depth, packed: None };
    let (mut sum, mut notes) = (Counts::new(recipe, &frame).unwrap(), Vec::new());
    loop {
        let empty = sum.clone();
        for part in parts.iter().rev() {
            let mut own = empty.clone();
            own.count(0, part, Mask::of(part, nodata, None).as_ref());
            sum.merge(&empty.filled(&own.to_bytes()).unwrap()).unwrap();
        }
        notes.extend(sum.notes());
        let Some(spans) = sum.spans() else { break };
        let json = serde_json::to_string(&spans).unwrap();
        let over = Counts::over(recipe, &frame, &serde_json::from_str(&json).unwrap()).unwrap();
        assert!(sum.further().as_ref() == Some(&over), "in one process, the second pass begins with other counts");
        sum = over;
    }
    let table = Table::from_bytes(recipe, &frame, &Table::new(recipe, &sum, None).unwrap().to_bytes()).unwrap();
    let apply = |part: Rows| {
        let mask = Mask::of(&part, nodata, None);
        let mut after = table.apply(recipe, 0, part, mask.as_ref());
        nodata.inspect(|nodata| nodata.keep_apart(&mut after, mask.as_ref()));
        after
    };
    let done: Vec<Rows> = parts.into_iter().map(apply).collect();
    let bytes: Vec<u8> = done.iter().flat_map(Rows::to_le_bytes).collect();
    (Rows::from_le_bytes(done[0].width, done[0].layout, depth, &bytes).unwrap(), notes)
}

//! Histogram, the map: count the samples of some parts.

use shared::equalize::Histogram;
use shared::job::{Job, Pointer};
use shared::task::Task;

use super::stage::{Failure, Inputs, Workshop, decoder_bytes, part_bytes};
use crate::codec;

/// Writes the histogram of the task's rows.
pub(super) async fn histogram(
    shop: &Workshop,
    job: &Job,
    task: &Task,
    inputs: &Inputs,
    key: String,
) -> Result<Pointer, Failure> {
    let rows = shop.rows(job, inputs);
    let (info, cut, recipe) = (job.info.clone(), job.cut, job.recipe);
    let parts = task.first_part..task.first_part + task.parts;
    let memory = decoder_bytes(job, inputs) + 2 * part_bytes(job);
    let counted = shop.pixels.run(memory, move || {
        let mut reader = rows.open(&info)?;
        let mut histogram = Histogram::new(&recipe, info.layout, info.depth);
        for part in parts {
            histogram.count(&reader.read(cut.rows_of(part, info.height))?);
        }
        Ok::<_, codec::Error>(histogram.to_bytes())
    });
    shop.put(key, counted.await??).await
}

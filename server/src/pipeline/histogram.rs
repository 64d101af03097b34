//! Histogram, the map: count the samples of some parts.

use shared::equalize::{Counts, Frame};
use shared::job::{Job, Pointer};
use shared::task::Task;

use super::stage::{Failure, Inputs, Workshop, counts_bytes, decoder_bytes, part_bytes};
use crate::codec;

/// Writes what is counted of the task's rows.
pub(super) async fn histogram(
    shop: &Workshop,
    job: &Job,
    task: &Task,
    inputs: &Inputs,
    key: String,
) -> Result<Pointer, Failure> {
    let sheet = shop.sheet(job, inputs);
    let (info, cut, recipe) = (job.info.clone(), job.cut, job.recipe.clone());
    let parts = task.first_part..task.first_part + task.parts;
    let memory = decoder_bytes(job, inputs) + 2 * part_bytes(job) + counts_bytes(job);
    let counted = shop.pixels.run(memory, move || {
        let mut sheet = sheet.open()?;
        let mut counts = Counts::new(&recipe, &Frame::of(&info)).map_err(unfit)?;
        for part in parts {
            sheet.read(cut.rows_of(part, info.height))?.count(&mut counts);
        }
        Ok::<_, codec::Error>(counts.to_bytes())
    });
    shop.put(key, counted.await??).await
}

/// A recipe that isn't for this image; it was checked when it was accepted.
pub(super) fn unfit(error: impl std::fmt::Display) -> codec::Error {
    codec::Error::Refused(format!("The recipe doesn't fit the image: {error}."))
}

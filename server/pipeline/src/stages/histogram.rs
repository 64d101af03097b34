//! Histogram, the map step: counts the samples of some parts, or first finds their range.

use base::causes::SharedError;
use shared::equalize::{Counts, Frame};
use shared::job::{Job, Phase, Pointer};
use shared::task::Task;

use super::context::{Inputs, TaskContext, counts_bytes, decoder_bytes, part_bytes};
use super::failure::Failure;

/// Counts the task's rows and writes the counts.
pub(super) async fn histogram(
    context: &TaskContext,
    job: &Job,
    task: &Task,
    inputs: &Inputs,
    key: String,
) -> Result<Pointer, Failure> {
    let masked = context.masked_image(job, inputs);
    let (info, cut, mut counts) = (job.info.clone(), job.cut, empty(job, task.phase)?);
    let parts = task.first_part..task.first_part + task.parts;
    let memory = decoder_bytes(job, inputs) + 2 * part_bytes(job) + counts_bytes(job);
    let counted = context.pixels.run(memory, move || {
        let mut masked = masked.open()?;
        for part in parts {
            masked.read(cut.rows_of(part, info.height))?.count(&mut counts);
        }
        Ok::<_, codec::Error>(counts.to_bytes())
    });
    context.put(key, counted.await??).await
}

/// Returns empty counts for a phase.
pub(super) fn empty(job: &Job, phase: Phase) -> Result<Counts, Failure> {
    let (recipe, frame) = (job.pinned_recipe(), Frame::of(&job.info));
    if phase == Phase::Ranges || !job.phases.contains(&Phase::Ranges) {
        return Ok(Counts::new(&recipe, &frame).map_err(unfit)?);
    }
    let counts = job.ranges.as_ref().and_then(|ranges| Counts::over(&recipe, &frame, ranges));
    counts.ok_or_else(|| Failure::Trouble(SharedError::new("the job has no sample ranges yet")))
}

/// Converts the error of a recipe that doesn't fit the image; recipes are checked on acceptance.
pub(crate) fn unfit(error: impl std::fmt::Display) -> codec::Error {
    codec::Error::Refused(format!("The recipe doesn't fit the image: {error}."))
}

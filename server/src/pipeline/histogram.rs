//! Histogram, the map: count the samples of some parts; before that, look for the range of floating-point ones.

use shared::equalize::{Counts, Frame};
use shared::job::{Job, Phase, Pointer};
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
    let (info, cut, mut counts) = (job.info.clone(), job.cut, empty(job, task.phase)?);
    let parts = task.first_part..task.first_part + task.parts;
    let memory = decoder_bytes(job, inputs) + 2 * part_bytes(job) + counts_bytes(job);
    let counted = shop.pixels.run(memory, move || {
        let mut sheet = sheet.open()?;
        for part in parts {
            sheet.read(cut.rows_of(part, info.height))?.count(&mut counts);
        }
        Ok::<_, codec::Error>(counts.to_bytes())
    });
    shop.put(key, counted.await??).await
}

/// What has counted nothing in a phase.
pub(super) fn empty(job: &Job, phase: Phase) -> Result<Counts, Failure> {
    let frame = Frame::of(&job.info);
    if phase == Phase::Ranges || !job.phases.contains(&Phase::Ranges) {
        return Ok(Counts::new(&job.recipe, &frame).map_err(unfit)?);
    }
    let counts = job.ranges.as_ref().and_then(|ranges| Counts::over(&job.recipe, &frame, ranges));
    counts.ok_or_else(|| Failure::Trouble("the job has no ranges of its samples yet".to_owned()))
}

/// A recipe that isn't for this image; it was checked when it was accepted.
pub(super) fn unfit(error: impl std::fmt::Display) -> codec::Error {
    codec::Error::Refused(format!("The recipe doesn't fit the image: {error}."))
}

//! Equalize: applies the LUT to some parts and encodes them.

use std::io;

use base::causes::{Doing, SharedError};
use codec::PartHash;
use shared::equalize::{Frame, Table};
use shared::job::{Job, Pointer};
use shared::task::Task;

use super::context::{Inputs, TaskContext, counts_bytes, decoder_bytes, part_bytes};
use super::failure::Failure;

/// Writes the task's encoded parts as one bundle.
pub(super) async fn equalize(
    context: &TaskContext,
    job: &Job,
    task: &Task,
    inputs: &Inputs,
    key: String,
) -> Result<Pointer, Failure> {
    let pointer =
        job.lut.as_ref().ok_or_else(|| Failure::Trouble(SharedError::new("the job has no look-up table yet")))?;
    let bytes = context.fetch(pointer).await?;
    let (masked, head, table_key) = (context.masked_image(job, inputs), context.head(job), pointer.key.clone());
    let (info, cut, recipe) = (job.info.clone(), job.cut, job.pinned_recipe());
    let hash = PartHash::of(job.algo);
    let range = task.first_part..task.first_part + task.parts;
    // Encoded parts are held until the task is done; noise may encode to slightly more bytes than its raw rows.
    let memory = decoder_bytes(job, inputs) + (2 * u64::from(task.parts) + 4) * part_bytes(job) + counts_bytes(job) / 2;
    let bundle = context.pixels.run(memory, move || {
        let table = Table::from_bytes(&recipe, &Frame::of(&info), &bytes).map_err(|error| {
            codec::Error::Source(io::Error::other(Doing::new(format!("the look-up table {table_key}"), error)))
        })?;
        drop(bytes);
        let encoder = head.read()?;
        let mut masked = masked.open()?;
        let parts = range.map(|part| {
            let rows = masked.read(cut.rows_of(part, info.height))?;
            encoder.part(rows.first, rows.equalize(&recipe, &table))
        });
        Ok::<_, codec::Error>(codec::bundle(parts.collect::<codec::Result<_>>()?, hash))
    });
    let (head, parts) = bundle.await??;
    context.put_parts(key, head, parts).await
}

//! Equalize: applies the LUT to some parts and encodes them.

use std::io;

use shared::equalize::{Frame, Table};
use shared::job::{Job, Pointer};
use shared::task::Task;

use super::stage::{Failure, Inputs, Workshop, counts_bytes, decoder_bytes, part_bytes};
use crate::codec::{self, PartHash};

/// Writes the task's encoded parts as one bundle.
pub(super) async fn equalize(
    shop: &Workshop,
    job: &Job,
    task: &Task,
    inputs: &Inputs,
    key: String,
) -> Result<Pointer, Failure> {
    let pointer = job.lut.as_ref().ok_or_else(|| Failure::Trouble("the job has no look-up table yet".to_owned()))?;
    let bytes = shop.fetch(pointer).await?;
    let (sheet, head, table_key) = (shop.sheet(job, inputs), shop.head(job), pointer.key.clone());
    let (info, cut, recipe) = (job.info.clone(), job.cut, job.recipe.clone());
    let hash = PartHash::of(job.algo);
    let range = task.first_part..task.first_part + task.parts;
    // Encoded parts are held until the task is done; noise may encode to slightly more bytes than its raw rows.
    let memory = decoder_bytes(job, inputs) + (2 * u64::from(task.parts) + 4) * part_bytes(job) + counts_bytes(job) / 2;
    let bundle = shop.pixels.run(memory, move || {
        let table = Table::from_bytes(&recipe, &Frame::of(&info), &bytes).map_err(|error| {
            codec::Error::Source(io::Error::other(format!("the look-up table {table_key}: {error}")))
        })?;
        drop(bytes);
        let head = head.read()?;
        let mut sheet = sheet.open()?;
        let parts = range.map(|part| {
            let rows = sheet.read(cut.rows_of(part, info.height))?;
            codec::part(&head, rows.first, &rows.equalize(&recipe, &table))
        });
        Ok::<_, codec::Error>(codec::bundle(parts.collect::<codec::Result<_>>()?, hash))
    });
    shop.put_parts(key, bundle.await??).await
}

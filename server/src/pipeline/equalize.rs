//! Equalize: apply the look-up table to some parts, and encode them.

use shared::equalize::{Lut, apply, output_layout};
use shared::job::{Job, Pointer};
use shared::task::Task;

use super::stage::{Failure, Inputs, Workshop, decoder_bytes, part_bytes};
use crate::codec;

/// Writes the task's parts, encoded, as one bundle.
pub(super) async fn equalize(
    shop: &Workshop,
    job: &Job,
    task: &Task,
    inputs: &Inputs,
    key: String,
) -> Result<Pointer, Failure> {
    let table = job.lut.as_ref().ok_or_else(|| Failure::Trouble("the job has no look-up table yet".to_owned()))?;
    let lut = Lut::from_bytes(&shop.fetch(table).await?)
        .map_err(|error| Failure::Trouble(format!("the look-up table {}: {error}", table.key)))?;
    let (rows, original) = (shop.rows(job, inputs), shop.original(job));
    let (info, cut, recipe) = (job.info.clone(), job.cut, job.recipe);
    let range = task.first_part..task.first_part + task.parts;
    // Encoded parts are held until the task is done; noise may come out a little larger than it went in.
    let memory = decoder_bytes(job, inputs) + (2 * u64::from(task.parts) + 4) * part_bytes(job);
    let bundle = shop.pixels.run(memory, move || {
        let head = codec::head(&mut original.open()?, &info, output_layout(&recipe, info.layout))?;
        let mut reader = rows.open(&info)?;
        let parts = range.map(|part| {
            let at = cut.rows_of(part, info.height);
            let first = at.start;
            codec::part(&head, first, &apply(&recipe, &lut, reader.read(at)?))
        });
        Ok::<_, codec::Error>(codec::bundle(parts.collect::<codec::Result<_>>()?))
    });
    shop.put_parts(key, bundle.await??).await
}

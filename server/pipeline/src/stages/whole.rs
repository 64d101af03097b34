//! Whole: processes a small image in one task, in the same parts as a large one, so that the file is the same.

use std::io;
use std::sync::{Arc, OnceLock};

use shared::equalize::{Counts, Frame, Table};
use shared::job::{Companion, Job, Keeping, Pointer};

use super::companion;
use super::context::{Hashed, Inputs, TaskContext, counts_bytes};
use super::failure::Failure;
use super::histogram::unfit;

/// Writes the result file.
pub(super) async fn whole(context: &TaskContext, job: &Job, key: String) -> Result<Pointer, Failure> {
    let (head, masked) = (context.head(job), context.masked_image(job, &Inputs::default()));
    let reference = job.reference.as_ref().map(|companion| (context.companion(companion), companion.clone()));
    let (info, cut, recipe) = (job.info.clone(), job.cut, job.pinned_recipe());
    // Rows and encoded parts are held at once; this phase is only planned for small images.
    let memory = 4 * info.raw_bytes() + head.join_memory() + counts_bytes(job) + others_bytes(job);
    let notes = Arc::new(OnceLock::new());
    let noted = notes.clone();
    let writing = context.write(key, memory, Hashed::All, move |emit| {
        let encoder = head.read()?;
        let mut notes = encoder.notes();
        let (mut masked, mut rows) = (masked.open()?, Vec::new());
        let mut counts = Counts::new(&recipe, &Frame::of(&info)).map_err(unfit)?;
        for part in 0..cut.parts {
            let read = masked.read(cut.rows_of(part, info.height))?;
            read.count(&mut counts);
            rows.push(read);
        }
        while let Some(mut further) = counts.further() {
            notes.extend(counts.notes());
            rows.iter().for_each(|rows| rows.count(&mut further));
            counts = further;
        }
        noted.get_or_init(|| Keeping::of_changes(notes).changed);
        let reference = match reference {
            None => None,
            Some((original, Companion { info: of, .. })) => {
                let mut reader = codec::open(Box::new(original.open()?), &of)?;
                Some(companion::count(&mut *reader, &of, &recipe, info.layout)?)
            }
        };
        let table = Table::new(&recipe, &counts, reference.as_ref()).map_err(unfit)?;
        let parts = rows.into_iter().map(|rows| encoder.part(rows.first, rows.equalize(&recipe, &table)));
        let parts: Vec<_> = parts.collect::<codec::Result<_>>()?;
        let index: Vec<_> = parts.iter().map(|part| part.index.clone()).collect();
        let mut parts = || -> Box<dyn Iterator<Item = io::Result<Vec<u8>>>> {
            Box::new(parts.iter().map(|part| Ok(part.bytes.clone())))
        };
        codec::join(&encoder.head, &index)?.write(&mut parts, emit)
    });
    let mut result = context.with_checked_original(job, writing).await;
    for (role, companion) in [("mask", &job.mask), ("reference", &job.reference)] {
        if let Some(companion) = companion {
            result = context.with_checked_companion(role, companion, std::future::ready(result)).await;
        }
    }
    Ok(Pointer { notes: notes.get().cloned().unwrap_or_default(), ..result? })
}

/// Memory for reading the companions, in bytes.
fn others_bytes(job: &Job) -> u64 {
    let reference = job.reference.as_ref().map_or(0, |reference| companion::reference_bytes(&reference.info));
    let mask = job.mask.as_ref().map_or(0, |mask| mask.info.raw_bytes());
    reference + mask
}

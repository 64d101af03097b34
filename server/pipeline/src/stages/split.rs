//! Split: decodes an original that can't be read by regions, once, into raw rows that any task can read by ranges.
//!
//! As it reads the whole original, it also verifies that this is still what was uploaded.

use codec::PartHash;
use shared::job::{Job, Pointer};

use super::context::{Hashed, Inputs, TaskContext, decoder_bytes, part_bytes};
use super::failure::Failure;

/// Writes the image's rows, little-endian, row after row; then the parts' hashes.
pub(super) async fn split(context: &TaskContext, job: &Job, key: String) -> Result<Pointer, Failure> {
    let original = context.original(job);
    let (info, cut, hash) = (job.info.clone(), job.cut, PartHash::of(job.algo));
    let memory = decoder_bytes(job, &Inputs::default()) + 6 * part_bytes(job);
    let writing = context.write(key, memory, Hashed::Parts(hash), move |emit| {
        let mut reader = codec::open(Box::new(original.open()?), &info)?;
        for part in 0..cut.parts {
            emit(reader.read(cut.rows_of(part, info.height))?.into_le_bytes())?;
        }
        Ok(())
    });
    context.with_checked_original(job, writing).await
}

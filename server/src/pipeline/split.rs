//! Split: decode an original that can't be read by regions once, into raw rows that anyone can.

use shared::job::{Job, Pointer};

use super::stage::{Failure, Inputs, Workshop, decoder_bytes, part_bytes};
use crate::codec;

/// Writes the image's rows, little-endian, row after row.
pub(super) async fn split(shop: &Workshop, job: &Job, key: String) -> Result<Pointer, Failure> {
    let original = shop.opener(&job.original);
    let (info, cut) = (job.info.clone(), job.cut);
    let memory = decoder_bytes(job, &Inputs::default()) + 6 * part_bytes(job);
    shop.write(key, memory, move |emit| {
        let mut reader = codec::open(Box::new(original.open()?), &info)?;
        for part in 0..cut.parts {
            emit(reader.read(cut.rows_of(part, info.height))?.to_le_bytes())?;
        }
        Ok(())
    })
    .await
}

//! Whole: a small image in one task, in the same parts as a large one, so that the file is the same.

use shared::equalize::{Histogram, Lut, apply, output_layout};
use shared::job::{Job, Pointer};

use super::stage::{Failure, Hashed, Workshop};
use crate::codec;

/// Writes the result file.
pub(super) async fn whole(shop: &Workshop, job: &Job, key: String) -> Result<Pointer, Failure> {
    let (original, again) = (shop.original(job), shop.original(job));
    let (info, cut, recipe) = (job.info.clone(), job.cut, job.recipe);
    // The rows and the encoded parts are held at once; the image is small, that is why it is here.
    let memory = 4 * info.raw_bytes();
    let writing = shop.write(key, memory, Hashed::All, move |emit| {
        let head = codec::head(&mut original.open()?, &info, output_layout(&recipe, info.layout))?;
        let mut reader = codec::open(Box::new(again.open()?), &info)?;
        let mut histogram = Histogram::new(&recipe, info.layout, info.depth);
        let mut rows = Vec::new();
        for part in 0..cut.parts {
            let at = cut.rows_of(part, info.height);
            let read = reader.read(at.clone())?;
            histogram.count(&read);
            rows.push((at.start, read));
        }
        let lut = Lut::from_histogram(&histogram);
        let encode = |(first, rows)| codec::part(&head, first, &apply(&recipe, &lut, rows));
        let parts: Vec<_> = rows.into_iter().map(encode).collect::<codec::Result<_>>()?;
        let index: Vec<_> = parts.iter().map(|part| part.index.clone()).collect();
        let mut join = codec::join(&head, &index)?;
        emit(join.begin()?)?;
        for part in parts {
            emit(join.part(part.bytes)?)?;
        }
        emit(join.end()?)?;
        Ok(())
    });
    shop.with_checked_original(job, writing).await
}

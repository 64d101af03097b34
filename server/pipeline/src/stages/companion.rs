//! Companion stages: decode the mask once for all tasks, and count the histogram of the reference once.

use base::causes::SharedError;
use codec::{PartHash, RowReader};
use shared::equalize::{Histogram, Mask, Nodata, NodataRule, Recipe};
use shared::job::{Companion, Cut, ImageInfo, Job, Pointer};
use shared::pixels::Layout;

use super::context::{Hashed, TaskContext, part_bytes};
use super::failure::Failure;
use super::masked_image::mask_info;
use crate::job::companions::same_size;

/// Writes the mask's rows, one byte per pixel, in the image's parts; then the parts' hashes.
pub(super) async fn mask(context: &TaskContext, job: &Job, key: String) -> Result<Pointer, Failure> {
    let companion = named(job.mask.as_ref())?;
    let original = context.companion(companion);
    let (info, cut, to) = (companion.info.clone(), job.cut, job.info.clone());
    let hash = PartHash::of(job.algo);
    let memory = decoder_bytes(&companion.info, job.cut) + 2 * part_bytes(job);
    let writing = context.write(key, memory, Hashed::Parts(hash), move |emit| {
        same_size(&to, &info).map_err(codec::Error::Refused)?;
        let mut reader = codec::open(Box::new(original.open()?), &info)?;
        for part in 0..cut.parts {
            emit(Mask::image(&reader.read(cut.rows_of(part, mask_info(&to).height))?))?;
        }
        Ok(())
    });
    context.with_checked_companion("mask", companion, writing).await
}

/// Writes the histogram of the reference.
pub(super) async fn reference(context: &TaskContext, job: &Job, key: String) -> Result<Pointer, Failure> {
    let companion = named(job.reference.as_ref())?;
    let original = context.companion(companion);
    let (info, recipe, layout) = (companion.info.clone(), job.pinned_recipe(), job.info.layout);
    let counting = async {
        let counted = context.pixels.run(reference_bytes(&companion.info), move || {
            let mut reader = codec::open(Box::new(original.open()?), &info)?;
            Ok::<_, codec::Error>(count(&mut *reader, &info, &recipe, layout)?.to_bytes())
        });
        Ok::<_, Failure>(counted.await??)
    };
    let bytes = context.with_checked_companion("reference", companion, counting).await?;
    context.put(key, bytes).await
}

/// Counts the reference for an image with layout `image`. The reference's own nodata value is left out.
pub(crate) fn count(
    reader: &mut dyn RowReader,
    info: &ImageInfo,
    recipe: &Recipe,
    image: Layout,
) -> codec::Result<Histogram> {
    let cut = Cut::new(info, 1);
    let mut histogram = Histogram::for_reference(recipe, image, info.layout, info.depth);
    // The reference's own intensity, which may differ from the image's.
    let intensity = histogram.intensity();
    let missing = info.more.nodata.and_then(Nodata::new).map(|nodata| NodataRule::new(nodata, intensity));
    for part in 0..cut.parts {
        let rows = reader.read(cut.rows_of(part, info.height))?;
        match Mask::of(&rows, missing, None) {
            None => histogram.count(&rows),
            Some(mask) => histogram.count_masked(&rows, &mask),
        }
    }
    Ok(histogram)
}

/// Memory for counting a reference, in bytes.
pub(crate) fn reference_bytes(info: &ImageInfo) -> u64 {
    let cut = Cut::new(info, 1);
    decoder_bytes(info, cut) + 2 * u64::from(cut.part_rows) * info.row_bytes()
}

fn decoder_bytes(info: &ImageInfo, cut: Cut) -> u64 {
    if info.whole_decode { codec::decoder_memory(info) } else { u64::from(cut.part_rows) * info.row_bytes() }
}

fn named(companion: Option<&Companion>) -> Result<&Companion, Failure> {
    companion.ok_or_else(|| Failure::Trouble(SharedError::new("the job doesn't name the image that this task reads")))
}

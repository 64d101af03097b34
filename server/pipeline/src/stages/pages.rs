//! Pages: counts, equalizes and encodes some pages of a multi-page file, each page on its own, in the usual parts.
//!
//! Pages differ in size, depth and layout, and each has its own histogram. So one task takes a page from its rows to
//! its encoded parts, and only the stitch handles all pages together. A task's memory is bounded by the largest page,
//! which was checked against the limit for whole decoding when the file was accepted.

use codec::PartHash;
use shared::equalize::{Counts, Frame, Histogram, Recipe, Table, output_layout};
use shared::job::{Cut, ImageInfo, Job, Keeping, Pointer};
use shared::task::Task;

use super::context::{Inputs, TaskContext};
use super::encoder::for_recipe;
use super::failure::Failure;
use super::histogram::unfit;
use super::masked_image::MaskedRows;
use super::reduce::histogram_of;
use super::source::Original;
use crate::job::companions::check_page;

/// Writes the encoded parts of the task's pages as one bundle.
pub(super) async fn pages(
    context: &TaskContext,
    job: &Job,
    task: &Task,
    inputs: &Inputs,
    key: String,
) -> Result<Pointer, Failure> {
    let reference = match &inputs.reference {
        Some(pointer) => Some(histogram_of(context, pointer).await?),
        None => None,
    };
    let (original, limits) = (context.original(job), context.limits);
    let (info, recipe) = (job.info.clone(), job.pinned_recipe());
    let hash = PartHash::of(job.algo);
    let range = task.first_part..task.first_part + task.parts;
    // Encoded parts are held until the task is done; noise may encode to slightly more bytes than its raw rows. The
    // counts and tables, and some parts' rows, come on top.
    let memory = 2 * u64::from(task.parts) * info.more.largest_page + COUNTS;
    let bundle = context.pixels.run(memory, move || {
        let pages = codec::inspect_pages(&mut original.open()?, &limits, &info, range)?;
        let (mut parts, mut notes) = (Vec::new(), Vec::new());
        for page in &pages {
            check_page(&recipe, page, info.pages()).map_err(codec::Error::Refused)?;
            parts.extend(encoded(&original, page, &recipe, reference.as_ref(), &mut notes)?);
        }
        Ok::<_, codec::Error>((codec::bundle(parts, hash), Keeping::of_changes(notes).changed))
    });
    let ((head, parts), notes) = bundle.await??;
    Ok(Pointer { notes, ..context.put_parts(key, head, parts).await? })
}

/// Memory assumed for the counts and tables of a page, in bytes: those of CLAHE's largest grid.
const COUNTS: u64 = 128 << 20;

/// Returns the encoded parts of a page, and appends what users should know of it to `notes`.
fn encoded(
    original: &Original,
    page: &ImageInfo,
    recipe: &Recipe,
    reference: Option<&Histogram>,
    notes: &mut Vec<String>,
) -> codec::Result<Vec<codec::Part>> {
    let (cut, nodata) = (Cut::new(page, 1), recipe.nodata_of(page));
    let mut reader = codec::open(Box::new(original.open()?), page)?;
    let mut read = |part: u32| {
        let at = cut.rows_of(part, page.height);
        Ok::<_, codec::Error>(MaskedRows::new(at.start, reader.read(at)?, nodata, None))
    };
    let mut counts = Counts::new(recipe, &Frame::of(page)).map_err(unfit)?;
    loop {
        for part in 0..cut.parts {
            read(part)?.count(&mut counts);
        }
        notes.extend(counts.notes());
        match counts.further() {
            Some(further) => counts = further,
            None => break,
        }
    }
    let table = Table::new(recipe, &counts, reference).map_err(unfit)?;
    let head = codec::head(&mut original.open()?, page, output_layout(recipe, page.layout))?;
    let head = for_recipe(head, recipe, page);
    (0..cut.parts)
        .map(|part| {
            let rows = read(part)?;
            codec::part(&head, rows.first, &rows.equalize(recipe, &table))
        })
        .collect()
}

//! Stitch: joins the encoded parts to the result file. The join copies bytes, since the equalize phase has encoded the
//! pixels, except for WebP, which can only be encoded as a whole.
//!
//! Without a split, no task has read the whole original yet; in that case the stitch verifies that it is still what was
//! uploaded, before there is a result.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use shared::job::{Job, Phase, Pointer};

use super::checked::Checked;
use super::context::{Hashed, Inputs, TaskContext, part_bytes};
use super::failure::{Damaged, Failure};

/// Writes the result file.
pub(super) async fn stitch(context: &TaskContext, job: &Job, inputs: &Inputs, key: String) -> Result<Pointer, Failure> {
    let head = context.head(job);
    let bundles: Vec<_> = inputs.equalized.iter().map(|pointer| context.checked(job, pointer)).collect();
    let memory = 8 * part_bytes(job) + head.join_memory();
    let notes = Arc::new(OnceLock::new());
    let (noted, by_pages) = (notes.clone(), job.info.pages() > 1);
    let writing = context.write(key, memory, Hashed::All, move |emit| {
        let heads = if by_pages {
            head.read_pages()?
        } else {
            let encoder = head.read()?;
            noted.get_or_init(|| encoder.notes());
            vec![encoder.head]
        };
        join(&heads, &bundles, emit).map_err(|error| match error {
            codec::Error::Source(error) if is_damage(&error) => codec::Error::Source(survey(&bundles, error)),
            error => error,
        })
    });
    let result = if job.phases.contains(&Phase::Split) {
        writing.await
    } else {
        context.with_checked_original(job, writing).await
    };
    Ok(Pointer { notes: notes.get().cloned().unwrap_or_default(), ..result? })
}

fn join(
    heads: &[codec::Head],
    bundles: &[Checked],
    emit: &mut dyn FnMut(Vec<u8>) -> io::Result<()>,
) -> codec::Result<()> {
    let bundles: Vec<_> = bundles.iter().map(Bundle::open).collect::<io::Result<_>>()?;
    let index: Vec<_> = bundles.iter().flat_map(|bundle| bundle.opened.parts.iter().cloned()).collect();
    let joiner = codec::join_pages(&codec::by_pages(heads, &index)?)?;
    let mut parts = || -> Box<dyn Iterator<Item = io::Result<Vec<u8>>>> {
        Box::new(bundles.iter().flat_map(Bundle::parts).map(|part| part.map(Vec::from)))
    };
    joiner.write(&mut parts, emit)
}

fn is_damage(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Damaged>())
}

/// Finds all damaged bundles once one is found, so that all of them are remade at once.
fn survey(bundles: &[Checked], first: io::Error) -> io::Error {
    let read = |bundle| Bundle::open(bundle)?.parts().try_for_each(|part| part.map(drop));
    let damage = bundles.iter().filter_map(|bundle| read(bundle).err()?.downcast::<Damaged>().ok());
    let keys: Vec<String> = damage.flat_map(|damaged| damaged.keys).collect();
    let what = first.to_string();
    if keys.is_empty() { first } else { Damaged { keys, what }.into() }
}

/// The encoded parts of one task, as stored.
struct Bundle<'a> {
    checked: &'a Checked,
    opened: codec::Bundle,
}

impl<'a> Bundle<'a> {
    /// Reads the bundle's head.
    fn open(checked: &'a Checked) -> io::Result<Self> {
        let head = checked.table()?;
        let opened = codec::open_bundle(&head).map_err(|error| checked.damaged(&error.to_string()))?;
        Ok(Self { checked, opened })
    }

    /// Reads the parts' bytes in order.
    fn parts(&self) -> impl Iterator<Item = io::Result<Bytes>> {
        let ranges = self.opened.ranges().into_iter().zip(&self.opened.hashes);
        ranges.map(|(range, hash)| self.checked.part(range, hash))
    }
}

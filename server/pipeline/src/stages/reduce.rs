//! Reduce: sums the partial counts and builds the LUT. The master does this itself, as it is short; integer sums are
//! the same in any order.

use base::causes::Doing;
use shared::equalize::{Histogram, Spans, Table};
use shared::job::{Job, Keeping, Phase, Pointer};

use super::context::{TaskContext, counts_bytes};
use super::failure::Failure;
use super::histogram::empty;

/// Result of a reduce.
#[derive(Debug, Clone, PartialEq)]
pub enum Reduced {
    /// Of [`Phase::Ranges`]: the merged ranges, which are small, and what users should know of them.
    Ranges(Spans, Vec<String>),
    /// Of [`Phase::Histograms`]: the LUT of the whole image, as written.
    Table(Pointer),
}

/// Sums the counts of a phase. `reference` is the histogram to match, if there is one; the LUT is written under `key`.
///
/// # Errors
/// [`Failure::Damaged`] if counts differ from what was written, another [`Failure`] for other causes.
pub async fn reduce(
    context: &TaskContext,
    job: &Job,
    phase: Phase,
    counts: &[Pointer],
    reference: Option<&Pointer>,
    key: String,
) -> Result<Reduced, Failure> {
    let mut sum = empty(job, phase)?;
    for pointer in counts {
        let bytes = context.fetch(pointer).await?;
        let memory = 2 * (bytes.len() as u64 + counts_bytes(job));
        let added = context.pixels.run(memory, move || {
            let part = sum.filled(&bytes)?;
            sum.merge(&part)?;
            Ok::<_, Unusable>(sum)
        });
        sum = added.await?.map_err(|cause| unreadable(pointer, cause))?;
    }
    if let Some(spans) = sum.spans() {
        return Ok(Reduced::Ranges(spans, Keeping::of_changes(sum.notes()).changed));
    }
    let reference = match reference {
        None => None,
        Some(pointer) => Some(histogram_of(context, pointer).await?),
    };
    let recipe = job.pinned_recipe();
    let table = context.pixels.run(2 * counts_bytes(job), move || {
        Table::new(&recipe, &sum, reference.as_ref()).map(|table| table.to_bytes())
    });
    Ok(Reduced::Table(context.put(key, table.await?.map_err(unbuilt)?).await?))
}

/// Reads the histogram of the reference that a task wrote.
pub(super) async fn histogram_of(context: &TaskContext, pointer: &Pointer) -> Result<Histogram, Failure> {
    let histogram = Histogram::from_bytes(&context.fetch(pointer).await?);
    histogram.map_err(|error| unreadable(pointer, error))
}

/// Why counts can't be used.
type Unusable = Box<dyn std::error::Error + Send + Sync>;

fn unreadable(histogram: &Pointer, cause: impl Into<Unusable>) -> Failure {
    Failure::Trouble(Doing::new(format!("the histogram {}", histogram.key), cause).into())
}

fn unbuilt(cause: impl Into<Unusable>) -> Failure {
    Failure::Trouble(Doing::new("can't build the look-up table", cause).into())
}

//! The image pipeline, in data-flow order: accept → split → histogram → reduce → equalize → stitch → publish.
//!
//! [`step`] decides what a job needs next; the master runs it. [`work`] runs one task; workers call it.

pub mod accept;
pub mod cause;
pub mod companion;
pub mod failure;
pub mod gauge;
pub mod hex;
pub mod inspection;
pub mod local;
pub mod nodes;
pub mod orphans;
pub mod pixels;
pub mod plan;
pub mod reduce;
pub mod render;
pub mod rerun;
pub mod resume;
pub mod stage;
pub mod step;
pub mod turns;

mod adopt;
mod checked;
mod deadline;
mod encoder;
mod equalize;
mod histogram;
mod masked_image;
mod ordered;
mod overdue;
mod pages;
mod source;
mod split;
mod stitch;
mod whole;

use shared::job::{Job, Phase};
use shared::task::{Outcome, Task};
use store::keys;

use self::failure::Failure;
use self::stage::{Inputs, TaskContext, outcome};

/// Runs a task. `claim` is the claim's id; it is part of the output's key, so that no other attempt writes the same key.
///
/// # Errors
/// Any [`Failure`] except [`Failure::Refused`]: the attempt failed, and another one may succeed. A faulty image is not an
/// error but an [`Outcome::Refused`].
///
/// # Cancellation
/// Dropping the future leaves at most an object under a key that no record refers to.
pub async fn work(
    context: &TaskContext,
    job: &Job,
    task: &Task,
    inputs: &Inputs,
    claim: &str,
) -> Result<Outcome, Failure> {
    let key = keys::output(&job.image, &job.run, task.phase, task.index, task.attempt, claim);
    let output = match task.phase {
        Phase::Split => split::split(context, job, key).await,
        Phase::Mask => companion::mask(context, job, key).await,
        Phase::Reference => companion::reference(context, job, key).await,
        Phase::Ranges | Phase::Histograms => histogram::histogram(context, job, task, inputs, key).await,
        Phase::Equalize => equalize::equalize(context, job, task, inputs, key).await,
        Phase::Pages => pages::pages(context, job, task, inputs, key).await,
        Phase::Stitch => stitch::stitch(context, job, inputs, key).await,
        Phase::Whole => whole::whole(context, job, key).await,
    };
    // Before refusing the image, check that the original is still what was uploaded.
    let doubtful = match &output {
        Err(Failure::Refused(_)) => true,
        Err(Failure::Damaged { keys, .. }) => keys.contains(&job.original),
        _ => false,
    };
    match if doubtful { context.check_original(job).await } else { Ok(()) } {
        Err(failure) => outcome(Err(failure)),
        Ok(()) => outcome(output),
    }
}

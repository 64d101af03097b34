//! The stages of a job, in data-flow order: split → mask, reference → ranges → histograms → reduce → equalize → stitch.
//!
//! [`work`] runs one task; workers call it. The master itself calls [`reduce`]. Small images take one task ([`whole`]), and
//! multi-page files are equalized page by page ([`pages`]). [`render`] makes the viewer's pyramids and belongs to no job.

pub mod context;
pub mod failure;
pub mod reduce;
pub mod render;

mod checked;
pub(crate) mod companion;
pub(crate) mod encoder;
mod equalize;
pub(crate) mod histogram;
pub(crate) mod masked_image;
mod pages;
mod source;
mod split;
mod stitch;
mod whole;

use shared::job::{Job, Phase};
use shared::task::{Outcome, Task};
use store::keys;

use self::context::{Inputs, TaskContext, outcome};
use self::failure::Failure;

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

//! A further run of a job takes over the tasks that an earlier one finished.
//!
//! A task's output follows from the image, the arithmetic and the cut, so it is right in any run that has the same three. The
//! cut's tasks may follow the cluster; a further run takes the cut of the one before, whatever the cluster is by now.
//! An output that the store has lost or damaged since is found by whoever reads it, and made again as any other.

use shared::job::{Cut, Job};

use super::plan;
use crate::catalog::FinishedTask;

/// Plans a further run so that it can use what was finished.
pub fn take_over(job: &mut Job, finished: &[FinishedTask]) {
    let fits = |task: &&FinishedTask| task.algo == job.algo && has_same_parts(task.cut, job.cut);
    if let Some(task) = finished.iter().find(fits) {
        job.cut = task.cut;
        job.counts = job.phases.iter().map(|phase| (*phase, plan::count(*phase, task.cut))).collect();
    }
    job.resumes = finished.iter().any(|task| is_usable(job, task));
}

/// Whether a finished task is one of this run's.
pub fn is_usable(job: &Job, task: &FinishedTask) -> bool {
    task.algo == job.algo && task.cut == job.cut && task.index < job.count(task.phase) && task.key().is_some()
}

/// Parts follow from the image alone; other ones are another version's.
fn has_same_parts(one: Cut, other: Cut) -> bool {
    (one.part_rows, one.parts) == (other.part_rows, other.parts)
}

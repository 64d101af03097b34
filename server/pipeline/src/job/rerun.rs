//! Reuse of an earlier run's finished tasks by a new run of the same job.
//!
//! A task's output depends only on the image, the arithmetic and the cut, so it is valid in any run that has the same
//! three. The cut into tasks may depend on the cluster, so a new run takes over the cut of the earlier one, whatever
//! the cluster is by now. An output that the store has lost or damaged since is found by its reader and remade as usual.

use catalog::FinishedTask;
use shared::job::{Cut, Job};

use super::plan;

/// Adjusts the plan of a new run so that it can use the finished tasks.
pub fn take_over(job: &mut Job, finished: &[FinishedTask]) {
    let fits = |task: &&FinishedTask| task.algo == job.algo && has_same_parts(task.cut, job.cut);
    if let Some(task) = finished.iter().find(fits) {
        job.cut = task.cut;
        job.counts = job.phases.iter().map(|phase| (*phase, plan::count(*phase, task.cut))).collect();
    }
    job.resumes = finished.iter().any(|task| is_usable(job, task));
}

/// Returns whether a finished task's output is valid in this run.
pub fn is_usable(job: &Job, task: &FinishedTask) -> bool {
    task.algo == job.algo && task.cut == job.cut && task.index < job.count(task.phase) && task.key().is_some()
}

/// Parts depend on the image alone; different parts come from another version.
fn has_same_parts(one: Cut, other: Cut) -> bool {
    (one.part_rows, one.parts) == (other.part_rows, other.parts)
}

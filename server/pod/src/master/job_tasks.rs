//! The znodes of a job's tasks.

use std::collections::HashMap;

use catalog::FinishedTask;
use coord::record::to_json;
use coord::{CreateMode, Op, paths};
use pipeline::job::nodes::JobNodes;
use pipeline::job::{plan, rerun};
use shared::job::{Job, Phase};
use shared::task::Done;

use super::context::{MAX_BATCH_OPS, MasterContext};
use super::error::MasterError;

/// Creates the missing tasks of a phase, those that an earlier run finished together with their results.
pub(super) async fn create(
    context: &MasterContext,
    nodes: &JobNodes,
    phase: Phase,
    missing: &[u32],
) -> Result<(), MasterError> {
    let job = &nodes.job;
    let mut folder = (!nodes.phases.contains_key(&phase)).then(|| create_phase(job, phase));
    let finished = finished(context, job, phase).await?;
    // Each task together with its result, if it has one.
    for batch in missing.chunks(MAX_BATCH_OPS / 2) {
        let tasks = batch.iter().flat_map(|index| {
            let done = finished.get(index).map(|task| create_done(context, job, task));
            std::iter::once(create_task(context, job, phase, *index)).chain(done)
        });
        let ops = folder.take().into_iter().chain(tasks).collect();
        context.fence.write(&*context.coordinator, ops).await?;
    }
    tracing::info!(job = %job.job, %phase, tasks = missing.len(), finished = finished.len(), epoch = context.epoch().n, "tasks created");
    Ok(())
}

/// Returns the tasks of a phase that an earlier run finished.
async fn finished(context: &MasterContext, job: &Job, phase: Phase) -> Result<HashMap<u32, FinishedTask>, MasterError> {
    if !job.resumes {
        return Ok(HashMap::new());
    }
    let finished = context.pod.catalog.finished(&job.job).await?;
    let usable = finished.into_iter().filter(|task| task.phase == phase && rerun::is_usable(job, task));
    Ok(usable.map(|task| (task.index, task)).collect())
}

/// Returns the operations that create the tasks of a new job's first phase, as many as fit into the multi that creates its
/// node. The driver creates the rest.
pub(super) fn first_tasks(context: &MasterContext, job: &Job) -> Vec<Op> {
    let Some(&phase) = job.phases.first() else { return Vec::new() };
    let tasks = (0..job.count(phase)).take(MAX_BATCH_OPS).map(|index| create_task(context, job, phase, index));
    std::iter::once(create_phase(job, phase)).chain(tasks).collect()
}

fn create_phase(job: &Job, phase: Phase) -> Op {
    Op::Create { path: paths::phase(&job.job, phase), data: Vec::new(), mode: CreateMode::Persistent }
}

fn create_task(context: &MasterContext, job: &Job, phase: Phase, index: u32) -> Op {
    Op::Create {
        path: paths::task(&job.job, phase, index),
        data: to_json(&plan::task(job, phase, index, context.pod.stamp())),
        mode: CreateMode::Persistent,
    }
}

/// Returns the operation that creates the result of a task that an earlier run finished.
fn create_done(context: &MasterContext, job: &Job, task: &FinishedTask) -> Op {
    let done = Done { stamp: context.pod.stamp(), ..task.done.clone() };
    let path = paths::done(&paths::task(&job.job, task.phase, task.index));
    Op::Create { path, data: to_json(&done), mode: CreateMode::Persistent }
}

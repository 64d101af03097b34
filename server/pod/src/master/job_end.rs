//! The end of a job: its row is switched first, by one statement that decides it; then its outputs and its znodes are deleted.

use base::causes::chain;
use catalog::{Needed, ResultFile};
use coord::fence::FenceError;
use coord::{Error, Op, doorbell, paths};
use futures::TryStreamExt;
use pipeline::job::nodes::JobNodes;
use shared::job::Pointer;
use store::keys;

use super::context::{MAX_BATCH_OPS, MasterContext};
use super::error::MasterError;
use super::event_log;

/// Publishes the result: the switch of the row is the publication, everything after it only cleans up.
pub(super) async fn publish(context: &MasterContext, nodes: &JobNodes, result: Pointer) -> Result<(), MasterError> {
    let job = &nodes.job;
    let _ending = context.begin_ending(&job.job);
    let file = ResultFile { job: job.job.clone(), key: result.key, bytes: result.bytes, sha256: result.sha256 };
    let write = context.pod.catalog.publish(&context.epoch(), &job.run, &file, Some(&nodes.timeline())).await?;
    // No change: the result was published before, or the run was abandoned. In both cases this run is over, and its row
    // determines which objects are still needed.
    let needed = if context.mine(write).await? {
        tracing::info!(job = %job.job, run = %job.run, epoch = context.epoch().n, bytes = file.bytes, "job published");
        Needed::Only(Some(file.key))
    } else {
        context.pod.catalog.needed(&job.job, &job.run).await?
    };
    leave(context, nodes, &needed).await
}

/// Fails a job, with a reason for people.
pub(super) async fn fail(context: &MasterContext, nodes: &JobNodes, reason: &str) -> Result<(), MasterError> {
    let job = &nodes.job;
    let _ending = context.begin_ending(&job.job);
    let write = context.pod.catalog.fail(&context.epoch(), &job.job, &job.run, reason, Some(&nodes.timeline())).await?;
    if context.mine(write).await? {
        tracing::info!(job = %job.job, run = %job.run, epoch = context.epoch().n, reason, "job failed");
    }
    end(context, nodes).await
}

/// Marks an active job as finished, so that its driver deletes its znodes. A job whose nodes can't be written is set aside, as one
/// job's failure must not block the others.
pub(super) async fn cancel(context: &MasterContext, nodes: &JobNodes) -> Result<(), MasterError> {
    let job = &nodes.job;
    match event_log::finish_job(context, job, nodes.version).await {
        Err(error) if error.is_final() => context.set_aside(&job.job, chain(&error)),
        finished => finished?,
    }
    context.mirror.refresh(&job.job).await;
    Ok(())
}

/// Finishes a job whose row has ended. The doorbell notifies every page, even of a job that came and went between two
/// polls, and wakes the master, which is about to have a free slot.
async fn end(context: &MasterContext, nodes: &JobNodes) -> Result<(), MasterError> {
    event_log::finish_job(context, &nodes.job, nodes.version).await?;
    ring(context).await;
    Ok(())
}

/// Cleans up a job whose row has ended with a result, so that all its tasks are done. A job with few znodes doesn't need
/// the *finished* mark: either all its znodes are deleted at once, or the next leader finds all of them, publishes again
/// without effect and gets here.
async fn leave(context: &MasterContext, nodes: &JobNodes, needed: &Needed) -> Result<(), MasterError> {
    let deletions = deletions(nodes);
    if deletions.len() > MAX_BATCH_OPS || nodes.is_locked() {
        return end(context, nodes).await;
    }
    ring(context).await;
    delete_outputs(context, nodes, needed).await?;
    match event_log::end_job(context, &nodes.job.job, &nodes.job.image, deletions).await {
        // Foreign children or a new lock below it: mark it finished, and continue from there.
        Err(MasterError::NotEmpty(_) | MasterError::Forbidden(_)) => return end(context, nodes).await,
        written => written?,
    }
    tracing::debug!(job = %nodes.job.job, "job's znodes deleted");
    Ok(())
}

async fn ring(context: &MasterContext) {
    if let Err(error) = doorbell::ring(&*context.coordinator, &context.pod.moment()).await {
        tracing::debug!(error = %chain(&error), "ringing the doorbell failed; pages poll instead");
    }
}

/// Deletes what the run wrote except its published result, then the znodes. The job's own node is last: as long as it
/// exists, whichever pod leads resumes the deletion.
pub(super) async fn delete(context: &MasterContext, nodes: &JobNodes) -> Result<(), MasterError> {
    let needed = context.pod.catalog.needed(&nodes.job.job, &nodes.job.run).await?;
    delete_outputs(context, nodes, &needed).await?;
    for batch in deletions(nodes).chunks(MAX_BATCH_OPS) {
        match context.fence.write(&*context.coordinator, batch.to_vec()).await {
            // Someone else created nodes below it. They lie under a node of the array and are deleted with it.
            Err(FenceError::Conflict { source: Error::NotEmpty(_), .. }) => {
                context.remove_tree(&nodes.job.job).await?;
                break;
            }
            written => written?,
        }
    }
    tracing::debug!(job = %nodes.job.job, "job's znodes deleted");
    Ok(())
}

/// Deletes objects that an ended run wrote and that aren't needed. Only a row proves that a run has ended, never an absent
/// record; without such a row, the outputs are left to the sweeper.
async fn delete_outputs(context: &MasterContext, nodes: &JobNodes, needed: &Needed) -> Result<(), MasterError> {
    let job = &nodes.job;
    let Needed::Only(result) = needed else { return Ok(()) };
    let store = &context.pod.task_context.store;
    let written: Vec<_> = store.list(&keys::run(&job.image, &job.run)).try_collect().await?;
    for object in written.iter().filter(|object| Some(&object.key) != result.as_ref()) {
        store.delete(&object.key).await?;
    }
    Ok(())
}

/// Returns the operations that delete a job's znodes, its own node last.
fn deletions(nodes: &JobNodes) -> Vec<Op> {
    let job = &nodes.job.job;
    let mut ops = Vec::new();
    for (phase, tasks) in &nodes.phases {
        for (index, task) in tasks {
            let path = paths::task(job, *phase, *index);
            if task.done.is_some() {
                ops.push(Op::Delete { path: paths::done(&path), version: None });
            }
            // At the version that was read: if the task was claimed in between, this fails, and the driver waits for the lock
            // to go.
            ops.push(Op::Delete { path, version: Some(task.version) });
        }
        ops.push(Op::Delete { path: paths::phase(job, *phase), version: None });
    }
    ops.push(Op::Delete { path: paths::job(job), version: Some(nodes.version) });
    ops
}

//! Investigates a job that doesn't change: its workers may be busy, or its tasks locked or forbidden.

use std::sync::Arc;

use base::causes::chain;
use coord::record::to_json;
use coord::{CreateMode, Error, Op, paths, settle};
use pipeline::job::nodes::{JobNodes, TaskNodes};
use shared::id::JobId;
use shared::job::{Phase, Progress};

use super::context::MasterContext;
use super::error::{End, MasterError};
use super::job_end;
use crate::job_failure::{forbidden, spoiled};

/// Maximum number of tasks probed by an investigation.
const MAX_TASKS_PROBED: usize = 16;

/// Investigates a job that hasn't changed for long. Either the workers are busy, or they are locked out: a finished job
/// that waits for a lock no longer occupies a slot, and a job with tasks that no worker may claim fails.
pub(super) async fn look_into(context: &MasterContext, nodes: &JobNodes) -> Result<(), End> {
    let job = &nodes.job.job;
    if nodes.job.progress == Progress::Finished {
        context.set_aside(job, "one of its tasks is locked");
        // A worker's lock goes with its work or its session. A forged one may never go, and the job's row has ended.
        if forged_lock(nodes).is_some() {
            match context.remove_tree(job).await {
                Err(MasterError::End(end)) => return Err(end),
                Err(error) => {
                    tracing::warn!(%job, error = %chain(&error), "removing the job's znodes failed; retrying")
                }
                Ok(()) => {}
            }
            context.mirror.refresh(job).await;
        }
        return Ok(());
    }
    if let Some(path) = forged_lock(nodes) {
        // Confirmed by a fresh read, as the snapshot may have missed a change.
        if let Some(now) = read_again(context, job).await?.filter(|now| forged_lock(now).as_ref() == Some(&path)) {
            let reason = spoiled(&path, "no worker made this lock");
            return give_up(context, &now, &reason).await;
        }
        return Ok(());
    }
    let free = nodes.phases.iter().filter(|(phase, _)| nodes.has_inputs(**phase)).flat_map(|(phase, tasks)| {
        let open = |task: &&TaskNodes| task.lock.is_none() && task.done.is_none() && !task.task.is_struck_out();
        tasks.values().filter(open).map(move |task| (*phase, task))
    });
    let free: Vec<(Phase, &TaskNodes)> = free.take(MAX_TASKS_PROBED).collect();
    for (phase, task) in free {
        let path = paths::task(job, phase, task.task.index);
        // A dry run: its last operation always fails, so nothing takes effect. Which operation fails first shows whether
        // the others are allowed.
        let trial = vec![
            Op::Set { path: path.clone(), data: to_json(&task.task), version: Some(task.version) },
            Op::Create { path: paths::lock(&path), data: Vec::new(), mode: CreateMode::Ephemeral },
            Op::Check { path: path.clone(), version: Some(i32::MAX) },
        ];
        let kept_out = match context.coordinator.multi(trial).await {
            Err(Error::Multi { source, .. }) => matches!(*source, Error::Forbidden(_)),
            _ => false,
        };
        if kept_out {
            return give_up(context, nodes, &forbidden(&path)).await;
        }
    }
    Ok(())
}

/// Fails a stalled job; if that doesn't succeed, the next look at it tries again.
async fn give_up(context: &MasterContext, nodes: &JobNodes, reason: &str) -> Result<(), End> {
    match job_end::fail(context, nodes, reason).await {
        Err(MasterError::End(end)) => return Err(end),
        Err(error) => {
            tracing::warn!(job = %nodes.job.job, error = %chain(&error), "recording the job failure failed; retrying")
        }
        Ok(()) => {}
    }
    context.mirror.refresh(&nodes.job.job).await;
    Ok(())
}

/// Reads the job's znodes again, once every earlier operation of this session has run or never will.
pub(super) async fn read_again(context: &MasterContext, job: &JobId) -> Result<Option<Arc<JobNodes>>, End> {
    settle::settle(&*context.coordinator).await.map_err(End::Coordinator)?;
    context.mirror.refresh(job).await;
    Ok(context.mirror.nodes().borrow().jobs.get(job).cloned())
}

/// Returns the path of a lock that no claim made. A claim writes its lock and its strike in one transaction, and the strike is
/// removed only together with the lock.
fn forged_lock(nodes: &JobNodes) -> Option<String> {
    let is_forged = |task: &TaskNodes| task.lock.as_ref().is_some_and(|lock| !task.task.strikes.contains(&lock.claim));
    let mut tasks = nodes.phases.iter().flat_map(|(phase, tasks)| tasks.values().map(move |task| (*phase, task)));
    let (phase, task) = tasks.find(|(_, task)| is_forged(task))?;
    Some(paths::lock(&paths::task(&nodes.job.job, phase, task.task.index)))
}

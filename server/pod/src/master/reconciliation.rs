//! Reconciliation: compares the rows of running jobs with the znodes, and repairs the difference.

use std::cmp::Reverse;
use std::collections::HashMap;

use base::causes::chain;
use catalog::JobRow;
use coord::{paths, settle};
use pipeline::job::cause::Cause;
use pipeline::job::nodes::JobNodes;
use shared::id::{ImageId, JobId, RunId};
use shared::job::Progress;

use super::context::MasterContext;
use super::error::MasterError;
use super::{activation, event_log, job_end};
use crate::job_failure::{MAX_LOSSES, spoiled};
use crate::mirror::Nodes;

/// Starts a new run for rows that are `running` without a node, and finishes nodes whose row has ended.
///
/// The nodes were read before the rows. A row becomes `running` before its node is created, so a node without a matching
/// row is a leftover. A missing node is checked again after `sync`, because the mirror may be stale. If a driver ends the
/// job meanwhile, the row's run or state has changed, and the write has no effect.
pub(super) async fn reconcile(context: &MasterContext, seen: &Nodes, deleting: &[ImageId]) -> Result<(), MasterError> {
    let mut rows = context.pod.catalog.running().await?;
    // Jobs that lost the most runs come first: workers work on them alone.
    rows.sort_by_key(|row| Reverse(row.losses));
    let runs: HashMap<&JobId, Option<&RunId>> = rows.iter().map(|row| (&row.job, row.run.as_ref())).collect();
    for (job, nodes) in seen.jobs.iter().filter(|(_, nodes)| nodes.job.progress == Progress::Active) {
        if runs.get(job).copied().flatten() != Some(&nodes.job.run) {
            if !is_leftover(context, job, nodes).await {
                continue;
            }
            if !context.is_aside(job) {
                tracing::info!(%job, run = %nodes.job.run, "stale run; deleting its znodes");
            }
            job_end::cancel(context, nodes).await?;
        }
    }
    clear_unreadable(context, seen, &rows).await?;
    let gone = |row: &&JobRow| !seen.jobs.contains_key(&row.job) && !deleting.contains(&row.image);
    // Znodes in ZooKeeper outlive the pods: if they are gone, they were deleted, and the work isn't the cause.
    let stopped = context.pod.connector.ends_with_process();
    let mut synced = false;
    for row in rows.iter().filter(gone) {
        let Some(old) = &row.run else { continue };
        if !std::mem::replace(&mut synced, true) {
            settle::settle(&*context.coordinator).await?;
        }
        if context.coordinator.stat(&paths::job(&row.job)).await?.is_some() {
            continue;
        }
        if stopped && row.losses >= MAX_LOSSES {
            let reason = Cause::LostRuns(row.losses).to_string();
            let write = context.pod.catalog.fail(&context.epoch(), &row.job, old, &reason, None).await?;
            context.mine(write).await?;
            continue;
        }
        let run = activation::new_run();
        let write = context.pod.catalog.rerun(&context.epoch(), &row.job, old, &run, stopped).await?;
        if context.mine(write).await? {
            tracing::info!(job = %row.job, %old, %run, losses = row.losses, "job's znodes lost; starting a new run");
            activation::create(context, row, run, seen.threads()).await?;
        }
    }
    Ok(())
}

/// Fails jobs whose own record was overwritten with something unreadable, and removes their nodes.
async fn clear_unreadable(context: &MasterContext, seen: &Nodes, rows: &[JobRow]) -> Result<(), MasterError> {
    for (job, path, why) in seen.unexpected.spoiled_jobs() {
        let row = rows.iter().find(|row| row.job == job);
        if let Some((row, run)) = row.and_then(|row| Some((row, row.run.as_ref()?))) {
            let reason = spoiled(path, why);
            let write = context.pod.catalog.fail(&context.epoch(), &row.job, run, &reason, None).await?;
            if context.mine(write).await? {
                tracing::warn!(%job, %run, reason, "job failed");
                event_log::end_job(context, &row.job, &row.image, Vec::new()).await?;
            }
        }
        match context.remove_tree(&job).await {
            Err(error) if error.is_final() => context.set_aside(&job, chain(&error)),
            removed => removed?,
        }
    }
    Ok(())
}

/// Returns whether the znodes of a run whose row has ended are left over, and not just about to be deleted by their driver. A
/// driver marks the job before it switches the row. So if the mark isn't there after the row was read as ended, the
/// driver has finished or given up, and a fresh read tells which.
async fn is_leftover(context: &MasterContext, job: &JobId, nodes: &JobNodes) -> bool {
    if context.is_ending(job) {
        return false;
    }
    context.mirror.refresh(job).await;
    let mirror = context.mirror.nodes();
    let seen = mirror.borrow();
    seen.jobs.get(job).is_some_and(|seen| seen.version == nodes.version && seen.job.run == nodes.job.run)
}

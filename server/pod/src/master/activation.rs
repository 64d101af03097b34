//! Activation: queued jobs get a run, a plan and znodes, as many as there are slots for.

use std::collections::HashMap;
use std::time::Duration;

use base::backoff::Backoff;
use base::causes::chain;
use base::wall::now;
use catalog::JobRow;
use coord::record::to_json;
use coord::{CreateMode, Op, ensure_skeleton, paths, settle};
use pipeline::job::cause::Cause;
use pipeline::job::companions::{self, Missing};
use pipeline::job::plan::{Planning, plan};
use pipeline::job::rerun;
use shared::id::{JobId, RunId};
use shared::job::Lane;

use super::context::MasterContext;
use super::error::MasterError;
use super::job_tasks;
use crate::job_failure::refusal;
use crate::mirror::Nodes;

/// Pause before the catalog is asked again for the data of a run, before jitter.
const CATALOG_RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Activates the oldest queued jobs while slots are free. Large images get at most half of the slots, so that they never
/// hold up small ones.
pub(super) async fn admit(context: &MasterContext, seen: &Nodes) -> Result<(), MasterError> {
    let config = &context.pod.config;
    if seen.live() < config.min_pods {
        return Ok(());
    }
    let large_slots = (config.max_active_jobs / 2).max(1);
    let mut taken: HashMap<Lane, usize> = HashMap::new();
    for nodes in context.mirror.nodes().borrow().jobs.values().filter(|nodes| !context.is_aside(&nodes.job.job)) {
        *taken.entry(nodes.job.lane).or_default() += 1;
    }
    for (lane, min_pixels, max_pixels) in
        [(Lane::Small, 0, shared::job::SMALL_PIXELS), (Lane::Large, shared::job::SMALL_PIXELS + 1, i64::MAX as u64)]
    {
        let active: usize = taken.values().sum();
        let mut free = config.max_active_jobs.saturating_sub(active);
        if lane == Lane::Large {
            free = free.min(large_slots.saturating_sub(taken.get(&lane).copied().unwrap_or(0)));
        }
        if free == 0 {
            continue;
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        let rows = context.pod.catalog.queued(limit, min_pixels, max_pixels).await?;
        // A retried job may still have the znodes of its last run; it waits until they are deleted.
        let gone = |row: &&JobRow| !context.mirror.nodes().borrow().jobs.contains_key(&row.job);
        // Run each activation to its end even if another fails: an abandoned one would cost its job one of its runs.
        let activations = rows.iter().filter(gone).map(|row| activate(context, row, seen.threads()));
        for activated in futures::future::join_all(activations).await {
            *taken.entry(lane).or_default() += usize::from(activated?);
        }
    }
    Ok(())
}

/// Switches a row from `queued` to `running`, then creates the job's node. Returns whether this call activated the row.
async fn activate(context: &MasterContext, row: &JobRow, workers: usize) -> Result<bool, MasterError> {
    let run = new_run();
    let write = context.pod.catalog.activate(&context.epoch(), &row.job, &run).await?;
    let mine = context.mine(write).await?;
    if mine {
        create(context, row, run, workers).await?;
    }
    Ok(mine)
}

/// Creates a run's job node and the tasks of its first phase, and returns once they exist. Otherwise the term is over, and
/// the next master reconciles the row that is `running` without a node. Giving up earlier would cost the job one of its
/// runs.
pub(super) async fn create(
    context: &MasterContext,
    row: &JobRow,
    run: RunId,
    workers: usize,
) -> Result<(), MasterError> {
    let config = &context.pod.config;
    let planning = Planning { whole_below: config.whole_below, workers, parts_per_task: config.parts_per_task };
    let companions = loop {
        let limits = &context.pod.task_context.limits;
        match companions::find(&*context.pod.catalog, &row.recipe, &row.info, limits).await {
            Ok(companions) => break companions,
            Err(Missing::Refused(reason)) => {
                let reason = Cause::Image(reason).to_string();
                let write = context.pod.catalog.fail(&context.epoch(), &row.job, &run, &reason, None).await?;
                return context.mine(write).await.map(drop);
            }
            Err(Missing::Catalog(error)) => wait_for_catalog(&row.job, &error).await,
        }
    };
    let mut job = plan(row, run, &planning, companions, context.epoch().n, context.pod.stamp(), now());
    if row.run.is_some() {
        job.losses = row.losses;
        let finished = loop {
            match context.pod.catalog.finished(&row.job).await {
                Ok(finished) => break finished,
                Err(error) => wait_for_catalog(&row.job, &error).await,
            }
        };
        rerun::take_over(&mut job, &finished);
    }
    let path = paths::job(&job.job);
    let node = Op::Create { path: path.clone(), data: to_json(&job), mode: CreateMode::Persistent };
    // Tasks that are already finished are created by the driver.
    let tasks = if job.resumes { Vec::new() } else { job_tasks::first_tasks(context, &job) };
    let ops: Vec<Op> = std::iter::once(node).chain(tasks).collect();
    let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        match context.fence.write(&*context.coordinator, ops.clone()).await.map_err(MasterError::from) {
            Ok(()) => break,
            Err(MasterError::End(end)) => return Err(end.into()),
            Err(MasterError::Refused(invalid)) => {
                let reason = refusal(invalid);
                let write = context.pod.catalog.fail(&context.epoch(), &job.job, &job.run, &reason, None).await?;
                return context.mine(write).await.map(drop);
            }
            Err(error) => {
                tracing::info!(job = %job.job, error = %chain(&error), "creating the job znode failed; checking it")
            }
        }
        // Settle first: after that, the failed write has either run or never will.
        if settle::read_back(&*context.coordinator, || context.coordinator.stat(&path)).await?.is_some() {
            break;
        }
        // The parent may have been deleted.
        match ensure_skeleton(&*context.coordinator).await {
            Err(error) if error.is_terminal() => return Err(error.into()),
            made => drop(
                made.inspect_err(|error| tracing::info!(error = %chain(&error), "recreating the base znodes failed")),
            ),
        }
        backoff.wait().await;
    }
    tracing::info!(pod = %config.name, job = %job.job, run = %job.run, epoch = job.epoch, tasks = job.cut.tasks(), "job activated");
    context.mirror.refresh(&job.job).await;
    Ok(())
}

/// Pauses before the catalog is asked again for the data of a new run. Giving up would leave the row `running` without a node,
/// which looks like a lost run. When the term ends, this future is dropped.
async fn wait_for_catalog(job: &JobId, error: &catalog::Error) {
    tracing::warn!(%job, error = %chain(&error), "catalog unavailable; run delayed");
    tokio::time::sleep(CATALOG_RETRY_PAUSE.mul_f64(0.5 + base::backoff::jitter())).await;
}

/// Returns a fresh run id.
pub(super) fn new_run() -> RunId {
    let hex = uuid::Uuid::new_v4().simple().to_string();
    hex.parse().expect("a simple UUID is 32 lower-case hexadecimal digits")
}

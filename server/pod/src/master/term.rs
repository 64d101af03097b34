//! The master: activates queued jobs, drives active ones, and cleans up after those that ended.
//!
//! # Why it is safe
//! - Every write to znodes goes through the [`Fence`](coord::fence) and carries the versions that were read; every write
//!   to the catalog carries the [`Epoch`](catalog::Epoch). A master that was deposed without knowing it changes nothing.
//! - It keeps no state of its own that matters: [`step`](pipeline::job::step) derives each action from what was read.
//! - One loop activates, reconciles and deletes in sequence, and each job has one driver: no two actions of one master race.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::backoff::Backoff;
use base::causes::chain;
use base::wall::now;
use catalog::JobRow;
use coord::election::Candidacy;
use coord::record::to_json;
use coord::{Coordinator, CreateMode, Error, Op, ensure_skeleton, paths, settle};
use pipeline::job::cause::Cause;
use pipeline::job::companions::{self, Missing};
use pipeline::job::nodes::JobNodes;
use pipeline::job::plan::{Planning, plan};
use pipeline::job::rerun;
use shared::cluster::Candidate;
use shared::id::{ImageId, JobId, RunId};
use shared::job::{Lane, Progress};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::MasterContext;
use super::driver::Driver;
use super::error::{End, MasterError};
use super::{deletion, event_log, job_tasks, sweeper};
use crate::context::Pod;
use crate::job_failure::{MAX_LOSSES, refusal, spoiled};
use crate::mirror::{Mirror, Nodes};

/// Poll interval of the catalog; needed because rings can be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Longest pause between a poll and the next one that a ring triggers; rings that arrive meanwhile are answered together.
const RING_DEBOUNCE: Duration = Duration::from_millis(100);
/// After a poll, back off by this multiple of its duration (at most `RING_DEBOUNCE`) before a ring triggers the next one.
const POLL_BACKOFF_FACTOR: u32 = 4;
/// How long a stopping master waits for the catalog before its successor may start.
const HAND_OVER_TIMEOUT: Duration = Duration::from_millis(500);
/// Interval between reconciliations of rows and znodes.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(5);

/// A pod that leads.
pub(crate) struct Master {
    context: Arc<MasterContext>,
}

impl Master {
    /// Creates the master for a candidacy that has won.
    pub(crate) fn new(
        pod: Arc<Pod>,
        coordinator: Arc<dyn Coordinator>,
        mirror: Arc<Mirror>,
        candidacy: &Candidacy,
    ) -> Self {
        Self { context: Arc::new(MasterContext::new(pod, coordinator, mirror, candidacy)) }
    }

    /// Records an orderly stop in the catalog. The returned future doesn't borrow the master; poll it once the master no longer
    /// acts.
    ///
    /// At this point it is unknown whether the znodes outlive this process, and a job whose run is lost with them must not be
    /// charged for it. If this fails, or comes so late that a successor has taken the epoch, the runs count as after a crash.
    pub(crate) fn hand_over(&self) -> impl Future<Output = ()> + use<> {
        let context = self.context.clone();
        async move {
            let epoch = context.epoch();
            if epoch.n == 0 {
                return;
            }
            let name = &context.pod.config.name;
            match tokio::time::timeout(HAND_OVER_TIMEOUT, context.pod.catalog.hand_over(&epoch)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::warn!(pod = %name, error = %chain(&error), "recording the orderly stop failed")
                }
                Err(_) => tracing::warn!(pod = %name, "recording the orderly stop timed out"),
            }
        }
    }

    /// Runs until the term ends, and returns why it ended.
    pub(crate) async fn run(self, candidate: Candidate) -> End {
        if let Err(end) = self.inaugurate(candidate).await {
            return end;
        }
        let mut drivers: JoinSet<(JobId, Result<(), End>)> = JoinSet::new();
        let mut driven = BTreeSet::new();
        // Dropped with this function, so the tasks end with the term in every case.
        let mut sweeping = JoinSet::new();
        sweeping.spawn(sweeper::run(self.context.clone()));
        sweeping.spawn(event_log::follow_members(self.context.clone()));
        let mut nodes = self.context.mirror.nodes();
        let mut reconciled: Option<Instant> = None;
        let mut housekeeping = tokio::time::interval(POLL_INTERVAL);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut rings, mut rung, mut rested) = (None, false, Instant::now());
        loop {
            let seen = nodes.borrow_and_update().clone();
            for job in seen.jobs.keys().filter(|job| driven.insert((*job).clone())) {
                let driver = Driver::new(self.context.clone(), job.clone());
                let job = job.clone();
                drivers.spawn(async move { (job, driver.run().await) });
            }
            rung |= rings.replace(seen.rings) != Some(seen.rings);
            let poll = tokio::select! {
                biased;
                Some(ended) = drivers.join_next(), if !drivers.is_empty() => {
                    // Fill slots that became free at the same time together.
                    for ended in std::iter::once(ended).chain(std::iter::from_fn(|| drivers.try_join_next())) {
                        match ended {
                            Ok((_, Err(end))) => return end,
                            Ok((job, Ok(()))) => {
                                driven.remove(&job);
                            }
                            Err(panic) => return End::Crashed(panic),
                        }
                    }
                    true
                }
                // A ring that can't be answered yet stays pending without a busy loop.
                () = tokio::time::sleep_until(rested), if rung && seen.loaded => true,
                Some(Err(panic)) = sweeping.join_next() => return End::Crashed(panic),
                _ = housekeeping.tick() => true,
                changed = nodes.changed() => {
                    if changed.is_err() {
                        return End::Coordinator(Error::Expired);
                    }
                    false
                }
            };
            if poll && seen.loaded {
                rung = false;
                let began = Instant::now();
                let due = reconciled.is_none_or(|at| at.elapsed() >= RECONCILE_INTERVAL);
                match self.keep_house(&seen, due).await {
                    Ok(()) if due => reconciled = Some(Instant::now()),
                    Ok(()) => {}
                    Err(MasterError::End(end)) => return end,
                    Err(error) => {
                        tracing::warn!(pod = %self.context.pod.config.name, error = %chain(&error), "reconciling failed; retrying")
                    }
                }
                rested = Instant::now() + (POLL_BACKOFF_FACTOR * began.elapsed()).min(RING_DEBOUNCE);
            }
        }
    }

    /// Starts the term: take the epoch → fenced write to the own election node → sync. Only then is everything read.
    async fn inaugurate(&self, mut candidate: Candidate) -> Result<(), End> {
        let context = &self.context;
        let mut backoff = Backoff::new(Duration::from_millis(100), POLL_INTERVAL);
        loop {
            let attempt = async {
                let epoch = context.take_epoch().await?;
                candidate.epoch = Some(epoch.n);
                event_log::announce(context, &mut candidate).await?;
                settle::settle(&*context.coordinator).await?;
                tracing::info!(pod = %context.pod.config.name, epoch = epoch.n, "leading");
                Ok(())
            };
            match attempt.await {
                Ok(()) => {
                    // Announced epochs increase from master to master: each was taken after the previous master had lost.
                    context.pod.config.leadership.send_replace(candidate.epoch);
                    return Ok(());
                }
                Err(MasterError::End(end)) => return Err(end),
                Err(error) => {
                    tracing::warn!(pod = %context.pod.config.name, error = %chain(&error), "starting the term failed; retrying");
                    event_log::tell_losses(context).await?;
                    backoff.wait().await;
                    settle::connected(&*context.coordinator).await?;
                }
            }
        }
    }

    async fn keep_house(&self, seen: &Nodes, reconcile: bool) -> Result<(), MasterError> {
        let deleting = deletion::delete_images(&self.context, seen).await?;
        if reconcile {
            self.reconcile(seen, &deleting).await?;
            if self.context.catalog_is_current.load(Ordering::Relaxed) {
                deletion::empty_trash(&self.context).await?;
                deletion::sweep_uploads(&self.context).await?;
            }
        }
        self.admit(seen).await
    }

    /// Activates the oldest queued jobs while slots are free. Large images get at most half of the slots, so that they never
    /// hold up small ones.
    async fn admit(&self, seen: &Nodes) -> Result<(), MasterError> {
        let (context, config) = (&self.context, &self.context.pod.config);
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
            let activations = rows.iter().filter(gone).map(|row| self.activate(row, seen.live()));
            for activated in futures::future::join_all(activations).await {
                *taken.entry(lane).or_default() += usize::from(activated?);
            }
        }
        Ok(())
    }

    /// Switches a row from `queued` to `running`, then creates the job's node. Returns whether this call activated the row.
    async fn activate(&self, row: &JobRow, workers: usize) -> Result<bool, MasterError> {
        let (context, run) = (&self.context, new_run());
        let write = context.pod.catalog.activate(&context.epoch(), &row.job, &run).await?;
        let mine = context.mine(write).await?;
        if mine {
            self.create(row, run, workers).await?;
        }
        Ok(mine)
    }

    /// Creates a run's job node and the tasks of its first phase, and returns once they exist. Otherwise the term is over, and
    /// the next master reconciles the row that is `running` without a node. Giving up earlier would cost the job one of its
    /// runs.
    async fn create(&self, row: &JobRow, run: RunId, workers: usize) -> Result<(), MasterError> {
        let (context, config) = (&self.context, &self.context.pod.config);
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
                made => {
                    drop(made.inspect_err(
                        |error| tracing::info!(error = %chain(&error), "recreating the base znodes failed"),
                    ))
                }
            }
            backoff.wait().await;
        }
        tracing::info!(pod = %config.name, job = %job.job, run = %job.run, epoch = job.epoch, tasks = job.cut.tasks(), "job activated");
        context.mirror.refresh(&job.job).await;
        Ok(())
    }

    /// Fails jobs whose own record was overwritten with something unreadable, and removes their nodes.
    async fn clear_unreadable(&self, seen: &Nodes, rows: &[JobRow]) -> Result<(), MasterError> {
        let context = &self.context;
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
    async fn is_leftover(&self, job: &JobId, nodes: &JobNodes) -> bool {
        if self.context.is_ending(job) {
            return false;
        }
        self.context.mirror.refresh(job).await;
        let mirror = self.context.mirror.nodes();
        let seen = mirror.borrow();
        seen.jobs.get(job).is_some_and(|seen| seen.version == nodes.version && seen.job.run == nodes.job.run)
    }

    /// Starts a new run for rows that are `running` without a node, and finishes nodes whose row has ended.
    ///
    /// The nodes were read before the rows. A row becomes `running` before its node is created, so a node without a matching
    /// row is a leftover. A missing node is checked again after `sync`, because the mirror may be stale. If a driver ends the
    /// job meanwhile, the row's run or state has changed, and the write has no effect.
    async fn reconcile(&self, seen: &Nodes, deleting: &[ImageId]) -> Result<(), MasterError> {
        let context = &self.context;
        let mut rows = context.pod.catalog.running().await?;
        // Jobs on their last chance come first: workers work on them alone.
        rows.sort_by_key(|row| Reverse(row.losses));
        let runs: HashMap<&JobId, Option<&RunId>> = rows.iter().map(|row| (&row.job, row.run.as_ref())).collect();
        for (job, nodes) in seen.jobs.iter().filter(|(_, nodes)| nodes.job.progress == Progress::Active) {
            if runs.get(job).copied().flatten() != Some(&nodes.job.run) {
                if !self.is_leftover(job, nodes).await {
                    continue;
                }
                if !context.is_aside(job) {
                    tracing::info!(%job, run = %nodes.job.run, "stale run; deleting its znodes");
                }
                match event_log::finish_job(context, &nodes.job, nodes.version).await {
                    // A failure of one job must not block the others.
                    Err(error) if error.is_final() => context.set_aside(job, chain(&error)),
                    finished => finished?,
                }
                context.mirror.refresh(job).await;
            }
        }
        self.clear_unreadable(seen, &rows).await?;
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
            let run = new_run();
            let write = context.pod.catalog.rerun(&context.epoch(), &row.job, old, &run, stopped).await?;
            if context.mine(write).await? {
                tracing::info!(job = %row.job, %old, %run, losses = row.losses, "job's znodes lost; starting a new run");
                self.create(row, run, seen.live()).await?;
            }
        }
        Ok(())
    }
}

/// Pauses before the catalog is asked again for the data of a new run. Giving up would leave the row `running` without a node,
/// which looks like a lost run. When the term ends, this future is dropped.
async fn wait_for_catalog(job: &JobId, error: &catalog::Error) {
    tracing::warn!(%job, error = %chain(&error), "catalog unavailable; run delayed");
    tokio::time::sleep(POLL_INTERVAL.mul_f64(0.5 + base::backoff::jitter())).await;
}

fn new_run() -> RunId {
    let hex = uuid::Uuid::new_v4().simple().to_string();
    hex.parse().expect("a simple UUID is 32 lower-case hexadecimal digits")
}

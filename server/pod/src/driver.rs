//! The driver of one job: reads its znodes, asks [`step`] what to do next, does it, and reads again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::backoff::jitter;
use base::causes::chain;
use catalog::{FinishedTask, Needed, ResultFile};
use coord::fence::FenceError;
use coord::record::to_json;
use coord::{CreateMode, Error, Op, SessionState, doorbell, paths, settle};
use futures::TryStreamExt;
use pipeline::cause::Cause;
use pipeline::failure::Failure;
use pipeline::nodes::{JobNodes, Producer, TaskNodes};
use pipeline::reduce::{Reduced, reduce};
use pipeline::step::{self, Step, Suspect, step_within};
use pipeline::{plan, rerun};
use shared::id::JobId;
use shared::job::{Job, Phase, Pointer, Progress};
use shared::task::{Done, MAX_ATTEMPTS, Task};
use store::keys;
use tokio::sync::watch;
use tokio::time::Instant;

use super::event_log;
use super::job_failure::{forbidden, refusal, spoiled};
use super::master_context::MasterContext;
use super::master_error::{End, MasterError};
use super::mirror::Nodes;
use super::vigil::{Verdict, Vigil};

/// Maximum number of operations in one multi: far below 256 KiB with records of a few hundred bytes.
const MAX_BATCH_OPS: usize = 200;
/// Number of session timeouts without a change after which the driver investigates.
const STANDSTILL_TIMEOUTS: u32 = 2;
/// Maximum number of tasks probed by an investigation.
const MAX_TASKS_PROBED: usize = 16;
/// Pause before the next attempt to remove nodes that couldn't be removed.
const SET_ASIDE_PAUSE: Duration = Duration::from_secs(20);

/// Drives one job for one master.
pub(super) struct Driver {
    context: Arc<MasterContext>,
    job: JobId,
    /// Number of failed attempts of the reduce.
    troubles: u32,
}

impl Driver {
    pub(super) fn new(context: Arc<MasterContext>, job: JobId) -> Self {
        Self { context, job, troubles: 0 }
    }

    /// Drives the job until its node is gone.
    pub(super) async fn run(mut self) -> Result<(), End> {
        let context = self.context.clone();
        let mut nodes = context.mirror.nodes();
        let mut states = context.coordinator.states();
        let mut vigil = Vigil::new(context.coordinator.session_timeout());
        let mut failures = 0u32;
        loop {
            let Some(job) = nodes.borrow_and_update().jobs.get(&self.job).cloned() else { return Ok(()) };
            // Any disconnect, however short, interrupts the observation.
            if states.has_changed().unwrap_or(true) {
                states.mark_unchanged();
                vigil.interrupt();
            }
            let mut next = step_within(context.pod.config.image_time, &job);
            let spoiled = self.spoiled(&nodes.borrow(), &job);
            if let Some(reason) = spoiled {
                next = Step::Fail { reason };
            }
            let until = match &next {
                Step::Suspect { suspects } => match vigil.watch(suspects, Instant::now()) {
                    Verdict::Watch(until) => Some(until),
                    Verdict::Over(suspect) if self.stands(&suspect, &states).await? => {
                        next = Step::Fail { reason: suspect.reason };
                        None
                    }
                    Verdict::Over(_) => continue,
                },
                _ => {
                    vigil.interrupt();
                    None
                }
            };
            if matches!(next, Step::Wait | Step::Suspect { .. }) {
                let other = |seen: &Arc<Nodes>| !seen.jobs.get(&self.job).is_some_and(|seen| Arc::ptr_eq(seen, &job));
                let standstill = tokio::time::sleep(context.coordinator.session_timeout() * STANDSTILL_TIMEOUTS);
                let stands_still = tokio::select! {
                    changed = nodes.wait_for(other) => {
                        changed.map_err(|_| End::Coordinator(Error::Expired))?;
                        false
                    }
                    () = at(until) => false,
                    () = standstill => true,
                    _ = states.changed(), if until.is_some() => {
                        vigil.interrupt();
                        false
                    }
                };
                if stands_still {
                    self.look_into(&job).await?;
                }
                continue;
            }
            let acted = match self.act(&job, next).await {
                // Not retryable.
                Err(MasterError::Refused(why)) => self.fail(&job, &refusal(&why)).await,
                Err(MasterError::Forbidden(path)) if job.job.progress == Progress::Active => {
                    self.fail(&job, &forbidden(&path)).await
                }
                acted => acted,
            };
            match acted {
                Ok(()) => failures = 0,
                Err(MasterError::End(end)) => return Err(end),
                Err(error) => {
                    // The job's row has ended; only its nodes can't be written.
                    if let MasterError::Forbidden(why) | MasterError::Refused(why) = &error {
                        context.set_aside(&self.job, why);
                    }
                    let pause = match &error {
                        MasterError::Forbidden(_) | MasterError::Refused(_) => SET_ASIDE_PAUSE,
                        MasterError::Fence(_)
                        | MasterError::Coordinator(_)
                        | MasterError::EpochRetaken
                        | MasterError::NotEmpty(_) => Duration::from_millis(10 << failures.min(7)),
                        // An outage: check about once a second, so that work resumes soon after it ends.
                        _ => context.pod.config.backoff * (1 << failures.min(3)),
                    };
                    tracing::info!(job = %self.job, error = %chain(&error), "job step failed; retrying");
                    failures += 1;
                    self.rest(pause.mul_f64(0.5 + jitter())).await;
                    // Settle unknown outcomes before the job is read again.
                    settle::settle(&*context.coordinator).await.map_err(End::Coordinator)?;
                }
            }
            context.mirror.refresh(&self.job).await;
        }
    }

    /// Pauses; during an outage of the store, only until the outage ends.
    async fn rest(&self, pause: Duration) {
        let mut outage = self.context.pod.task_context.store.outage();
        let is_out = outage.borrow_and_update().is_some();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = outage.changed(), if is_out => {}
        }
    }

    /// Reads the job's znodes again, once every earlier operation of this session has run or never will.
    async fn read_again(&self) -> Result<Option<Arc<JobNodes>>, End> {
        let context = &self.context;
        settle::settle(&*context.coordinator).await.map_err(End::Coordinator)?;
        context.mirror.refresh(&self.job).await;
        Ok(context.mirror.nodes().borrow().jobs.get(&self.job).cloned())
    }

    /// Returns whether a suspect whose grace period is over still stands, judged by a fresh mirror and on an unbroken
    /// connection.
    async fn stands(&self, suspect: &Suspect, states: &watch::Receiver<SessionState>) -> Result<bool, End> {
        let limit = self.context.pod.config.image_time;
        let now = self.read_again().await?.map(|job| step_within(limit, &job));
        let named = matches!(now, Some(Step::Suspect { suspects }) if suspects.contains(suspect));
        Ok(named && !states.has_changed().unwrap_or(true))
    }

    /// Returns why the job can't continue if one of its nodes was overwritten by someone else.
    fn spoiled(&self, seen: &Nodes, job: &JobNodes) -> Option<String> {
        let (path, why) = seen.unexpected.spoiling(&self.job).filter(|_| job.job.progress == Progress::Active)?;
        Some(spoiled(path, why))
    }

    /// Investigates a job that hasn't changed for long. Either the workers are busy, or they are locked out: a finished job
    /// that waits for a lock no longer occupies a slot, and a job with tasks that nobody may claim fails.
    async fn look_into(&self, nodes: &JobNodes) -> Result<(), End> {
        let context = &self.context;
        if nodes.job.progress == Progress::Finished {
            context.set_aside(&self.job, "one of its tasks is locked");
            // A worker's lock goes with its work or its session. A forged one may never go, and the job's row has ended.
            if forged_lock(nodes).is_some() {
                match context.remove_tree(&self.job).await {
                    Err(MasterError::End(end)) => return Err(end),
                    Err(error) => {
                        tracing::warn!(job = %self.job, error = %chain(&error), "removing the job's znodes failed; retrying")
                    }
                    Ok(()) => {}
                }
                context.mirror.refresh(&self.job).await;
            }
            return Ok(());
        }
        if let Some(path) = forged_lock(nodes) {
            // Confirmed by a fresh read, as the snapshot may have missed a change.
            if let Some(now) = self.read_again().await?.filter(|now| forged_lock(now).as_ref() == Some(&path)) {
                let reason = spoiled(&path, "no worker made this lock");
                return self.give_up(&now, &reason).await;
            }
            return Ok(());
        }
        let free = nodes.phases.iter().filter(|(phase, _)| nodes.has_inputs(**phase)).flat_map(|(phase, tasks)| {
            let open = |task: &&TaskNodes| task.lock.is_none() && task.done.is_none() && !task.task.is_struck_out();
            tasks.values().filter(open).map(move |task| (*phase, task))
        });
        let free: Vec<(Phase, &TaskNodes)> = free.take(MAX_TASKS_PROBED).collect();
        for (phase, task) in free {
            let path = paths::task(&self.job, phase, task.task.index);
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
                return self.give_up(nodes, &forbidden(&path)).await;
            }
        }
        Ok(())
    }

    /// Fails a stalled job; if that doesn't succeed, the next look at it tries again.
    async fn give_up(&self, nodes: &JobNodes, reason: &str) -> Result<(), End> {
        match self.fail(nodes, reason).await {
            Err(MasterError::End(end)) => return Err(end),
            Err(error) => {
                tracing::warn!(job = %self.job, error = %chain(&error), "recording the job failure failed; retrying")
            }
            Ok(()) => {}
        }
        self.context.mirror.refresh(&self.job).await;
        Ok(())
    }

    async fn act(&mut self, job: &JobNodes, next: Step) -> Result<(), MasterError> {
        match next {
            Step::Wait | Step::Suspect { .. } => Ok(()),
            Step::Create { phase, missing } => self.create(job, phase, &missing).await,
            Step::Reduce { phase, histograms } => self.reduce(job, phase, &histograms).await,
            Step::Redo { producers } => self.redo(job, &producers).await,
            Step::Publish { result } => self.publish(job, result).await,
            Step::Fail { reason } => self.fail(job, &reason).await,
            Step::Delete => self.delete(job).await,
        }
    }

    async fn create(&self, nodes: &JobNodes, phase: Phase, missing: &[u32]) -> Result<(), MasterError> {
        let (context, job) = (&self.context, &nodes.job);
        let mut folder = (!nodes.phases.contains_key(&phase)).then(|| create_phase(job, phase));
        let finished = self.finished(job, phase).await?;
        // Each task together with its result, if it has one.
        for batch in missing.chunks(MAX_BATCH_OPS / 2) {
            let tasks = batch.iter().flat_map(|index| {
                let done = finished.get(index).map(|task| create_done(context, job, task));
                std::iter::once(create_task(context, job, phase, *index)).chain(done)
            });
            let ops = folder.take().into_iter().chain(tasks).collect();
            context.fence.write(&*context.coordinator, ops).await?;
        }
        tracing::info!(job = %self.job, %phase, tasks = missing.len(), finished = finished.len(), epoch = context.epoch().n, "tasks created");
        Ok(())
    }

    /// Returns the tasks of a phase that an earlier run finished.
    async fn finished(&self, job: &Job, phase: Phase) -> Result<HashMap<u32, FinishedTask>, MasterError> {
        if !job.resumes {
            return Ok(HashMap::new());
        }
        let finished = self.context.pod.catalog.finished(&job.job).await?;
        let usable = finished.into_iter().filter(|task| task.phase == phase && rerun::is_usable(job, task));
        Ok(usable.map(|task| (task.index, task)).collect())
    }

    async fn reduce(&mut self, nodes: &JobNodes, phase: Phase, histograms: &[Pointer]) -> Result<(), MasterError> {
        let (context, job) = (&self.context, &nodes.job);
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let key = keys::lut(&job.image, &job.run, context.epoch().n, &unique);
        let references = step::outputs(nodes, Phase::Reference);
        match reduce(&context.pod.task_context, job, phase, histograms, references.first(), key).await {
            Ok(Reduced::Table(lut)) => context.write_job(Job { lut: Some(lut), ..job.clone() }, nodes.version).await,
            Ok(Reduced::Ranges(ranges)) => {
                context.write_job(Job { ranges: Some(ranges), ..job.clone() }, nodes.version).await
            }
            Err(Failure::Damaged { keys, .. }) => {
                let producers = keys.iter().filter_map(|key| nodes.producer(key)).collect();
                match step::redo(nodes, producers) {
                    Step::Fail { reason } => self.fail(nodes, &reason).await,
                    Step::Redo { producers } => self.redo(nodes, &producers).await,
                    _ => Ok(()),
                }
            }
            Err(failure) if failure.is_outage(&context.pod.task_context.store).await => {
                Err(MasterError::Stage(failure))
            }
            Err(failure) => {
                self.troubles += 1;
                if matches!(failure, Failure::Trouble(_)) && self.troubles < MAX_ATTEMPTS {
                    return Err(MasterError::Stage(failure));
                }
                let cause = Cause::Summing { attempts: self.troubles, trouble: chain(&failure).to_string() };
                self.fail(nodes, &cause.to_string()).await
            }
        }
    }

    /// Discards damaged outputs and reopens their tasks, at the versions that were read: no worker has claimed those tasks
    /// since, so exactly what was read is deleted. The damaged objects stay in the store; the next attempt writes under another
    /// key.
    async fn redo(&self, nodes: &JobNodes, producers: &[Producer]) -> Result<(), MasterError> {
        let (context, job) = (&self.context, &nodes.job);
        for producer in producers {
            tracing::warn!(job = %self.job, ?producer, epoch = context.epoch().n, "output damaged in the store; making it again");
            let Producer::Task { phase, index } = producer else {
                // This write changes the job's version, so do only this one and read again.
                return context.write_job(Job { lut: None, ..job.clone() }, nodes.version).await;
            };
            let Some(read) = nodes.phases.get(phase).and_then(|tasks| tasks.get(index)) else { continue };
            let path = paths::task(&job.job, *phase, *index);
            // The last claim was committed; it didn't lapse.
            let task = Task { strikes: Vec::new(), claimed: None, stamp: context.pod.stamp(), ..read.task.clone() };
            let ops = vec![
                Op::Set { path: path.clone(), data: to_json(&task), version: Some(read.version) },
                Op::Delete { path: paths::done(&path), version: None },
            ];
            context.fence.write(&*context.coordinator, ops).await?;
        }
        Ok(())
    }

    /// Publishes the result: the switch of the row is the publication, everything after it only cleans up.
    async fn publish(&self, nodes: &JobNodes, result: Pointer) -> Result<(), MasterError> {
        let (context, job) = (&self.context, &nodes.job);
        let file = ResultFile { job: job.job.clone(), key: result.key, bytes: result.bytes, sha256: result.sha256 };
        let write = context.pod.catalog.publish(&context.epoch(), &job.run, &file, Some(&nodes.timeline())).await?;
        // No change: the result was published before, or the run was abandoned. In both cases this run is over, and the row
        // says what is needed.
        let needed = if context.mine(write).await? {
            tracing::info!(job = %self.job, run = %job.run, epoch = context.epoch().n, bytes = file.bytes, "job published");
            Needed::Only(Some(file.key))
        } else {
            context.pod.catalog.needed(&job.job, &job.run).await?
        };
        self.leave(nodes, &needed).await
    }

    async fn fail(&self, nodes: &JobNodes, reason: &str) -> Result<(), MasterError> {
        let (context, job) = (&self.context, &nodes.job);
        let write =
            context.pod.catalog.fail(&context.epoch(), &job.job, &job.run, reason, Some(&nodes.timeline())).await?;
        if context.mine(write).await? {
            tracing::info!(job = %self.job, run = %job.run, epoch = context.epoch().n, reason, "job failed");
        }
        self.end(nodes).await
    }

    /// Finishes a job whose row has ended. The doorbell notifies every page, even of a job that came and went between two
    /// polls, and tells the master that a slot is about to be free.
    async fn end(&self, nodes: &JobNodes) -> Result<(), MasterError> {
        event_log::finish_job(&self.context, &nodes.job, nodes.version).await?;
        self.ring().await;
        Ok(())
    }

    /// Cleans up a job whose row has ended with a result, so that all its tasks are done. A job with few znodes doesn't need
    /// the *finished* mark: either all its znodes are deleted at once, or the next leader finds all of them, publishes again
    /// without effect and gets here.
    async fn leave(&self, nodes: &JobNodes, needed: &Needed) -> Result<(), MasterError> {
        let deletions = deletions(nodes);
        if deletions.len() > MAX_BATCH_OPS || nodes.is_locked() {
            return self.end(nodes).await;
        }
        self.ring().await;
        self.delete_outputs(nodes, needed).await?;
        match event_log::end_job(&self.context, &nodes.job.job, &nodes.job.image, deletions).await {
            // Foreign children or a new lock below it: mark it finished, and continue from there.
            Err(MasterError::NotEmpty(_) | MasterError::Forbidden(_)) => return self.end(nodes).await,
            written => written?,
        }
        tracing::debug!(job = %self.job, "job's znodes deleted");
        Ok(())
    }

    async fn ring(&self) {
        if let Err(error) = doorbell::ring(&*self.context.coordinator, &self.context.pod.moment()).await {
            tracing::debug!(error = %chain(&error), "ringing the doorbell failed; pages poll instead");
        }
    }

    /// Deletes what the run wrote except its published result, then the znodes. The job's own node is last: as long as it
    /// exists, whichever pod leads resumes the deletion.
    async fn delete(&self, nodes: &JobNodes) -> Result<(), MasterError> {
        let needed = self.context.pod.catalog.needed(&nodes.job.job, &nodes.job.run).await?;
        self.delete_outputs(nodes, &needed).await?;
        for batch in deletions(nodes).chunks(MAX_BATCH_OPS) {
            match self.context.fence.write(&*self.context.coordinator, batch.to_vec()).await {
                // Someone else created nodes below it. They lie under a node of the array and are deleted with it.
                Err(FenceError::Conflict { source: Error::NotEmpty(_), .. }) => {
                    self.context.remove_tree(&self.job).await?;
                    break;
                }
                written => written?,
            }
        }
        tracing::debug!(job = %self.job, "job's znodes deleted");
        Ok(())
    }

    /// Deletes objects that an ended run wrote and that aren't needed. Only a row proves that a run has ended, never an absent
    /// record; without such a row, the outputs are left to the sweeper.
    async fn delete_outputs(&self, nodes: &JobNodes, needed: &Needed) -> Result<(), MasterError> {
        let (context, job) = (&self.context, &nodes.job);
        let Needed::Only(result) = needed else { return Ok(()) };
        let store = &context.pod.task_context.store;
        let written: Vec<_> = store.list(&keys::run(&job.image, &job.run)).try_collect().await?;
        for object in written.iter().filter(|object| Some(&object.key) != result.as_ref()) {
            store.delete(&object.key).await?;
        }
        Ok(())
    }
}

/// Returns the path of a lock that no claim made. A claim writes its lock and its strike in one transaction, and the strike is
/// removed only together with the lock.
fn forged_lock(nodes: &JobNodes) -> Option<String> {
    let is_forged = |task: &TaskNodes| task.lock.as_ref().is_some_and(|lock| !task.task.strikes.contains(&lock.claim));
    let mut tasks = nodes.phases.iter().flat_map(|(phase, tasks)| tasks.values().map(move |task| (*phase, task)));
    let (phase, task) = tasks.find(|(_, task)| is_forged(task))?;
    Some(paths::lock(&paths::task(&nodes.job.job, phase, task.task.index)))
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

/// Waits until the given time, or forever if there is none.
async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

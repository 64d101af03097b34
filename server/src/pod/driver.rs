//! One job's driver: reads, asks [`step`], does the one thing that it names, reads again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use shared::id::JobId;
use shared::job::{Job, Phase, Pointer, Progress};
use shared::task::{Done, MAX_ATTEMPTS, Task};
use tokio::sync::watch;
use tokio::time::Instant;

use super::event_log;
use super::jitter;
use super::master::{End, Office, Setback, forbidden, refusal, spoiled, to_json};
use super::mirror::Nodes;
use super::vigil::{Verdict, Vigil};
use crate::catalog::{FinishedTask, Needed, ResultFile};
use crate::coord::fence::FenceError;
use crate::coord::{CreateMode, Error, Op, SessionState, doorbell, paths, settle};
use crate::pipeline::cause::Cause;
use crate::pipeline::nodes::{JobNodes, Producer, TaskNodes};
use crate::pipeline::reduce::{Reduced, reduce};
use crate::pipeline::stage::Failure;
use crate::pipeline::step::{self, Step, Suspect, step_within};
use crate::pipeline::{plan, rerun};
use crate::store::keys;

/// Writes of one multi: far below 256 KiB with records of a few hundred bytes.
const BATCH: usize = 200;
/// Session timeouts without any change after which it is looked into why.
const STANDSTILLS: u32 = 2;
/// Tasks that are looked at then.
const LOOKED_INTO: usize = 16;
/// How long nodes that can't be removed are left alone before the next try.
const ASIDE: Duration = Duration::from_secs(20);

/// Drives one job for one master.
pub(super) struct Driver {
    office: Arc<Office>,
    job: JobId,
    /// Attempts of the reduce that failed.
    troubles: u32,
}

impl Driver {
    pub(super) fn new(office: Arc<Office>, job: JobId) -> Self {
        Self { office, job, troubles: 0 }
    }

    /// Acts until the job's node is gone.
    pub(super) async fn run(mut self) -> Result<(), End> {
        let office = self.office.clone();
        let mut nodes = office.mirror.nodes();
        let mut states = office.coordinator.states();
        let mut vigil = Vigil::new(office.coordinator.session_timeout());
        let mut setbacks = 0u32;
        loop {
            let Some(job) = nodes.borrow_and_update().jobs.get(&self.job).cloned() else { return Ok(()) };
            // A disconnect, however short, is a break in what was watched.
            if states.has_changed().unwrap_or(true) {
                states.mark_unchanged();
                vigil.interrupt();
            }
            let mut next = step_within(office.pod.config.image_time, &job);
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
                let standstill = tokio::time::sleep(office.coordinator.session_timeout() * STANDSTILLS);
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
                // Trying again can't help.
                Err(Setback::Refused(why)) => self.fail(&job, &refusal(&why)).await,
                Err(Setback::Forbidden(path)) if job.job.progress == Progress::Active => {
                    self.fail(&job, &forbidden(&path)).await
                }
                acted => acted,
            };
            match acted {
                Ok(()) => setbacks = 0,
                Err(Setback::End(end)) => return Err(end),
                Err(setback) => {
                    // Its row has ended; only its nodes can't be written.
                    if let Setback::Forbidden(why) | Setback::Refused(why) = &setback {
                        office.set_aside(&self.job, why);
                    }
                    let pause = match &setback {
                        Setback::Forbidden(_) | Setback::Refused(_) => ASIDE,
                        Setback::Again(_) | Setback::NotEmpty(_) => Duration::from_millis(10 << setbacks.min(7)),
                        // An outage: looked at about once a second, so that work goes on soon after its end.
                        _ => office.pod.config.backoff * (1 << setbacks.min(3)),
                    };
                    tracing::info!(job = %self.job, %setback, "will be tried again");
                    setbacks += 1;
                    self.rest(pause.mul_f64(0.5 + jitter())).await;
                    // Unknown outcomes are settled before the job is read again.
                    settle::settle(&*office.coordinator).await.map_err(End::Coordinator)?;
                }
            }
            office.mirror.refresh(&self.job).await;
        }
    }

    /// Pauses; no longer than an outage of the store lasts, if it is one.
    async fn rest(&self, pause: Duration) {
        let mut outage = self.office.pod.shop.store.outage();
        let is_out = outage.borrow_and_update().is_some();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = outage.changed(), if is_out => {}
        }
    }

    /// Whether a suspect whose grace is over is one still, in a picture of now and on an unbroken connection.
    async fn stands(&self, suspect: &Suspect, states: &watch::Receiver<SessionState>) -> Result<bool, End> {
        let office = &self.office;
        settle::settle(&*office.coordinator).await.map_err(End::Coordinator)?;
        office.mirror.refresh(&self.job).await;
        let limit = office.pod.config.image_time;
        let now = office.mirror.nodes().borrow().jobs.get(&self.job).map(|job| step_within(limit, job));
        let named = matches!(now, Some(Step::Suspect { suspects }) if suspects.contains(suspect));
        Ok(named && !states.has_changed().unwrap_or(true))
    }

    /// Why the job can't go on because of what somebody else wrote into one of its nodes.
    fn spoiled(&self, seen: &Nodes, job: &JobNodes) -> Option<String> {
        let (path, why) = seen.unexpected.spoiling(&self.job).filter(|_| job.job.progress == Progress::Active)?;
        Some(spoiled(path, why))
    }

    /// Nothing has changed for long. Either the workers have much to do, or somebody keeps them out: a job whose end waits
    /// for a lock takes no slot any more, and one with tasks that nobody may claim fails.
    async fn look_into(&self, nodes: &JobNodes) -> Result<(), End> {
        let office = &self.office;
        if nodes.job.progress == Progress::Finished {
            office.set_aside(&self.job, "somebody holds a lock on one of its tasks");
            return Ok(());
        }
        let free = nodes.phases.iter().filter(|(phase, _)| nodes.has_inputs(**phase)).flat_map(|(phase, tasks)| {
            let open = |task: &&TaskNodes| task.lock.is_none() && task.done.is_none() && !task.task.is_struck_out();
            tasks.values().filter(open).map(move |task| (*phase, task))
        });
        let free: Vec<(Phase, &TaskNodes)> = free.take(LOOKED_INTO).collect();
        for (phase, task) in free {
            let path = paths::task(&self.job, phase, task.task.index);
            // Never takes effect: its last operation fails. Which one fails first tells whether the others may be done.
            let trial = vec![
                Op::Set { path: path.clone(), data: to_json(&task.task), version: Some(task.version) },
                Op::Create { path: paths::lock(&path), data: Vec::new(), mode: CreateMode::Ephemeral },
                Op::Check { path: path.clone(), version: Some(i32::MAX) },
            ];
            let kept_out = match office.coordinator.multi(trial).await {
                Err(Error::Multi { source, .. }) => matches!(*source, Error::Forbidden(_)),
                _ => false,
            };
            if kept_out {
                match self.fail(nodes, &forbidden(&path)).await {
                    Err(Setback::End(end)) => return Err(end),
                    Err(setback) => tracing::warn!(job = %self.job, %setback, "will be tried again"),
                    Ok(()) => {}
                }
                office.mirror.refresh(&self.job).await;
                return Ok(());
            }
        }
        Ok(())
    }

    async fn act(&mut self, job: &JobNodes, next: Step) -> Result<(), Setback> {
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

    async fn create(&self, nodes: &JobNodes, phase: Phase, missing: &[u32]) -> Result<(), Setback> {
        let (office, job) = (&self.office, &nodes.job);
        let mut folder = (!nodes.phases.contains_key(&phase)).then(|| create_phase(job, phase));
        let finished = self.finished(job, phase).await?;
        // Each with its result, as far as there is one.
        for batch in missing.chunks(BATCH / 2) {
            let tasks = batch.iter().flat_map(|index| {
                let done = finished.get(index).map(|task| create_done(office, job, task));
                std::iter::once(create_task(office, job, phase, *index)).chain(done)
            });
            let ops = folder.take().into_iter().chain(tasks).collect();
            office.fence.write(&*office.coordinator, ops).await?;
        }
        tracing::info!(job = %self.job, %phase, tasks = missing.len(), finished = finished.len(), epoch = office.epoch().n, "tasks created");
        Ok(())
    }

    /// The tasks of a phase that an earlier run finished.
    async fn finished(&self, job: &Job, phase: Phase) -> Result<HashMap<u32, FinishedTask>, Setback> {
        if !job.resumes {
            return Ok(HashMap::new());
        }
        let finished = self.office.pod.catalog.finished(&job.job).await?;
        let usable = finished.into_iter().filter(|task| task.phase == phase && rerun::is_usable(job, task));
        Ok(usable.map(|task| (task.index, task)).collect())
    }

    async fn reduce(&mut self, nodes: &JobNodes, phase: Phase, histograms: &[Pointer]) -> Result<(), Setback> {
        let (office, job) = (&self.office, &nodes.job);
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let key = keys::lut(&job.image, &job.run, office.epoch().n, &unique);
        let references = step::outputs(nodes, Phase::Reference);
        match reduce(&office.pod.shop, job, phase, histograms, references.first(), key).await {
            Ok(Reduced::Table(lut)) => office.write_job(Job { lut: Some(lut), ..job.clone() }, nodes.version).await,
            Ok(Reduced::Ranges(ranges)) => {
                office.write_job(Job { ranges: Some(ranges), ..job.clone() }, nodes.version).await
            }
            Err(Failure::Damaged { keys, .. }) => {
                let producers = keys.iter().filter_map(|key| nodes.producer(key)).collect();
                match step::redo(nodes, producers) {
                    Step::Fail { reason } => self.fail(nodes, &reason).await,
                    Step::Redo { producers } => self.redo(nodes, &producers).await,
                    _ => Ok(()),
                }
            }
            Err(failure) if failure.is_outage(&office.pod.shop.store).await => Err(Setback::Later(failure.to_string())),
            Err(failure) => {
                self.troubles += 1;
                if matches!(failure, Failure::Trouble(_)) && self.troubles < MAX_ATTEMPTS {
                    return Err(Setback::Later(failure.to_string()));
                }
                let cause = Cause::Summing { attempts: self.troubles, trouble: failure.to_string() };
                self.fail(nodes, &cause.to_string()).await
            }
        }
    }

    /// Takes outputs back at the versions that were read: nobody has claimed those tasks since, so what is deleted is what
    /// was read. What was written before stays where it is; the next attempt has another key.
    async fn redo(&self, nodes: &JobNodes, producers: &[Producer]) -> Result<(), Setback> {
        let (office, job) = (&self.office, &nodes.job);
        for producer in producers {
            tracing::warn!(job = %self.job, ?producer, epoch = office.epoch().n, "its output was damaged in the store; it is made anew");
            let Producer::Task { phase, index } = producer else {
                // Who reads the job next, reads it at another version: one write, then a fresh look.
                return office.write_job(Job { lut: None, ..job.clone() }, nodes.version).await;
            };
            let Some(read) = nodes.phases.get(phase).and_then(|tasks| tasks.get(index)) else { continue };
            let path = paths::task(&job.job, *phase, *index);
            // Its last claim didn't lapse: it was committed.
            let task = Task { strikes: Vec::new(), claimed: None, stamp: office.pod.stamp(), ..read.task.clone() };
            let ops = vec![
                Op::Set { path: path.clone(), data: to_json(&task), version: Some(read.version) },
                Op::Delete { path: paths::done(&path), version: None },
            ];
            office.fence.write(&*office.coordinator, ops).await?;
        }
        Ok(())
    }

    /// The row's switch to the result is the publication; what follows only tidies up.
    async fn publish(&self, nodes: &JobNodes, result: Pointer) -> Result<(), Setback> {
        let (office, job) = (&self.office, &nodes.job);
        let file = ResultFile { job: job.job.clone(), key: result.key, bytes: result.bytes, sha256: result.sha256 };
        let write = office.pod.catalog.publish(&office.epoch(), &job.run, &file, Some(&nodes.timeline())).await?;
        // No change: published before, or the run was given up. Either way this run is over, and the row says what is needed.
        let needed = if office.mine(write).await? {
            tracing::info!(job = %self.job, run = %job.run, epoch = office.epoch().n, bytes = file.bytes, "published");
            Needed::Only(Some(file.key))
        } else {
            office.pod.catalog.needed(&job.job, &job.run).await?
        };
        self.leave(nodes, &needed).await
    }

    async fn fail(&self, nodes: &JobNodes, reason: &str) -> Result<(), Setback> {
        let (office, job) = (&self.office, &nodes.job);
        let write =
            office.pod.catalog.fail(&office.epoch(), &job.job, &job.run, reason, Some(&nodes.timeline())).await?;
        if office.mine(write).await? {
            tracing::info!(job = %self.job, run = %job.run, epoch = office.epoch().n, reason, "failed");
        }
        self.end(nodes).await
    }

    /// Its row has ended. The doorbell tells every page, also of a job that came and went between two looks, and
    /// tells the master that a slot is about to be free.
    async fn end(&self, nodes: &JobNodes) -> Result<(), Setback> {
        self.office.finish(&nodes.job, nodes.version).await?;
        self.ring().await;
        Ok(())
    }

    /// Its row has ended with a result, so all its tasks are done. A job of few znodes needs no mark that only its deletion is
    /// left: either all of them go at once, or whoever leads finds all of them, publishes again to no effect and comes here.
    async fn leave(&self, nodes: &JobNodes, needed: &Needed) -> Result<(), Setback> {
        let deletions = deletions(nodes);
        if deletions.len() > BATCH || nodes.is_locked() {
            return self.end(nodes).await;
        }
        self.ring().await;
        self.delete_outputs(nodes, needed).await?;
        match event_log::end_job(&self.office, &nodes.job.job, &nodes.job.image, deletions).await {
            // There is more below it than the array writes, or a new lock: what remains is done from the mark on.
            Err(Setback::NotEmpty(_) | Setback::Forbidden(_)) => return self.end(nodes).await,
            written => written?,
        }
        tracing::debug!(job = %self.job, "its nodes are deleted");
        Ok(())
    }

    async fn ring(&self) {
        if let Err(error) = doorbell::ring(&*self.office.coordinator, &self.office.pod.moment()).await {
            tracing::debug!(%error, "the doorbell wasn't rung; pages look again by themselves");
        }
    }

    /// Deletes what the run wrote but its published result, then the znodes, the job's own last: as long as it is
    /// there, whoever leads goes on with this.
    async fn delete(&self, nodes: &JobNodes) -> Result<(), Setback> {
        let needed = self.office.pod.catalog.needed(&nodes.job.job, &nodes.job.run).await?;
        self.delete_outputs(nodes, &needed).await?;
        for batch in deletions(nodes).chunks(BATCH) {
            match self.office.fence.write(&*self.office.coordinator, batch.to_vec()).await {
                // There is more below it than the array writes. It lies under a node of ours, and goes with it.
                Err(FenceError::Conflict { source: Error::NotEmpty(_), .. }) => {
                    self.office.remove_tree(&self.job).await?;
                    break;
                }
                written => written?,
            }
        }
        tracing::debug!(job = %self.job, "its nodes are deleted");
        Ok(())
    }

    /// Deletes what an ended run wrote and nobody needs. That it has ended is what a row says, never what a read lacks: where no
    /// row says so, its outputs are the sweeper's.
    async fn delete_outputs(&self, nodes: &JobNodes, needed: &Needed) -> Result<(), Setback> {
        let (office, job) = (&self.office, &nodes.job);
        let Needed::Only(result) = needed else { return Ok(()) };
        let store = &office.pod.shop.store;
        let later = |error: crate::store::Error| Setback::Later(error.to_string());
        let written: Vec<_> = store.list(&keys::run(&job.image, &job.run)).try_collect().await.map_err(later)?;
        for object in written.iter().filter(|object| Some(&object.key) != result.as_ref()) {
            store.delete(&object.key).await.map_err(later)?;
        }
        Ok(())
    }
}

/// The tasks of a new job's first phase, as far as they fit in the write that creates its node: a driver creates what is missing.
pub(super) fn first_tasks(office: &Office, job: &Job) -> Vec<Op> {
    let Some(&phase) = job.phases.first() else { return Vec::new() };
    let tasks = (0..job.count(phase)).take(BATCH).map(|index| create_task(office, job, phase, index));
    std::iter::once(create_phase(job, phase)).chain(tasks).collect()
}

fn create_phase(job: &Job, phase: Phase) -> Op {
    Op::Create { path: paths::phase(&job.job, phase), data: Vec::new(), mode: CreateMode::Persistent }
}

fn create_task(office: &Office, job: &Job, phase: Phase, index: u32) -> Op {
    Op::Create {
        path: paths::task(&job.job, phase, index),
        data: to_json(&plan::task(job, phase, index, office.pod.stamp())),
        mode: CreateMode::Persistent,
    }
}

/// The result of a task that an earlier run finished.
fn create_done(office: &Office, job: &Job, task: &FinishedTask) -> Op {
    let done = Done { stamp: office.pod.stamp(), ..task.done.clone() };
    let path = paths::done(&paths::task(&job.job, task.phase, task.index));
    Op::Create { path, data: to_json(&done), mode: CreateMode::Persistent }
}

/// What deletes a job's znodes, its own last.
fn deletions(nodes: &JobNodes) -> Vec<Op> {
    let job = &nodes.job.job;
    let mut ops = Vec::new();
    for (phase, tasks) in &nodes.phases {
        for (index, task) in tasks {
            let path = paths::task(job, *phase, *index);
            if task.done.is_some() {
                ops.push(Op::Delete { path: paths::done(&path), version: None });
            }
            // At the version that was read: a claim in between makes this fail, and its lock is waited for.
            ops.push(Op::Delete { path, version: Some(task.version) });
        }
        ops.push(Op::Delete { path: paths::phase(job, *phase), version: None });
    }
    ops.push(Op::Delete { path: paths::job(job), version: Some(nodes.version) });
    ops
}

/// Waits until a time, or for ever.
async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

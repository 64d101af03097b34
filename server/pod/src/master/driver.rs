//! The driver of one job: reads its znodes, asks [`step`] what to do next, does it, and reads again.

use std::sync::Arc;
use std::time::Duration;

use base::backoff::jitter;
use base::causes::chain;
use coord::record::to_json;
use coord::{Error, Op, SessionState, paths, settle};
use pipeline::job::cause::Cause;
use pipeline::job::nodes::{JobNodes, Producer};
use pipeline::job::step::{self, Step, Suspect, step_within};
use pipeline::stages::failure::Failure;
use pipeline::stages::reduce::{Reduced, reduce};
use shared::id::JobId;
use shared::job::{Job, Phase, Pointer, Progress};
use shared::task::{MAX_ATTEMPTS, Task};
use store::keys;
use tokio::sync::watch;
use tokio::time::Instant;

use super::context::MasterContext;
use super::error::{End, MasterError};
use super::vigil::{Verdict, Vigil};
use super::{job_end, job_tasks, standstill};
use crate::job_failure::{forbidden, refusal, spoiled};
use crate::mirror::Nodes;

/// Number of session timeouts without a change after which the driver investigates.
const STANDSTILL_TIMEOUTS: u32 = 2;
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
                    standstill::look_into(&context, &job).await?;
                }
                continue;
            }
            let acted = match self.act(&job, next).await {
                // Not retryable.
                Err(MasterError::Refused(invalid)) => job_end::fail(&context, &job, &refusal(invalid)).await,
                Err(MasterError::Forbidden(path)) if job.job.progress == Progress::Active => {
                    job_end::fail(&context, &job, &forbidden(&path)).await
                }
                acted => acted,
            };
            match acted {
                Ok(()) => failures = 0,
                Err(MasterError::End(end)) => return Err(end),
                Err(error) => {
                    // The job's row has ended; only its nodes can't be written.
                    if error.is_final() {
                        context.set_aside(&self.job, chain(&error));
                    }
                    let pause = match &error {
                        error if error.is_final() => SET_ASIDE_PAUSE,
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

    /// Returns whether a suspect whose grace period is over still stands, judged by a fresh mirror and on an unbroken
    /// connection.
    async fn stands(&self, suspect: &Suspect, states: &watch::Receiver<SessionState>) -> Result<bool, End> {
        let limit = self.context.pod.config.image_time;
        let now = standstill::read_again(&self.context, &self.job).await?.map(|job| step_within(limit, &job));
        let named = matches!(now, Some(Step::Suspect { suspects }) if suspects.contains(suspect));
        Ok(named && !states.has_changed().unwrap_or(true))
    }

    /// Returns why the job can't continue if one of its nodes was overwritten by someone else.
    fn spoiled(&self, seen: &Nodes, job: &JobNodes) -> Option<String> {
        let (path, why) = seen.unexpected.spoiling(&self.job).filter(|_| job.job.progress == Progress::Active)?;
        Some(spoiled(path, why))
    }

    async fn act(&mut self, job: &JobNodes, next: Step) -> Result<(), MasterError> {
        match next {
            Step::Wait | Step::Suspect { .. } => Ok(()),
            Step::Create { phase, missing } => job_tasks::create(&self.context, job, phase, &missing).await,
            Step::Reduce { phase, histograms } => self.reduce(job, phase, &histograms).await,
            Step::Redo { producers } => self.redo(job, &producers).await,
            Step::Publish { result } => job_end::publish(&self.context, job, result).await,
            Step::Fail { reason } => job_end::fail(&self.context, job, &reason).await,
            Step::Delete => job_end::delete(&self.context, job).await,
        }
    }

    async fn reduce(&mut self, nodes: &JobNodes, phase: Phase, histograms: &[Pointer]) -> Result<(), MasterError> {
        let (context, job) = (&self.context, &nodes.job);
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let key = keys::lut(&job.image, &job.run, context.epoch().n, &unique);
        let references = step::outputs(nodes, Phase::Reference);
        match reduce(&context.pod.task_context, job, phase, histograms, references.first(), key).await {
            Ok(Reduced::Table(lut)) => context.write_job(Job { lut: Some(lut), ..job.clone() }, nodes.version).await,
            Ok(Reduced::Ranges(ranges, notes)) => {
                context.write_job(Job { ranges: Some(ranges), notes, ..job.clone() }, nodes.version).await
            }
            Err(Failure::Damaged { keys, .. }) => {
                let producers = keys.iter().filter_map(|key| nodes.producer(key)).collect();
                match step::redo(nodes, producers) {
                    Step::Fail { reason } => job_end::fail(context, nodes, &reason).await,
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
                let cause = Cause::Summing { attempts: self.troubles, failure: failure.into() };
                job_end::fail(context, nodes, &cause.to_string()).await
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
}

/// Waits until the given time, or forever if there is none.
async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

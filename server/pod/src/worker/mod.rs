//! The worker: claims tasks, executes them, and commits their results.
//!
//! # Hazards
//! - *The pod pauses for a minute while it works.* Its session ends, the lock vanishes, another pod claims the task, and the
//!   task's version changes. The late commit checks the version that this claim wrote, so it fails; the late output lies under
//!   a key that belongs to this claim alone, and never counts.
//! - *The reply to a claim or a commit is lost.* [`claim`] reads back on the same session before it returns.
//! - *The work itself kills the pod.* The strike that the claim wrote stays. A task with a strike runs alone in its pod, so
//!   that it can't take other tasks down with it, and three strikes end it.

pub(crate) mod claims;
pub(crate) mod journal;
pub(crate) mod picker;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::backoff::{Backoff, jitter};
use base::causes::{SharedError, chain};
use base::panics;
use base::wall::now;
use coord::claim::{self, Held, Strike, StrikeReturn};
use coord::settle::connected;
use coord::{Coordinator, Error};
use futures::FutureExt;
use pipeline::job::nodes::JobNodes;
use pipeline::job::step;
use pipeline::stages::context::Inputs;
use pipeline::stages::failure::Failure;
use pipeline::stages::work;
use shared::clock::Stamp;
use shared::job::{Phase, RECORD_VERSION};
use shared::task::{Done, Lock, Outcome, StrikeEnd};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::claims::Claims;
use self::journal::Journal;
use self::picker::{Candidate, Picker, Revision};
use super::context::Pod;
use super::job_failure::refusal;
use super::mirror::Nodes;
use super::slots::Slot;

/// A pod's worker during one session.
pub(super) struct Worker {
    /// The pod that this worker belongs to.
    pub pod: Arc<Pod>,
    /// The session.
    pub coordinator: Arc<dyn Coordinator>,
    /// The mirror's snapshots, from which the worker picks tasks.
    pub nodes: watch::Receiver<Arc<Nodes>>,
    /// The pod's claims.
    pub claims: Claims,
    /// Records finished tasks in the catalog.
    pub journal: Journal,
    /// Stops the worker.
    pub stop: CancellationToken,
    /// Offset at which the worker starts its search, so that workers don't all try the same task first.
    pub start: usize,
}

/// A task that this worker is finished with.
struct Ended {
    path: String,
    /// The task's record as the claim saw it.
    seen: Revision,
    claim: Claim,
}

/// Outcome of a claim.
enum Claim {
    /// The claim was made, and its attempt has ended.
    Made,
    /// Another worker claimed the task at this revision, or the claim can never be written.
    Lost,
    /// The claim failed and may be retried.
    Failed,
    /// The session ended before the claim was known to be made.
    SessionOver,
}

impl Worker {
    /// Works until `stop`, then finishes the claimed tasks.
    pub async fn run(self) {
        let worker = Arc::new(self);
        let (stop, mut nodes) = (worker.stop.clone(), worker.nodes.clone());
        let mut outage = worker.pod.task_context.store.outage();
        let mut running: JoinSet<Ended> = JoinSet::new();
        let mut picker = Picker::new(worker.start);
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        let slots = worker.pod.slots.clone();
        loop {
            let seen = nodes.borrow_and_update().clone();
            picker.forget_stale(&seen);
            // During an outage of the store, claimed work couldn't be stored.
            let wants = outage.borrow_and_update().is_none() && picker.pick(&seen).is_some();
            let alone = picker.alone_for(&seen);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = running.join_next(), if !running.is_empty() => match ended {
                    Ok(ended) => {
                        picker.release(&ended.path);
                        match ended.claim {
                            // The mirror may not show the claim yet, although it has ended.
                            Claim::Made => {
                                backoff.reset();
                                picker.skip(ended.path, ended.seen);
                            }
                            Claim::Failed => backoff.wait().await,
                            Claim::Lost => picker.skip(ended.path, ended.seen),
                            Claim::SessionOver => break,
                        }
                    }
                    // Panics of the work itself are caught; after any other panic, the next session starts afresh.
                    Err(panic) => {
                        tracing::error!(pod = %worker.pod.config.name, %panic, "worker panicked; closing its session");
                        return worker.coordinator.close().await;
                    }
                },
                // No await between taking the slot and spawning the task: a frozen pod must not hold a slot.
                slot = slots.take(), if wants => {
                    picker.next_turn();
                    let seen = nodes.borrow_and_update().clone();
                    let Some(candidate) = picker.pick(&seen) else { continue };
                    picker.hold(&candidate);
                    let worker = worker.clone();
                    running.spawn(async move { worker.claim_and_attempt(candidate, slot).await });
                }
                changed = nodes.changed() => if changed.is_err() { break },
                Ok(()) = outage.changed() => {}
                // The other jobs' turn.
                () = tokio::time::sleep(alone.unwrap_or_default()), if alone.is_some() => {}
            }
        }
        while running.join_next().await.is_some() {}
        worker.journal.write().await;
    }

    /// Claims a task and executes it if the claim was made. The slot is free again when all of the task's work has ended, or
    /// when the claim failed or its outcome is unknown.
    async fn claim_and_attempt(&self, candidate: Candidate, slot: Slot) -> Ended {
        let (path, seen) = (candidate.path.clone(), candidate.revision());
        let claim = match self.claim(&candidate).await {
            Ok(Some(claimed)) => {
                self.attempt(candidate.job, claimed, slot).await;
                Claim::Made
            }
            Ok(None) => Claim::Lost,
            Err(error) => {
                drop(slot);
                tracing::debug!(pod = %self.pod.config.name, error = %chain(&error), task = path, "claiming failed");
                // Permanently rejected or retryable: neither may lead to a busy loop.
                match error {
                    _ if !self.connected().await => Claim::SessionOver,
                    Error::Invalid(_) => Claim::Lost,
                    _ => Claim::Failed,
                }
            }
        };
        Ended { path, seen, claim }
    }

    async fn claim(&self, candidate: &Candidate) -> Result<Option<Held>, Error> {
        let nodes = candidate.nodes();
        // The lock is gone. If the last claim ended neither in a release nor in a result, this pod is the first to establish
        // that.
        let mut seen = nodes.task.clone();
        seen.note_lapse(|| self.pod.moment());
        let now = self.pod.moment();
        let lock = Lock {
            v: RECORD_VERSION,
            pod: self.pod.config.name.clone(),
            claim: uuid::Uuid::new_v4().simple().to_string(),
            since: now.at,
            stamp: now.stamp,
        };
        let held = Held::new(&candidate.path, &seen, nodes.version, lock);
        // Enter it before it is made: if the session ends now, the outcome is unknown.
        self.claims.enter(&held);
        let claimed = claim::claim(&*self.coordinator, held.clone()).await;
        let made = match &claimed {
            Ok(claimed) => claimed.is_some(),
            Err(error) => error.is_unknown(),
        };
        if !made {
            self.claims.leave(&held);
        }
        claimed
    }

    /// Executes a claimed task up to its commit or release.
    async fn attempt(&self, job: Arc<JobNodes>, held: Held, slot: Slot) {
        let (name, path) = (&self.pod.config.name, held.path.clone());
        let task = &held.task;
        tracing::debug!(pod = %name, job = %job.job.job, phase = %task.phase, task = task.index, attempt = task.attempt, "claimed");
        // The slot stays taken until all work of the task has returned from its threads.
        let limit = self.pod.config.task_time.min(self.pod.config.image_time);
        let task_context = self.pod.task_context.for_task(limit, slot);
        let began = Instant::now();
        let work = async {
            self.note_attempt(&job).await?;
            work(&task_context, &job.job, task, &inputs(&job, task.phase)?, &held.lock.claim).await
        };
        let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(crash(&*panic)));
        let worked = began.elapsed();
        drop(task_context);
        let ended = match result {
            Ok(outcome) => self.commit(&job, &held, outcome, worked).await,
            Err(failure) => self.release(&held, &failure).await,
        };
        match ended {
            Ok(true) => self.claims.leave(&held),
            Ok(false) => {
                tracing::info!(pod = %name, task = path, attempt = task.attempt, "claim lost; result discarded");
                self.let_go(&held).await;
            }
            // The session is over; the pod's next session returns the strike.
            Err(error) => {
                tracing::info!(pod = %name, task = path, error = %chain(&error), "claim ended with the session")
            }
        }
    }

    /// Records an attempt in the catalog before any work is done in a run whose loss would count: if the work takes the whole
    /// array down, nothing else can record it.
    async fn note_attempt(&self, nodes: &JobNodes) -> Result<(), Failure> {
        if nodes.job.losses == 0 {
            return Ok(());
        }
        let noted = self.pod.catalog.begin_attempt(&nodes.job.job, &nodes.job.run).await;
        noted.map(drop).map_err(|error| Failure::Outage(error.into()))
    }

    async fn commit(&self, job: &JobNodes, held: &Held, outcome: Outcome, worked: Duration) -> Result<bool, Error> {
        let mut done = Done {
            v: RECORD_VERSION,
            pod: self.pod.config.name.clone(),
            attempt: held.task.attempt,
            outcome: short(outcome),
            started: held.lock.since,
            finished: now(),
            worked_ms: Some(u64::try_from(worked.as_millis()).unwrap_or(u64::MAX)),
            stamp: self.stamp(),
        };
        loop {
            match claim::commit(&*self.coordinator, held, &done).await {
                // The record will never fit; a refusal with the reason does.
                Err(Error::Invalid(invalid)) if matches!(done.outcome, Outcome::Stored(_)) => {
                    done.outcome = short(Outcome::Refused { reason: refusal(invalid) });
                }
                Err(error) if self.worth_repeating(&error).await => {}
                Ok(true) => break,
                other => return other,
            }
        }
        self.journal.enter(&job.job, &held.task, &done).await;
        if self.stop.is_cancelled() {
            self.journal.write().await;
        }
        Ok(true)
    }

    async fn release(&self, held: &Held, failure: &Failure) -> Result<bool, Error> {
        let task = &held.task;
        let is_outage = failure.is_outage(&self.pod.task_context.store).await;
        tracing::warn!(pod = %self.pod.config.name, task = held.path, attempt = task.attempt, failure = %chain(failure), is_outage, "task attempt failed");
        let mut held = held.clone();
        let (mut trouble, mut strike, mut attempt) = (Some(chain(failure).to_string()), Strike::GiveBack, task.attempt);
        if is_outage {
            // An outage isn't the task's fault, so the claim is undone. Its output's key carries the claim's id, so
            // another attempt may reuse the number.
            held.task.attempt -= 1;
            trouble = task.trouble.clone();
            // During an outage of the store nothing is claimed anyway; an outage of the catalog is hit again by the next claim,
            // so pause longer.
            attempt = if matches!(failure, Failure::Outage(_)) { 4 } else { 0 };
        } else {
            held.task.damaged = damaged(failure);
        }
        if let Some(end) = strike_end(failure) {
            strike = Strike::Keep;
            held.task.ends.insert(held.lock.claim.clone(), end);
        }
        // The store may need time; the next worker to claim the task shouldn't hit it at once.
        let pause = (self.pod.config.backoff * (1 << attempt.min(6))).mul_f64(0.5 + jitter());
        tokio::time::sleep(pause).await;
        loop {
            match claim::release(&*self.coordinator, &held, trouble.clone(), strike, self.stamp()).await {
                Err(error) if self.worth_repeating(&error).await => {}
                other => return other,
            }
        }
    }

    /// Deletes the lock of a claim that was lost although its lock still exists; if that fails, it becomes a debt when the
    /// session ends.
    async fn let_go(&self, held: &Held) {
        loop {
            match claim::let_go(&*self.coordinator, held, &self.stamp()).await {
                Ok(StrikeReturn::Settled) => return self.claims.leave(held),
                Ok(StrikeReturn::Waits) => return,
                Err(error) if self.worth_repeating(&error).await => {}
                Err(error) => {
                    return tracing::info!(task = held.path, error = %chain(&error), "releasing the claim failed; its lock ends with the session");
                }
            }
        }
    }

    /// Returns whether an operation that failed with this error should be repeated; waits for the session to reconnect.
    async fn worth_repeating(&self, error: &Error) -> bool {
        matches!(error, Error::Disconnected | Error::Unknown(_)) && self.connected().await
    }

    /// Waits until the session is connected; returns `false` if it ended.
    async fn connected(&self) -> bool {
        connected(&*self.coordinator).await.is_ok()
    }

    fn stamp(&self) -> Stamp {
        self.pod.stamp()
    }
}

/// Returns the keys that a failed attempt found damaged, as many as fit into a record.
fn damaged(failure: &Failure) -> Vec<String> {
    match failure {
        Failure::Damaged { keys, .. } => keys.iter().take(100).cloned().collect(),
        _ => Vec::new(),
    }
}

/// Returns how the attempt ended, if this failure keeps the strike.
fn strike_end(failure: &Failure) -> Option<StrikeEnd> {
    match failure {
        Failure::Crashed(_) => Some(StrikeEnd::Crashed),
        Failure::Overran(_) => Some(StrikeEnd::Overran),
        _ => None,
    }
}

/// Converts a panic into a failure.
fn crash(panic: &(dyn std::any::Any + Send)) -> Failure {
    Failure::Crashed(SharedError::new(panics::message(panic).unwrap_or("no message")))
}

/// Returns the outcome with its reason shortened to fit into a record.
fn short(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Refused { reason } => Outcome::Refused { reason: claim::clipped(reason) },
        stored @ Outcome::Stored(_) => stored,
    }
}

/// Returns what a task of this phase reads from earlier phases.
fn inputs(job: &JobNodes, phase: Phase) -> Result<Inputs, Failure> {
    let mut inputs = Inputs::default();
    if matches!(phase, Phase::Ranges | Phase::Histograms | Phase::Equalize) {
        for (phase, input) in [(Phase::Split, &mut inputs.split), (Phase::Mask, &mut inputs.mask)] {
            if job.job.phases.contains(&phase) {
                *input = Some(all(job, phase)?.remove(0));
            }
        }
    }
    if phase == Phase::Stitch {
        let encoded = if job.job.phases.contains(&Phase::Pages) { Phase::Pages } else { Phase::Equalize };
        inputs.equalized = all(job, encoded)?;
    }
    if phase == Phase::Pages && job.job.phases.contains(&Phase::Reference) {
        inputs.reference = Some(all(job, Phase::Reference)?.remove(0));
    }
    Ok(inputs)
}

/// Returns the outputs of a phase, which must be complete.
fn all(job: &JobNodes, phase: Phase) -> Result<Vec<shared::job::Pointer>, Failure> {
    let outputs = step::outputs(job, phase);
    let (expected, found) = (job.job.count(phase) as usize, outputs.len());
    if expected != found || found == 0 {
        return Err(Failure::Trouble(SharedError::new(format!(
            "expected {expected} outputs of {phase}, found {found}"
        ))));
    }
    Ok(outputs)
}

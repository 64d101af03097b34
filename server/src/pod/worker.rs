//! The worker: claims tasks, does them, commits what came of it.
//!
//! # Hazards
//! - *The pod pauses for a minute while it works.* Its session ends, the lock vanishes, another pod claims the task and
//!   its version moves on. The late commit checks the version that this claim wrote, so it fails; the late output lies
//!   under a key of this claim alone and never counts.
//! - *The reply to a claim or a commit is lost.* [`claim`] reads back on the same session before it answers.
//! - *The work itself kills the pod.* The strike that the claim wrote stays; a task with a strike runs alone in its
//!   pod, so that it can't take innocent tasks with it, and three strikes end it.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use shared::clock::Stamp;
use shared::job::{ALGO, Phase, Progress, RECORD_VERSION};
use shared::task::{Done, Lock, Outcome, StrikeEnd};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Pod;
use super::claims::Claims;
use super::journal::Journal;
use super::master::{MAX_LOSSES, refusal};
use super::mirror::Nodes;
use super::slots::Slot;
use crate::backoff::Backoff;
use crate::coord::claim::{self, Debt, Held, Strike};
use crate::coord::settle::connected;
use crate::coord::{Coordinator, Error, paths};
use crate::panics;
use crate::pipeline::nodes::{JobNodes, TaskNodes};
use crate::pipeline::stage::{Failure, Inputs};
use crate::pipeline::{step, work};

/// The phases that this version's workers can do.
pub const KINDS: [Phase; Phase::ALL.len()] = Phase::ALL;

/// A pod's worker during one session.
pub(super) struct Worker {
    /// The pod.
    pub pod: Arc<Pod>,
    /// Its session.
    pub coordinator: Arc<dyn Coordinator>,
    /// What it decides from.
    pub nodes: watch::Receiver<Arc<Nodes>>,
    /// Its claims.
    pub claims: Claims,
    /// What it finished.
    pub journal: Journal,
    /// Ends it.
    pub stop: CancellationToken,
    /// Where it starts its search, so that workers don't all try the same task first.
    pub start: usize,
}

/// A task that could be claimed.
struct Candidate {
    job: Arc<JobNodes>,
    phase: Phase,
    index: u32,
    path: String,
}

/// A task that this pod has no more to do with.
struct Ended {
    path: String,
    claim: Claim,
}

/// What became of a claim.
enum Claim {
    /// It was made, or nobody knows.
    Made,
    /// Another worker claimed the task at this version.
    Lost { version: i32 },
    /// It failed, and may be worth another try.
    Failed,
    /// The session ended before the claim was known to be made.
    SessionOver,
}

impl Worker {
    /// Works until `stop`, then finishes what it holds.
    pub async fn run(self) {
        let worker = Arc::new(self);
        let (stop, mut nodes) = (worker.stop.clone(), worker.nodes.clone());
        let mut outage = worker.pod.shop.store.outage();
        let mut running: JoinSet<Ended> = JoinSet::new();
        // What runs here, by path, and whether it must run alone.
        let mut held: BTreeMap<String, bool> = BTreeMap::new();
        // Versions at which a claim was lost: the picture will move on.
        let mut lost: HashMap<String, i32> = HashMap::new();
        let mut turn = worker.start;
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        let slots = worker.pod.slots.clone();
        loop {
            let seen = nodes.borrow_and_update().clone();
            lost.retain(|path, version| is_at(&seen, path, *version));
            // Whatever is claimed while the store fails for everyone comes to nothing.
            let wants = outage.borrow_and_update().is_none() && worker.pick(&seen, turn, &held, &lost).is_some();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = running.join_next(), if !running.is_empty() => match ended {
                    Ok(ended) => {
                        held.remove(&ended.path);
                        match ended.claim {
                            Claim::Made => backoff.reset(),
                            Claim::Failed => backoff.wait().await,
                            Claim::Lost { version } => drop(lost.insert(ended.path, version)),
                            Claim::SessionOver => break,
                        }
                    }
                    // The work's own panics are caught; whatever this was, the next session begins afresh.
                    Err(panic) => {
                        tracing::error!(pod = %worker.pod.config.name, %panic, "the worker is at fault; its session is given up");
                        return worker.coordinator.close().await;
                    }
                },
                // From here to the task that is spawned nothing is awaited: a frozen pod holds no slot.
                slot = slots.take(), if wants => {
                    turn = turn.wrapping_add(1);
                    let seen = nodes.borrow_and_update().clone();
                    let Some(candidate) = worker.pick(&seen, turn, &held, &lost) else { continue };
                    held.insert(candidate.path.clone(), !strikes_of(&candidate).is_empty());
                    let worker = worker.clone();
                    running.spawn(async move { worker.claim_and_attempt(candidate, slot).await });
                }
                changed = nodes.changed() => if changed.is_err() { break },
                Ok(()) = outage.changed() => {}
            }
        }
        while running.join_next().await.is_some() {}
        worker.journal.write().await;
    }

    /// A task that nobody holds. One with a strike comes first and runs alone: this pod claims nothing else until it
    /// is free for it. Otherwise jobs take turns, and within a job the search starts at a place of this pod's own.
    fn pick(
        &self,
        nodes: &Nodes,
        turn: usize,
        held: &BTreeMap<String, bool>,
        lost: &HashMap<String, i32>,
    ) -> Option<Candidate> {
        if held.values().any(|alone| *alone) {
            return None;
        }
        let mut jobs: Vec<&Arc<JobNodes>> = nodes
            .jobs
            .values()
            .filter(|nodes| nodes.job.algo <= ALGO && nodes.job.progress == Progress::Active)
            .collect();
        // If another lost run fails a job, no other such job is worked on beside it: one of them may be why the others were
        // lost. All pods take the same one.
        let is_last_chance = |nodes: &Arc<JobNodes>| nodes.job.losses + 1 >= MAX_LOSSES;
        let first = jobs.iter().find(|nodes| is_last_chance(nodes)).map(|nodes| nodes.job.job.clone());
        jobs.retain(|nodes| !is_last_chance(nodes) || first.as_ref() == Some(&nodes.job.job));
        let search = |wanted: &dyn Fn(&TaskNodes) -> bool| {
            let open = |candidate: &Candidate| {
                !held.contains_key(&candidate.path) && lost.get(&candidate.path) != Some(&version_of(candidate))
            };
            let turns = (0..jobs.len()).map(|offset| jobs[(turn % jobs.len() + offset) % jobs.len()]);
            turns.flat_map(|job| self.candidates(job, wanted)).find(open)
        };
        match search(&|task| is_free(task) && !task.task.strikes.is_empty()) {
            Some(struck) => held.is_empty().then_some(struck),
            None => search(&is_free),
        }
    }

    /// The wanted tasks of a job that this version can do, beginning at this pod's own place.
    fn candidates(&self, job: &Arc<JobNodes>, wanted: &dyn Fn(&TaskNodes) -> bool) -> impl Iterator<Item = Candidate> {
        let phases = job.phases.iter().filter(|(phase, _)| KINDS.contains(phase) && job.has_inputs(**phase));
        let tasks = phases.flat_map(|(phase, tasks)| tasks.iter().map(move |(index, task)| (*phase, *index, task)));
        let mut found: Vec<(Phase, u32)> = tasks
            .filter(|(.., task)| wanted(task) && job.is_mended(&task.task))
            .map(|(phase, index, _)| (phase, index))
            .collect();
        if !found.is_empty() {
            let place = self.start % found.len();
            found.rotate_left(place);
        }
        let job = job.clone();
        found.into_iter().map(move |(phase, index)| {
            let path = paths::task(&job.job.job, phase, index);
            Candidate { job: job.clone(), phase, index, path }
        })
    }

    /// Claims a task, and does it if the claim was made. The slot is free again when nothing is done with it any more, or the
    /// claim's outcome isn't known.
    async fn claim_and_attempt(&self, candidate: Candidate, slot: Slot) -> Ended {
        let (path, version) = (candidate.path.clone(), version_of(&candidate));
        let claim = match self.claim(&candidate).await {
            Ok(Some(claimed)) => {
                self.attempt(candidate.job, claimed, slot).await;
                Claim::Made
            }
            Ok(None) => Claim::Lost { version },
            Err(error) => {
                drop(slot);
                tracing::debug!(pod = %self.pod.config.name, %error, task = path, "claiming failed");
                // Refused for good, or worth another try: either way nobody spins on it.
                match error {
                    _ if !self.connected().await => Claim::SessionOver,
                    Error::Invalid(_) => Claim::Lost { version },
                    _ => Claim::Failed,
                }
            }
        };
        Ended { path, claim }
    }

    async fn claim(&self, candidate: &Candidate) -> Result<Option<Held>, Error> {
        let nodes = &candidate.job.phases[&candidate.phase][&candidate.index];
        // The lock is gone: if the last claim ended neither in a release nor in a result, this pod is who found out.
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
        // Before it is made: if the session ends now, nobody knows whether it was.
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

    /// Does a claimed task to its commit or release.
    async fn attempt(&self, job: Arc<JobNodes>, held: Held, slot: Slot) {
        let (name, path) = (&self.pod.config.name, held.path.clone());
        let task = &held.task;
        tracing::debug!(pod = %name, job = %job.job.job, phase = %task.phase, task = task.index, attempt = task.attempt, "claimed");
        // The slot is taken until all of its work has come back from its threads.
        let limit = self.pod.config.task_time.min(self.pod.config.image_time);
        let shop = self.pod.shop.for_task(limit, slot);
        let began = Instant::now();
        let work = async {
            self.note_attempt(&job).await?;
            work(&shop, &job.job, task, &inputs(&job, task.phase)?, &held.lock.claim).await
        };
        let result = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(crash(&*panic)));
        let worked = began.elapsed();
        drop(shop);
        let ended = match result {
            Ok(outcome) => self.commit(&job, &held, outcome, worked).await,
            Err(failure) => self.release(&held, &failure).await,
        };
        match ended {
            Ok(true) => self.claims.leave(&held),
            Ok(false) => {
                tracing::info!(pod = %name, task = path, attempt = task.attempt, "the claim was lost meanwhile; its work doesn't count");
                self.let_go(&held).await;
            }
            // The session is over; the pod's next one gives the strike back.
            Err(error) => tracing::info!(pod = %name, task = path, %error, "the claim ended with the session"),
        }
    }

    /// Before anything is done in a run whose loss would count: if it takes the whole array along, nobody else can say so.
    async fn note_attempt(&self, nodes: &JobNodes) -> Result<(), Failure> {
        if nodes.job.losses == 0 {
            return Ok(());
        }
        let noted = self.pod.catalog.begin_attempt(&nodes.job.job, &nodes.job.run).await;
        noted.map(drop).map_err(|error| Failure::Outage(error.to_string()))
    }

    async fn commit(&self, job: &JobNodes, held: &Held, outcome: Outcome, worked: Duration) -> Result<bool, Error> {
        let mut done = Done {
            v: RECORD_VERSION,
            pod: self.pod.config.name.clone(),
            attempt: held.task.attempt,
            outcome: short(outcome),
            started: held.lock.since,
            finished: super::now(),
            worked_ms: Some(u64::try_from(worked.as_millis()).unwrap_or(u64::MAX)),
            stamp: self.stamp(),
        };
        loop {
            match claim::commit(&*self.coordinator, held, &done).await {
                // The record won't ever fit; the sentence that says so does.
                Err(Error::Invalid(why)) if matches!(done.outcome, Outcome::Stored(_)) => {
                    done.outcome = short(Outcome::Refused { reason: refusal(&why) });
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
        let is_outage = failure.is_outage(&self.pod.shop.store).await;
        tracing::warn!(pod = %self.pod.config.name, task = held.path, attempt = task.attempt, %failure, is_outage, "the attempt came to nothing");
        let mut held = held.clone();
        let (mut trouble, mut strike, mut attempt) = (Some(failure.to_string()), Strike::GiveBack, task.attempt);
        if is_outage {
            // It says nothing of the task: the claim is undone. What it wrote bears the claim's name, so the number may be
            // another attempt's.
            held.task.attempt -= 1;
            trouble = task.trouble.clone();
            // Nobody claims anything while the store is out; the catalog is asked again by the next claim.
            attempt = if matches!(failure, Failure::Outage(_)) { 4 } else { 0 };
        } else {
            held.task.damaged = damaged(failure);
        }
        if let Some(end) = strike_end(failure) {
            strike = Strike::Keep;
            held.task.ends.insert(held.lock.claim.clone(), end);
        }
        // The store may need time; whoever claims next shouldn't hit it at once.
        let pause = (self.pod.config.backoff * (1 << attempt.min(6))).mul_f64(0.5 + super::jitter());
        tokio::time::sleep(pause).await;
        loop {
            match claim::release(&*self.coordinator, &held, trouble.clone(), strike, self.stamp()).await {
                Err(error) if self.worth_repeating(&error).await => {}
                other => return other,
            }
        }
    }

    /// Gives up the lock of a claim that was lost without losing it; what can't be given up is owed when the session ends.
    async fn let_go(&self, held: &Held) {
        loop {
            match claim::let_go(&*self.coordinator, held, &self.stamp()).await {
                Ok(Debt::Settled) => return self.claims.leave(held),
                Ok(Debt::Waits) => return,
                Err(error) if self.worth_repeating(&error).await => {}
                Err(error) => return tracing::info!(task = held.path, %error, "its lock ends with the session"),
            }
        }
    }

    /// Whether the session lives on after an error; waits for its reconnect.
    async fn worth_repeating(&self, error: &Error) -> bool {
        matches!(error, Error::Disconnected | Error::Unknown(_)) && self.connected().await
    }

    /// Waits until the session is connected; false if it ended.
    async fn connected(&self) -> bool {
        connected(&*self.coordinator).await.is_ok()
    }

    fn stamp(&self) -> Stamp {
        self.pod.stamp()
    }
}

/// What a failed attempt found damaged, as far as it fits into a record.
fn damaged(failure: &Failure) -> Vec<String> {
    match failure {
        Failure::Damaged { keys, .. } => keys.iter().take(100).cloned().collect(),
        _ => Vec::new(),
    }
}

/// How a failure ends an attempt whose strike stays.
fn strike_end(failure: &Failure) -> Option<StrikeEnd> {
    match failure {
        Failure::Crashed(_) => Some(StrikeEnd::Crashed),
        Failure::Overran(_) => Some(StrikeEnd::Overran),
        _ => None,
    }
}

/// Whether a task may be claimed.
fn is_free(nodes: &TaskNodes) -> bool {
    nodes.lock.is_none() && nodes.done.is_none() && !nodes.task.is_struck_out() && !nodes.task.is_given_up()
}

/// What a panic comes to.
fn crash(panic: &(dyn std::any::Any + Send)) -> Failure {
    Failure::Crashed(panics::message(panic).unwrap_or("it panicked").to_owned())
}

/// The outcome with a reason that fits into a record.
fn short(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Refused { reason } => Outcome::Refused { reason: claim::clipped(reason) },
        stored @ Outcome::Stored(_) => stored,
    }
}

/// What a task of this phase reads of the phases before it.
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

/// The outputs of a phase, which is complete before the next one has tasks.
fn all(job: &JobNodes, phase: Phase) -> Result<Vec<shared::job::Pointer>, Failure> {
    let outputs = step::outputs(job, phase);
    let (expected, found) = (job.job.count(phase) as usize, outputs.len());
    if expected != found || found == 0 {
        return Err(Failure::Trouble(format!("expected {expected} outputs of {phase}, found {found}")));
    }
    Ok(outputs)
}

fn version_of(candidate: &Candidate) -> i32 {
    candidate.job.phases[&candidate.phase][&candidate.index].version
}

fn strikes_of(candidate: &Candidate) -> &[String] {
    &candidate.job.phases[&candidate.phase][&candidate.index].task.strikes
}

/// Whether a task's record is still at this version.
fn is_at(nodes: &Nodes, path: &str, version: i32) -> bool {
    let task =
        paths::parse_task(path).and_then(|(job, phase, index)| nodes.jobs.get(&job)?.phases.get(&phase)?.get(&index));
    task.is_some_and(|task| task.version == version)
}

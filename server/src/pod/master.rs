//! The master: activates queued jobs, drives active ones, and cleans up after those that ended.
//!
//! # Why it is safe
//! - Its writes to znodes go through the [`Fence`](crate::coord::fence) and carry the versions that were read; its
//!   writes to the catalog carry its [`Epoch`]. A master that was deposed without knowing it changes nothing.
//! - It remembers nothing that matters: each action is what [`step`](crate::pipeline::step) says of what was read.
//! - One loop activates, reconciles and deletes, one after the other, and each job has one driver: no two actions of
//!   one master cross.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::cluster::Candidate;
use shared::id::{ImageId, JobId, RunId};
use shared::job::{Job, Lane, Progress};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::driver::{self, Driver};
use super::event_log::{self, Log};
use super::mirror::{Mirror, Nodes};
use super::{Pod, now};
use crate::backoff::Backoff;
use crate::catalog::{self, Epoch, JobRow, Write};
use crate::coord::election::Candidacy;
use crate::coord::fence::{Fence, FenceError};
use crate::coord::{Coordinator, CreateMode, Error, Op, ensure_skeleton, paths, settle};
use crate::pipeline::cause::Cause;
use crate::pipeline::companion::{self, Missing};
use crate::pipeline::plan::{Planning, plan};
use crate::pipeline::rerun;

/// Runs in a row that end with the whole array, and finish no further task, before the job fails: it may be why.
pub const MAX_LOSSES: u32 = 3;
/// The catalog is polled this often: rings can be lost.
const POLL: Duration = Duration::from_secs(1);
/// Rings that follow one another are answered together, this long after the last look at the latest.
const GATHER: Duration = Duration::from_millis(100);
/// The pause after a look that rings led to is so many times as long as the look took.
const REST: u32 = 4;
/// How long a master that stops waits for the catalog before its successor may begin.
const HAND_OVER: Duration = Duration::from_millis(500);
/// Znodes that are removed in one write.
const REMOVED_AT_ONCE: usize = 200;
/// Rows and znodes are compared this often.
const RECONCILE: Duration = Duration::from_secs(5);

/// Why a master acts no more.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The election node is gone.
    #[error("deposed")]
    Deposed,
    /// The session is over, or the coordinator refuses.
    #[error(transparent)]
    Coordinator(#[from] Error),
    /// A job's driver or the sweeper panicked: whoever leads next begins with fresh ones.
    #[error("a part of it crashed: {0}")]
    Crashed(String),
}

/// What didn't work out; everything but an [`End`] is tried again from a fresh reading.
#[derive(Debug, thiserror::Error)]
pub(super) enum Setback {
    /// The role is over.
    #[error(transparent)]
    End(#[from] End),
    /// What was read is out of date, or an outcome is unknown: read again.
    #[error("{0}")]
    Again(String),
    /// The node has children that the array didn't write, or a lock that was taken since it was read.
    #[error("{0} still has children")]
    NotEmpty(String),
    /// The coordinator will never keep this record: it is too large.
    #[error("{0}")]
    Refused(String),
    /// A znode's access control list, which the array didn't set, doesn't allow it.
    #[error("the access control list of {0}, which the array didn't set, doesn't allow it")]
    Forbidden(String),
    /// The catalog or the store doesn't answer: wait, then read again.
    #[error("{0}")]
    Later(String),
}

impl From<FenceError> for Setback {
    fn from(error: FenceError) -> Self {
        match error {
            FenceError::Deposed => Setback::End(End::Deposed),
            FenceError::Conflict { source: Error::Forbidden(path), .. } => Setback::Forbidden(path),
            FenceError::Conflict { source: Error::NotEmpty(path), .. } => Setback::NotEmpty(path),
            FenceError::Conflict { .. } | FenceError::Unknown(_) => Setback::Again(error.to_string()),
            FenceError::Coordinator(error) => error.into(),
        }
    }
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        match error {
            Error::Expired => Setback::End(End::Coordinator(error)),
            Error::Invalid(reason) => Setback::Refused(reason),
            Error::Forbidden(path) => Setback::Forbidden(path),
            other => Setback::Again(other.to_string()),
        }
    }
}

impl From<catalog::Error> for Setback {
    fn from(error: catalog::Error) -> Self {
        Setback::Later(error.to_string())
    }
}

/// What a master and its drivers share.
pub(super) struct Office {
    pub(super) pod: Arc<Pod>,
    pub(super) coordinator: Arc<dyn Coordinator>,
    pub(super) mirror: Arc<Mirror>,
    pub(super) fence: Fence,
    pub(super) log: Log,
    /// Whether the catalog was found to be as new as the store; until then nothing goes that nobody asked to delete.
    pub(super) catalog_is_current: AtomicBool,
    candidacy: String,
    epoch: Mutex<Epoch>,
    /// Jobs whose znodes can't be removed, though their rows have ended: they take no slot.
    aside: Mutex<BTreeSet<JobId>>,
}

impl Office {
    /// The epoch of the next write.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A write that is for the one who leads. *Not mine* while the election node is there means that somebody took
    /// the epoch who leads no more (a candidate that won and lost before us, late): take it again.
    pub(super) async fn mine(&self, write: Write) -> Result<bool, Setback> {
        match write {
            Write::Applied => Ok(true),
            Write::NoChange => Ok(false),
            Write::NotMine => {
                settle::settle(&*self.coordinator).await?;
                if self.coordinator.stat(self.fence.node()).await?.is_none() {
                    return Err(Setback::End(End::Deposed));
                }
                self.take_epoch().await?;
                Err(Setback::Again("the epoch was somebody else's and is taken again".to_owned()))
            }
        }
    }

    async fn take_epoch(&self) -> Result<Epoch, Setback> {
        let epoch = self.pod.catalog.take_epoch(&self.candidacy).await?;
        let mut known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        // Two may have taken it at once: the later one counts.
        if epoch.n > known.n {
            *known = epoch.clone();
        }
        Ok(epoch)
    }

    /// Sets a job aside whose row has ended and whose znodes can't be removed now: it takes no slot any more.
    pub(super) fn set_aside(&self, job: &JobId, why: &str) {
        if self.aside.lock().unwrap_or_else(PoisonError::into_inner).insert(job.clone()) {
            tracing::warn!(%job, why, "its znodes can't be removed; set aside");
        }
    }

    /// Whether a job was set aside.
    pub(super) fn is_aside(&self, job: &JobId) -> bool {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).contains(job)
    }

    /// Deletes all that lies under a job's node, whoever wrote it, and the node itself last. Only for jobs whose row has ended.
    /// A lock that is deleted with it costs its holder the commit, which would not count any more.
    pub(super) async fn remove_tree(&self, job: &JobId) -> Result<(), Setback> {
        let mut all = vec![paths::job(job)];
        let mut level = all.clone();
        while !level.is_empty() {
            let children = self.coordinator.children_many(&level).await?;
            let below = level.iter().zip(children).flat_map(|(path, names)| {
                names.unwrap_or_default().into_iter().map(move |name| format!("{path}/{name}"))
            });
            level = below.collect();
            all.extend(level.iter().cloned());
        }
        all.reverse();
        for batch in all.chunks(REMOVED_AT_ONCE) {
            let ops = batch.iter().map(|path| Op::Delete { path: path.clone(), version: None }).collect();
            match self.fence.write(&*self.coordinator, ops).await {
                // What can't be listed can't be emptied.
                Err(FenceError::Conflict { source: Error::NotEmpty(path), .. }) if !self.is_listable(&path).await? => {
                    return Err(Setback::Forbidden(path));
                }
                written => written?,
            }
        }
        Ok(())
    }

    async fn is_listable(&self, path: &str) -> Result<bool, Setback> {
        match self.coordinator.children(path).await {
            Ok(_) | Err(Error::NoNode(_)) => Ok(true),
            Err(Error::Forbidden(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Marks a job as finished, so that only its deletion is left.
    pub(super) async fn finish(&self, job: &Job, version: i32) -> Result<(), Setback> {
        let mut job = job.clone();
        job.progress = Progress::Finished;
        job.epoch = self.epoch().n;
        let op = Op::Set { path: paths::job(&job.job), data: to_json(&job), version: Some(version) };
        event_log::end_job(self, &job.job, &job.image, vec![op]).await
    }

    /// Writes a job's record at the version that was read. Its stamp stays that of its start: an observer that reads the job
    /// only now would otherwise show its start after the claims that it caused.
    pub(super) async fn write_job(&self, mut job: Job, version: i32) -> Result<(), Setback> {
        job.epoch = self.epoch().n;
        let op = Op::Set { path: paths::job(&job.job), data: to_json(&job), version: Some(version) };
        Ok(self.fence.write(&*self.coordinator, vec![op]).await?)
    }
}

/// Records are plain data: they always have a JSON form.
pub(super) fn to_json<T: serde::Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have string keys only")
}

/// A pod that leads.
pub(super) struct Master {
    office: Arc<Office>,
}

impl Master {
    /// A master of this candidacy, which leads.
    pub(super) fn new(
        pod: Arc<Pod>,
        coordinator: Arc<dyn Coordinator>,
        mirror: Arc<Mirror>,
        candidacy: &Candidacy,
    ) -> Self {
        let epoch = Mutex::new(Epoch { n: 0, candidacy: candidacy.uuid().to_owned() });
        let (fence, candidacy) = (candidacy.fence(), candidacy.uuid().to_owned());
        let (log, aside, catalog_is_current) = (Log::default(), Mutex::default(), AtomicBool::new(false));
        let office = Office { pod, coordinator, mirror, fence, log, catalog_is_current, candidacy, epoch, aside };
        Self { office: Arc::new(office) }
    }

    /// What an orderly stop does, whatever the master is at by then; begin with it once the master acts no more.
    ///
    /// Nobody can tell yet whether the znodes end with this process, and a job that they end with mustn't pay for it. If
    /// this fails, or is late and a successor has the epoch, the runs count as they do after a crash.
    pub(super) fn hand_over(&self) -> impl Future<Output = ()> + use<> {
        let office = self.office.clone();
        async move {
            let epoch = office.epoch();
            if epoch.n == 0 {
                return;
            }
            let name = &office.pod.config.name;
            match tokio::time::timeout(HAND_OVER, office.pod.catalog.hand_over(&epoch)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(pod = %name, %error, "the orderly stop could not be noted"),
                Err(_) => tracing::warn!(pod = %name, "the catalog doesn't answer; the orderly stop isn't noted"),
            }
        }
    }

    /// Acts until the role ends; gives why.
    pub(super) async fn run(self, candidate: Candidate) -> End {
        if let Err(end) = self.inaugurate(candidate).await {
            return end;
        }
        let mut drivers: JoinSet<(JobId, Result<(), End>)> = JoinSet::new();
        let mut driven = BTreeSet::new();
        // Ends with this function, whatever becomes of the role.
        let mut sweeping = JoinSet::new();
        sweeping.spawn(super::sweeper::run(self.office.clone()));
        sweeping.spawn(event_log::follow_members(self.office.clone()));
        let mut nodes = self.office.mirror.nodes();
        let mut reconciled: Option<Instant> = None;
        let mut housekeeping = tokio::time::interval(POLL);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut rings, mut rung, mut rested) = (None, false, Instant::now());
        loop {
            let seen = nodes.borrow_and_update().clone();
            for job in seen.jobs.keys().filter(|job| driven.insert((*job).clone())) {
                let driver = Driver::new(self.office.clone(), job.clone());
                let job = job.clone();
                drivers.spawn(async move { (job, driver.run().await) });
            }
            rung |= rings.replace(seen.rings) != Some(seen.rings);
            let poll = tokio::select! {
                biased;
                Some(ended) = drivers.join_next(), if !drivers.is_empty() => {
                    // Slots that became free together are filled together.
                    for ended in std::iter::once(ended).chain(std::iter::from_fn(|| drivers.try_join_next())) {
                        match ended {
                            Ok((_, Err(end))) => return end,
                            Ok((job, Ok(()))) => {
                                driven.remove(&job);
                            }
                            Err(panic) => return End::Crashed(panic.to_string()),
                        }
                    }
                    true
                }
                // A ring that can't be answered yet is kept, and nobody spins on it.
                () = tokio::time::sleep_until(rested), if rung && seen.loaded => true,
                Some(Err(panic)) = sweeping.join_next() => return End::Crashed(panic.to_string()),
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
                let due = reconciled.is_none_or(|at| at.elapsed() >= RECONCILE);
                match self.keep_house(&seen, due).await {
                    Ok(()) if due => reconciled = Some(Instant::now()),
                    Ok(()) => {}
                    Err(Setback::End(end)) => return end,
                    Err(setback) => tracing::warn!(pod = %self.office.pod.config.name, %setback, "will be tried again"),
                }
                rested = Instant::now() + (REST * began.elapsed()).min(GATHER);
            }
        }
    }

    /// Order on winning: take the epoch → fenced write to the own election node → sync; then everything is read.
    async fn inaugurate(&self, mut candidate: Candidate) -> Result<(), End> {
        let office = &self.office;
        let mut backoff = Backoff::new(Duration::from_millis(100), POLL);
        loop {
            let attempt = async {
                let epoch = office.take_epoch().await?;
                candidate.epoch = Some(epoch.n);
                event_log::announce(office, &mut candidate).await?;
                settle::settle(&*office.coordinator).await?;
                tracing::info!(pod = %office.pod.config.name, epoch = epoch.n, "leads");
                Ok(())
            };
            match attempt.await {
                Ok(()) => {
                    // Announced epochs rise from master to master: each was taken after the one before had lost.
                    office.pod.config.leadership.send_replace(candidate.epoch);
                    return Ok(());
                }
                Err(Setback::End(end)) => return Err(end),
                Err(setback) => {
                    tracing::warn!(pod = %office.pod.config.name, %setback, "leads, but can't act yet");
                    event_log::tell_losses(office).await?;
                    backoff.wait().await;
                    settle::connected(&*office.coordinator).await?;
                }
            }
        }
    }

    async fn keep_house(&self, seen: &Nodes, reconcile: bool) -> Result<(), Setback> {
        let deleting = super::deletion::delete_images(&self.office, seen).await?;
        if reconcile {
            self.reconcile(seen, &deleting).await?;
            if self.office.catalog_is_current.load(Ordering::Relaxed) {
                super::deletion::empty_trash(&self.office).await?;
                super::deletion::sweep_uploads(&self.office).await?;
            }
        }
        self.admit(seen).await
    }

    /// Gives free slots to the oldest queued jobs. Large images get at most half of the slots, so that small
    /// ones are never held up by them.
    async fn admit(&self, seen: &Nodes) -> Result<(), Setback> {
        let (office, config) = (&self.office, &self.office.pod.config);
        if seen.live() < config.min_pods {
            return Ok(());
        }
        let large_slots = (config.max_active_jobs / 2).max(1);
        let mut taken: HashMap<Lane, usize> = HashMap::new();
        for nodes in office.mirror.nodes().borrow().jobs.values().filter(|nodes| !office.is_aside(&nodes.job.job)) {
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
            let rows = office.pod.catalog.queued(limit, min_pixels, max_pixels).await?;
            // Retried while the nodes of its last run are still being deleted: its turn comes when they are gone.
            let gone = |row: &&JobRow| !office.mirror.nodes().borrow().jobs.contains_key(&row.job);
            // Each to its end, whatever becomes of the others: giving up halfway would cost a job one of its runs.
            let activations = rows.iter().filter(gone).map(|row| self.activate(row, seen.live()));
            for activated in futures::future::join_all(activations).await {
                *taken.entry(lane).or_default() += usize::from(activated?);
            }
        }
        Ok(())
    }

    /// `queued → running`, then the job's node. Whether it was this one that activated the row.
    async fn activate(&self, row: &JobRow, workers: usize) -> Result<bool, Setback> {
        let (office, run) = (&self.office, new_run());
        let write = office.pod.catalog.activate(&office.epoch(), &row.job, &run).await?;
        let mine = office.mine(write).await?;
        if mine {
            self.create(row, run, workers).await?;
        }
        Ok(mine)
    }

    /// Creates a run's job node with the tasks of its first phase: they are there when this returns, or the role is over and the row, `running` without a
    /// node, is the next master's to reconcile. Giving up earlier would cost the job one of its runs.
    async fn create(&self, row: &JobRow, run: RunId, workers: usize) -> Result<(), Setback> {
        let (office, config) = (&self.office, &self.office.pod.config);
        let planning = Planning { whole_below: config.whole_below, workers, parts_per_task: config.parts_per_task };
        let companions = loop {
            match companion::find(&*office.pod.catalog, &row.recipe, &row.info).await {
                Ok(companions) => break companions,
                Err(Missing::Refused(reason)) => {
                    let reason = Cause::Image(reason).to_string();
                    let write = office.pod.catalog.fail(&office.epoch(), &row.job, &run, &reason, None).await?;
                    return office.mine(write).await.map(drop);
                }
                Err(Missing::Catalog(error)) => wait_for_catalog(&row.job, &error).await,
            }
        };
        let mut job = plan(row, run, &planning, companions, office.epoch().n, office.pod.stamp(), now());
        if row.run.is_some() {
            job.losses = row.losses;
            let finished = loop {
                match office.pod.catalog.finished(&row.job).await {
                    Ok(finished) => break finished,
                    Err(error) => wait_for_catalog(&row.job, &error).await,
                }
            };
            rerun::take_over(&mut job, &finished);
        }
        let path = paths::job(&job.job);
        let node = Op::Create { path: path.clone(), data: to_json(&job), mode: CreateMode::Persistent };
        // Tasks that are finished already are the driver's to create.
        let tasks = if job.resumes { Vec::new() } else { driver::first_tasks(office, &job) };
        let ops: Vec<Op> = std::iter::once(node).chain(tasks).collect();
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            match office.fence.write(&*office.coordinator, ops.clone()).await.map_err(Setback::from) {
                Ok(()) => break,
                Err(Setback::End(end)) => return Err(end.into()),
                Err(Setback::Refused(why)) => {
                    let write =
                        office.pod.catalog.fail(&office.epoch(), &job.job, &job.run, &refusal(&why), None).await?;
                    return office.mine(write).await.map(drop);
                }
                Err(setback) => tracing::info!(job = %job.job, %setback, "its node is created again if it isn't there"),
            }
            // Settles first: the write that failed has run by then, or never will.
            if settle::read_back(&*office.coordinator, || office.coordinator.stat(&path)).await?.is_some() {
                break;
            }
            // Somebody may have deleted the parent.
            match ensure_skeleton(&*office.coordinator).await {
                Err(error) if error.is_terminal() => return Err(error.into()),
                made => drop(made.inspect_err(|error| tracing::info!(%error, "the skeleton isn't made again yet"))),
            }
            backoff.wait().await;
        }
        tracing::info!(pod = %config.name, job = %job.job, run = %job.run, epoch = job.epoch, tasks = job.cut.tasks(), "activated");
        office.mirror.refresh(&job.job).await;
        Ok(())
    }

    /// Jobs whose own record somebody made unreadable: their rows fail, and their nodes are removed.
    async fn clear_unreadable(&self, seen: &Nodes, rows: &[JobRow]) -> Result<(), Setback> {
        let office = &self.office;
        for (job, path, why) in seen.unexpected.spoiled_jobs() {
            let row = rows.iter().find(|row| row.job == job);
            if let Some((row, run)) = row.and_then(|row| Some((row, row.run.as_ref()?))) {
                let reason = spoiled(path, why);
                let write = office.pod.catalog.fail(&office.epoch(), &row.job, run, &reason, None).await?;
                if office.mine(write).await? {
                    tracing::warn!(%job, %run, reason, "failed");
                    event_log::end_job(office, &row.job, &row.image, Vec::new()).await?;
                }
            }
            match office.remove_tree(&job).await {
                Err(Setback::Forbidden(path) | Setback::Refused(path)) => office.set_aside(&job, &path),
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Rows that say `running` without a node get a new run; nodes whose row has ended are finished.
    ///
    /// The nodes were read before the rows: a node of an ended row is left over, since a row is `running` before its
    /// node is made. That a row has no node is asked anew, after `sync`, since the picture may lag; and if a driver ends
    /// the job meanwhile, the row's run or state has changed and the write changes nothing.
    async fn reconcile(&self, seen: &Nodes, deleting: &[ImageId]) -> Result<(), Setback> {
        let office = &self.office;
        let rows = office.pod.catalog.running().await?;
        let runs: HashMap<&JobId, Option<&RunId>> = rows.iter().map(|row| (&row.job, row.run.as_ref())).collect();
        for (job, nodes) in seen.jobs.iter().filter(|(_, nodes)| nodes.job.progress == Progress::Active) {
            if runs.get(job).copied().flatten() != Some(&nodes.job.run) {
                if !office.is_aside(job) {
                    tracing::info!(%job, run = %nodes.job.run, "its row has moved on; the nodes are removed");
                }
                match office.finish(&nodes.job, nodes.version).await {
                    // One job's trouble mustn't keep the others waiting.
                    Err(Setback::Forbidden(path) | Setback::Refused(path)) => office.set_aside(job, &path),
                    finished => finished?,
                }
                office.mirror.refresh(job).await;
            }
        }
        self.clear_unreadable(seen, &rows).await?;
        let gone = |row: &&JobRow| !seen.jobs.contains_key(&row.job) && !deleting.contains(&row.image);
        let mut synced = false;
        for row in rows.iter().filter(gone) {
            let Some(old) = &row.run else { continue };
            if !std::mem::replace(&mut synced, true) {
                settle::settle(&*office.coordinator).await?;
            }
            if office.coordinator.stat(&paths::job(&row.job)).await?.is_some() {
                continue;
            }
            if row.losses >= MAX_LOSSES {
                let reason = Cause::LostRuns(row.losses).to_string();
                let write = office.pod.catalog.fail(&office.epoch(), &row.job, old, &reason, None).await?;
                office.mine(write).await?;
                continue;
            }
            let run = new_run();
            let write = office.pod.catalog.rerun(&office.epoch(), &row.job, old, &run).await?;
            if office.mine(write).await? {
                tracing::info!(job = %row.job, %old, %run, losses = row.losses, "its nodes were gone; it runs anew");
                self.create(row, run, seen.live()).await?;
            }
        }
        Ok(())
    }
}

/// A pause before the catalog is asked again for what a new run needs. Giving up instead would leave the row `running` without
/// a node, which looks like a run that was lost. If the role ends, this is dropped with it.
async fn wait_for_catalog(job: &JobId, error: &catalog::Error) {
    tracing::warn!(%job, %error, "its run begins when the catalog answers");
    tokio::time::sleep(POLL.mul_f64(0.5 + crate::backoff::jitter())).await;
}

/// Why a job fails one of whose znodes somebody changed.
pub(super) fn spoiled(path: &str, why: &str) -> String {
    format!("Somebody else changed a record of this job in the coordinator ({path}): {why}. Retry the job.")
}

/// Why a job fails one of whose znodes can't be written or read.
pub(super) fn forbidden(path: &str) -> String {
    format!(
        "Somebody else set an access control list on a node of this job in the coordinator ({path}), which keeps the array out. Retry the job."
    )
}

/// Why a job fails whose record can't be kept.
pub(super) fn refusal(why: &str) -> String {
    Cause::Record(why.to_owned()).to_string()
}

fn new_run() -> RunId {
    let hex = uuid::Uuid::new_v4().simple().to_string();
    hex.parse().expect("a simple UUID is 32 lower-case hexadecimal digits")
}

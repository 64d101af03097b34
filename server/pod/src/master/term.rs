//! A term: from taking the epoch until the election node or the session is gone. It activates, reconciles and deletes, and runs
//! a driver for each active job.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::backoff::Backoff;
use base::causes::chain;
use coord::election::Candidacy;
use coord::{Coordinator, Error, settle};
use shared::cluster::Candidate;
use shared::id::JobId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::MasterContext;
use super::driver::Driver;
use super::error::{End, MasterError};
use super::{activation, deletion, event_log, reconciliation, sweeper};
use crate::context::Pod;
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
            reconciliation::reconcile(&self.context, seen, &deleting).await?;
            if self.context.catalog_is_current.load(Ordering::Relaxed) {
                deletion::empty_trash(&self.context).await?;
                deletion::sweep_uploads(&self.context).await?;
            }
        }
        activation::admit(&self.context, seen).await
    }
}

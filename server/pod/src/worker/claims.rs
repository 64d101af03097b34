//! A pod's claims: those it holds, and those that it lost with a session and whose strikes it still has to settle (debts).
//!
//! # Hazards
//! - *A session ends while its pod lives on.* Its tasks are free again and bear a strike each, although nothing is wrong with
//!   them. The pod takes its strikes back in a later session; three expired sessions in a row must not fail a job.
//! - *Another worker claimed the task meanwhile.* Writing its record would break that claim's commit, which checks the version.
//!   So the debt waits until the lock is gone.
//! - *It is unknown whether the claim was made.* Each claim is entered here before it is submitted; a debt whose strike isn't
//!   in the task's list counts as settled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::causes::chain;
use coord::claim::{self, Held, Strike, StrikeReturn};
use coord::settle::connected;
use coord::{Coordinator, paths};
use shared::clock::Stamp;
use shared::job::Progress;
use tokio::sync::watch;

use crate::mirror::Nodes;

/// A pod's claims. They outlive its sessions and end with the pod.
#[derive(Clone, Default)]
pub(crate) struct Claims(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    /// Keyed by the task's path.
    held: HashMap<String, Held>,
    debts: Vec<Held>,
}

impl Claims {
    /// Enters a claim that is about to be made.
    pub(crate) fn enter(&self, held: &Held) {
        self.ledger().held.insert(held.path.clone(), held.clone());
    }

    /// Removes a claim that has ended or was never made.
    pub(crate) fn leave(&self, held: &Held) {
        self.ledger().held.remove(&held.path);
    }

    /// Turns all held claims into debts, because the session is over.
    pub(crate) fn lose(&self) {
        let mut ledger = self.ledger();
        let lost: Vec<Held> = ledger.held.drain().map(|(_, held)| held).collect();
        ledger.debts.extend(lost);
    }

    /// Releases all claims that are still held and returns their strikes. Call it when no work on them runs any more.
    ///
    /// # Errors
    /// None: a claim that can't be released becomes a debt.
    ///
    /// # Cancellation
    /// Claims that weren't released yet are held until the session ends, and bear their strikes.
    pub(crate) async fn release(&self, coordinator: &dyn Coordinator, stamp: impl Fn() -> Stamp) {
        let held: Vec<Held> = self.ledger().held.values().cloned().collect();
        for held in held {
            // The claim may have been dropped before it was made: then the version belongs to another claim.
            let released = match claim::is_held(coordinator, &held).await {
                Ok(true) => claim::release(coordinator, &held, None, Strike::GiveBack, stamp()).await,
                other => other,
            };
            match released {
                Ok(released) => {
                    tracing::info!(task = held.path, released, "claim released; pod stopping");
                    self.leave(&held);
                }
                Err(error) => {
                    tracing::warn!(task = held.path, error = %chain(&error), "releasing the claim failed; its strike stays")
                }
            }
        }
    }

    /// Settles the debts in order, again after every change of the mirror, until none is left or the session is over.
    ///
    /// # Cancellation
    /// Safe: what isn't known to be settled stays a debt.
    pub(crate) async fn settle(
        &self,
        coordinator: &dyn Coordinator,
        mut nodes: watch::Receiver<Arc<Nodes>>,
        stamp: impl Fn() -> Stamp,
    ) {
        loop {
            let seen = nodes.borrow_and_update().clone();
            let debts = self.ledger().debts.clone();
            if debts.is_empty() {
                return;
            }
            for debt in debts {
                let settled = match look(&seen, &debt.path) {
                    Look::Void => Ok(StrikeReturn::Settled),
                    Look::Waits => Ok(StrikeReturn::Waits),
                    Look::Open => claim::give_back(coordinator, &debt.path, &debt.lock.claim, &stamp()).await,
                };
                match settled {
                    Ok(StrikeReturn::Settled) => {
                        tracing::info!(
                            task = debt.path,
                            claim = debt.lock.claim,
                            "claim outlived its session; strike settled"
                        );
                        self.ledger().debts.retain(|other| other.lock.claim != debt.lock.claim);
                    }
                    Ok(StrikeReturn::Waits) => {}
                    Err(error) => {
                        tracing::info!(task = debt.path, error = %chain(&error), "giving back a strike failed; retrying");
                        if connected(coordinator).await.is_err() {
                            return;
                        }
                    }
                }
            }
            if nodes.changed().await.is_err() {
                return;
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Every update is atomic, so a poisoned lock holds valid data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the mirror shows of a task with a debt.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// The task is gone or done, or its job has ended: the strike no longer matters.
    Void,
    /// A worker holds it, or nothing has been read yet.
    Waits,
    /// No worker holds it.
    Open,
}

fn look(nodes: &Nodes, path: &str) -> Look {
    if !nodes.loaded {
        return Look::Waits;
    }
    let Some((job, phase, index)) = paths::parse_task(path) else { return Look::Void };
    let job = nodes.jobs.get(&job).filter(|nodes| nodes.job.progress == Progress::Active);
    match job.and_then(|nodes| nodes.phases.get(&phase)?.get(&index)) {
        None => Look::Void,
        Some(task) if task.done.is_some() => Look::Void,
        Some(task) if task.lock.is_some() => Look::Waits,
        Some(_) => Look::Open,
    }
}

//! Whether the store works at all, as far as this process can tell.
//!
//! Whoever met an error asks with [`Store::is_failing`]: an object of nobody's is written, read and deleted. If that works, the
//! error was about one object. If it doesn't, the store is out for everyone, and stays so ([`Store::outage`]) until the same
//! works again; it is tried with a backoff until then, by one task of the process.
//!
//! A full store takes an empty object long after it has no room for anything else. So after [`Error::Full`](super::Error) the
//! object is as large as what a task writes.
//!
//! # Hazards
//! - *Two processes try at once.* They write the same key, with the same effect; one that was deleted meanwhile counts as read.
//! - *The store works again between an error and the question.* Then the error counts as one object's: a failed attempt, of
//!   which a task has several.
//! - *The room is enough for a probe and not for a task.* Outages that follow one another soon are one: it keeps its
//!   beginning, and its backoff grows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Error, Result, Store, keys};
use crate::backoff::jitter;
use crate::wall;

/// What a probe of a full store writes: as much as a task reads, which is about what it writes.
const ROOM: usize = 16 << 20;
/// The longest pause between two probes, on average, of a store that doesn't answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// An outage that begins this soon after the last one is the same.
const SAME: Duration = Duration::from_secs(30);

/// Since when the store has failed for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// In ms since 1970, for people.
    pub since: i64,
    /// Whether it answers and has no room.
    pub is_full: bool,
}

/// What the clones of a store know together.
#[derive(Debug, Default)]
pub(super) struct Health {
    outage: watch::Sender<Option<Outage>>,
    /// One question at a time.
    asking: tokio::sync::Mutex<()>,
    is_probing: AtomicBool,
    last: Mutex<Option<Last>>,
}

/// The last outage, once it is over.
#[derive(Debug, Clone, Copy)]
struct Last {
    outage: Outage,
    ended: Instant,
    probes: u32,
}

impl Store {
    /// Since when the store has failed for everyone, and changes of that.
    pub fn outage(&self) -> watch::Receiver<Option<Outage>> {
        self.health.outage.subscribe()
    }

    /// Whether the store fails for everyone, asked after an error.
    ///
    /// # Cancellation
    /// The question goes on by itself: a pod that is frozen or dropped here must not keep the others' turn.
    pub async fn is_failing(&self) -> bool {
        let store = self.clone();
        let asked = async move {
            let _turn = store.health.asking.lock().await;
            if store.health.outage.borrow().is_some() {
                return true;
            }
            match store.probe(1).await {
                Ok(()) => false,
                Err(error) => {
                    store.begin_outage(&error);
                    true
                }
            }
        };
        // A question that broke says nothing of the store.
        tokio::spawn(asked).await.unwrap_or(false)
    }

    /// The store had no room for something.
    pub async fn is_full(&self) {
        let store = self.clone();
        let noted = async move {
            let _turn = store.health.asking.lock().await;
            if store.health.outage.borrow().is_none() {
                store.begin_outage(&Error::Full { doing: "working".to_owned() });
            }
        };
        if let Err(error) = tokio::spawn(noted).await {
            tracing::error!(%error, "a full store could not be noted");
        }
    }

    fn begin_outage(&self, error: &Error) {
        let is_full = matches!(error, Error::Full { .. });
        let last = self.last_outage().filter(|last| last.ended.elapsed() < SAME);
        let (since, probes) = last.map_or_else(|| (wall::now(), 0), |last| (last.outage.since, last.probes));
        let outage = Outage { since, is_full };
        tracing::error!(%error, "the store fails for everyone; work waits");
        self.health.outage.send_replace(Some(outage));
        if !self.health.is_probing.swap(true, Ordering::AcqRel) {
            tokio::spawn(self.clone().wait_for_end(outage, probes));
        }
    }

    /// Probes until the store works again.
    async fn wait_for_end(self, outage: Outage, mut probes: u32) {
        let bytes = if outage.is_full { ROOM } else { 1 };
        loop {
            let pause = self.patience.pause.saturating_mul(1 << probes.min(16)).min(LONGEST_PAUSE);
            tokio::time::sleep(pause.mul_f64(0.5 + jitter())).await;
            probes += 1;
            match self.probe(bytes).await {
                Ok(()) => break,
                Err(error) => tracing::debug!(%error, probes, "the store still fails"),
            }
        }
        tracing::info!(probes, "the store works again");
        *self.health.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Last { outage, ended: Instant::now(), probes });
        // In this order: an outage that begins from here on gets a task of its own.
        self.health.is_probing.store(false, Ordering::Release);
        self.health.outage.send_replace(None);
    }

    fn last_outage(&self) -> Option<Last> {
        *self.health.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, reads and deletes an object of nobody's.
    async fn probe(&self, bytes: usize) -> Result<()> {
        let (key, path, length) = (keys::PROBE, self.path(keys::PROBE)?, bytes as u64);
        let objects = || (Arc::clone(&self.objects), path.clone());
        let (store, at) = objects();
        let content = Bytes::from(vec![0; bytes]);
        let options = PutOptions { mode: PutMode::Overwrite, ..PutOptions::default() };
        let write = async move { store.put_opts(&at, content.into(), options).await.map(drop) };
        self.patience.once("writing", key, length, write).await?;
        let (store, at) = objects();
        let read = async move { store.get(&at).await?.bytes().await.map(drop) };
        let read = self.patience.once("reading", key, length, read).await;
        if let Err(error) = self.delete(key).await {
            tracing::debug!(%error, "what the probe wrote is left to the next one");
        }
        match read {
            Err(Error::NotFound(_)) => Ok(()),
            read => read,
        }
    }
}

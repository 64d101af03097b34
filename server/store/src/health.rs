//! Health of the store, as seen by this process: detects outages and their end.
//!
//! After an error, the caller asks [`Store::is_failing`], which writes, reads and deletes a probe object. If the probe works,
//! the error concerned a single object. If it fails, the store is out for all callers, and stays so ([`Store::outage`]) until a
//! probe works; one task per process probes with a backoff.
//!
//! A full store may still accept an empty object when it has no room for anything else. So after [`Error::Full`](super::Error)
//! the probe object is as large as a task's output.
//!
//! # Hazards
//! - *Two processes probe at once.* They write the same key, with the same effect; a probe that was deleted meanwhile counts as
//!   read.
//! - *The store recovers between an error and the probe.* Then the error counts against one object: a failed attempt, of which
//!   a task may have several.
//! - *There is room for a probe but not for a task.* Outages in quick succession count as one, which keeps its start, while its
//!   backoff grows.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base::backoff::jitter;
use base::causes::chain;
use base::wall;
use bytes::Bytes;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use tokio::sync::watch;
use tokio::time::Instant;

use super::outage::{Last, Outage};
use super::{Error, Result, Store, keys};

/// Size of the probe of a full store, in bytes: as much as a task reads, which is about what it writes.
const FULL_PROBE_BYTES: usize = 16 << 20;
/// Longest pause between two probes, on average.
const MAX_PROBE_PAUSE: Duration = Duration::from_secs(2);
/// An outage that begins within this time after the previous one counts as the same.
const OUTAGE_MERGE_WINDOW: Duration = Duration::from_secs(30);

impl Store {
    /// A receiver of the current outage, if any, and its changes.
    pub fn outage(&self) -> watch::Receiver<Option<Outage>> {
        self.health.outage.subscribe()
    }

    /// Whether the store fails for all callers; call it after an error.
    ///
    /// # Cancellation
    /// The probe continues in its own task, so that a frozen or dropped pod doesn't hold the lock against others.
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
        // A probe task that panicked proves nothing about the store.
        tokio::spawn(asked).await.unwrap_or(false)
    }

    /// Reports that the store had no room for a write; begins an outage.
    pub async fn is_full(&self) {
        let store = self.clone();
        let noted = async move {
            let _turn = store.health.asking.lock().await;
            if store.health.outage.borrow().is_none() {
                store.begin_outage(&Error::Full { doing: "working".to_owned() });
            }
        };
        if let Err(error) = tokio::spawn(noted).await {
            tracing::error!(error = %chain(&error), "recording a full store failed");
        }
    }

    fn begin_outage(&self, error: &Error) {
        let is_full = matches!(error, Error::Full { .. });
        let last = self.last_outage().filter(|last| last.ended.elapsed() < OUTAGE_MERGE_WINDOW);
        let (since, probes) = last.map_or_else(|| (wall::now(), 0), |last| (last.outage.since, last.probes));
        let outage = Outage { since, is_full };
        tracing::error!(error = %chain(&error), "store outage; work waits");
        self.health.outage.send_replace(Some(outage));
        if !self.health.is_probing.swap(true, Ordering::AcqRel) {
            tokio::spawn(self.clone().wait_for_end(outage, probes));
        }
    }

    /// Probes until the store works again.
    async fn wait_for_end(self, outage: Outage, mut probes: u32) {
        let bytes = if outage.is_full { FULL_PROBE_BYTES } else { 1 };
        loop {
            let pause = self.patience.pause.saturating_mul(1 << probes.min(16)).min(MAX_PROBE_PAUSE);
            tokio::time::sleep(pause.mul_f64(0.5 + jitter())).await;
            probes += 1;
            match self.probe(bytes).await {
                Ok(()) => break,
                Err(error) => tracing::debug!(error = %chain(&error), probes, "store still failing"),
            }
        }
        tracing::info!(probes, "store works again");
        *self.health.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Last { outage, ended: Instant::now(), probes });
        // In this order, so that an outage that begins from here on gets a task of its own.
        self.health.is_probing.store(false, Ordering::Release);
        self.health.outage.send_replace(None);
    }

    fn last_outage(&self) -> Option<Last> {
        *self.health.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, reads and deletes the probe object.
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
            tracing::debug!(error = %chain(&error), "deleting the probe object failed; left to the next probe");
        }
        match read {
            Err(Error::NotFound(_)) => Ok(()),
            read => read,
        }
    }
}

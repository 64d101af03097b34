//! Orphans: objects in the store that the catalog doesn't know, and how the two are compared.
//!
//! # What may be deleted
//! - **What a row or a tombstone says has ended**, at once. What has ended never begins again, so this holds however old the
//!   answer is: a lagging standby or a restored backup can only know less of it.
//! - **What no row knows** proves nothing: its row may be in the catalog that was replaced by a backup, or not have reached the
//!   server that answered. It is quarantined, and deleted when the master has seen it unknown for `--orphan-grace`, or when an
//!   operator discards it. An operator may adopt originals instead (`evenlight orphans`).
//!
//! Objects are listed first and rows are read afterwards, on the primary: a row is there before the first byte of anything that
//! it owns, so what belongs to live work is known by then.
//!
//! # How a catalog shows its age
//! The catalog has a generation, which the master raises as images come, and the store's mark carries the highest one
//! ([`keys::GENERATION`]), which is written after it was raised and read before the catalog's. So a catalog that is below the
//! mark has lost something, and then nothing at all is deleted, abandoned uploads included: a row that says `receiving` may be
//! of an upload that was accepted since.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use shared::id::ImageId;
use tokio::sync::watch;

use crate::catalog::{self, Catalog, InUse};
use crate::store::keys::{self, Owner};
use crate::store::{self, Found, Store};

/// Objects that are judged at a time.
pub const BATCH: usize = 256;

/// How often the catalog is asked for its alert.
const ALERT_EVERY: Duration = Duration::from_secs(1);

/// Why catalog and store can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The store is another catalog's.
    #[error("the store belongs to installation {store}, and the catalog is installation {catalog}")]
    Foreign {
        /// The installation that the store is marked with.
        store: String,
        /// The catalog's.
        catalog: String,
    },
    /// The store's mark holds no number.
    #[error("the store's object {key} should hold a number and holds {0:?}", key = keys::GENERATION)]
    Mark(String),
}

/// What the rows say of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody needs it.
    Live,
    /// What wrote it has ended, and nobody needs it.
    Ended,
    /// No row knows it.
    Unknown,
}

/// What the rows say of an object. What is unfinished needs somebody who may still finish it.
pub fn judge(found: &Found, owner: &Owner, in_use: &InUse) -> Verdict {
    let (at_work, id) = match owner {
        Owner::Upload(image, upload) => (in_use.uploads.contains(&(image.clone(), upload.clone())), upload.as_str()),
        Owner::Run(image, run) => (in_use.runs.contains(&(image.clone(), run.clone())), run.as_str()),
        Owner::Pyramid(image, claim) => (in_use.pyramids.contains(&(image.clone(), claim.clone())), claim.as_str()),
    };
    if at_work || (found.unfinished.is_none() && in_use.keys.contains(&found.key)) {
        Verdict::Live
    } else if in_use.ended.contains(id) || in_use.ended.contains(owner.image().as_str()) {
        Verdict::Ended
    } else {
        Verdict::Unknown
    }
}

/// Judges objects that were listed before; those whose keys aren't ours are left out.
///
/// # Errors
/// The catalog's.
pub async fn judged(catalog: &dyn Catalog, listed: Vec<Found>) -> catalog::Result<Vec<(Found, Owner, Verdict)>> {
    let ours: Vec<(Found, Owner)> =
        listed.into_iter().filter_map(|found| Owner::of(&found.key).map(|owner| (found, owner))).collect();
    let images: HashSet<&ImageId> = ours.iter().map(|(_, owner)| owner.image()).collect();
    let images: Vec<ImageId> = images.into_iter().cloned().collect();
    let in_use = catalog.in_use(&images).await?;
    let judged = ours.into_iter().map(|(found, owner)| {
        let verdict = judge(&found, &owner, &in_use);
        (found, owner, verdict)
    });
    Ok(judged.collect())
}

/// Marks a store that has no mark yet, and refuses one with another's.
///
/// # Errors
/// [`Error::Foreign`].
pub async fn is_own(store: &Store, catalog: &dyn Catalog) -> Result<(), Error> {
    let identity = catalog.identity().await?;
    match store.put(keys::MARK, Bytes::from(identity.clone())).await {
        Err(store::Error::Exists(_)) => {
            let store = String::from_utf8_lossy(&store.get(keys::MARK).await?).into_owned();
            Err(Error::Foreign { store, catalog: identity })
        }
        marked => Ok(marked?),
    }
}

/// The highest generation of the catalog that the store has seen; 0 if none.
///
/// # Errors
/// The store's; [`Error::Mark`].
pub async fn seen_generation(store: &Store) -> Result<u64, Error> {
    match store.get(keys::GENERATION).await {
        Err(store::Error::NotFound(_)) => Ok(0),
        Err(error) => Err(error.into()),
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            text.parse().map_err(|_| Error::Mark(text.into_owned()))
        }
    }
}

/// Notes in the store that the catalog has reached a generation.
///
/// # Errors
/// The store's.
pub async fn note_generation(store: &Store, generation: u64) -> Result<(), Error> {
    Ok(store.replace(keys::GENERATION, Bytes::from(generation.to_string())).await?)
}

/// What catalog and store know of each other at one moment.
#[derive(Debug)]
pub struct Survey {
    /// The catalog's generation.
    pub generation: u64,
    /// The highest generation that the store has seen.
    pub seen: u64,
    /// Objects that no row knows.
    pub unknown: Vec<(Found, Owner)>,
    /// Complete originals of uploads that a row says are still being received.
    pub receiving: Vec<(Found, Owner)>,
}

impl Survey {
    /// Compares everything in the store with the catalog. Writes nothing.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn make(store: &Store, catalog: &dyn Catalog) -> Result<Self, Error> {
        is_own(store, catalog).await?;
        let seen = seen_generation(store).await?;
        let generation = catalog.generation().await?;
        let (mut unknown, mut receiving) = (Vec::new(), Vec::new());
        let mut batches = store.everything(BATCH);
        while let Some(listed) = batches.try_next().await? {
            for (found, owner, verdict) in judged(catalog, listed).await? {
                match verdict {
                    Verdict::Unknown => unknown.push((found, owner)),
                    Verdict::Live if is_original(&found, &owner) => receiving.push((found, owner)),
                    _ => {}
                }
            }
        }
        Ok(Self { generation, seen, unknown, receiving })
    }

    /// Whether the catalog has lost something that the store has seen.
    pub fn is_behind(&self) -> bool {
        self.generation < self.seen
    }
}

/// Whether it is a complete original.
pub fn is_original(found: &Found, owner: &Owner) -> bool {
    matches!(owner, Owner::Upload(image, upload) if found.unfinished.is_none() && keys::original(image, upload) == found.key)
}

/// Tells the catalog's alert as it changes, for ever. While the catalog doesn't answer, the last one stays.
pub async fn follow_alert(catalog: Arc<dyn Catalog>, alert: watch::Sender<Option<String>>) {
    loop {
        if let Ok(fresh) = catalog.alert().await {
            alert.send_if_modified(|known| std::mem::replace(known, fresh.clone()) != fresh);
        }
        tokio::time::sleep(ALERT_EVERY).await;
    }
}

#[cfg(test)]
#[path = "orphans_tests.rs"]
mod tests;

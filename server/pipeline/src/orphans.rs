//! Orphans: objects in the store that the catalog doesn't know, and the comparison of store and catalog.
//!
//! # What may be deleted
//! - **An object whose owner has ended, by a row or a tombstone**: at once. Ended work never restarts, so this is safe
//!   however stale the answer is: a lagging standby or a restored backup can only know of fewer endings.
//! - **An object that no row knows** proves nothing: its row may be in the catalog that a backup replaced, or may not
//!   have reached the server that answered. It is quarantined, and deleted once the master has seen it unknown for
//!   `--orphan-grace`, or when an operator discards it. An operator may instead adopt originals (`evenlight orphans`).
//!
//! Objects are listed first and rows are read afterwards, on the primary: a row exists before the first byte of
//! anything that it owns, so objects of live work are known by then.
//!
//! # How a stale catalog is detected
//! The catalog has a generation, which the master raises as images arrive, and the store's mark holds the highest one
//! ([`keys::GENERATION`]). The mark is written after the catalog's generation was raised, and read before the
//! catalog's generation. So a catalog below the mark has lost something, and then nothing at all is deleted, not even
//! abandoned uploads: a row in state `receiving` may belong to an upload that was accepted since.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::{InUse, Installation};
use futures::TryStreamExt;
use shared::id::ImageId;
use store::keys::{self, Owner};
use store::{Found, Store};
use tokio::sync::watch;

/// Number of objects judged per batch.
pub const BATCH: usize = 256;

/// How often the catalog's alert is polled.
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
    /// The store belongs to another catalog.
    #[error("the store belongs to installation {store}, and the catalog is installation {catalog}")]
    Foreign {
        /// Installation in the store's mark.
        store: String,
        /// The catalog's installation.
        catalog: String,
    },
    /// The generation in the store's mark is not a number.
    #[error("the store's object {key} should hold a number and holds {0:?}", key = keys::GENERATION)]
    Mark(String),
}

/// An object's status according to the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its writer is at work, or may still be.
    BeingWritten,
    /// In use.
    Live,
    /// Its writer has ended, and nothing uses it.
    Ended,
    /// No row knows it.
    Unknown,
}

/// Judges an object by the rows. An unfinished object is only live if its writer may still finish it.
pub fn judge(found: &Found, owner: &Owner, in_use: &InUse) -> Verdict {
    let (at_work, id) = match owner {
        Owner::Upload(image, upload) => (in_use.uploads.contains(&(image.clone(), upload.clone())), upload.as_str()),
        Owner::Run(image, run) => (in_use.runs.contains(&(image.clone(), run.clone())), run.as_str()),
        Owner::Pyramid(image, claim) => (in_use.pyramids.contains(&(image.clone(), claim.clone())), claim.as_str()),
    };
    if at_work {
        Verdict::BeingWritten
    } else if found.unfinished.is_none() && in_use.keys.contains(&found.key) {
        Verdict::Live
    } else if in_use.ended.contains(id) || in_use.ended.contains(owner.image().as_str()) {
        Verdict::Ended
    } else {
        Verdict::Unknown
    }
}

/// Judges listed objects; skips those whose keys don't have our format.
///
/// # Errors
/// The catalog's.
pub async fn judged(catalog: &dyn Installation, listed: Vec<Found>) -> catalog::Result<Vec<(Found, Owner, Verdict)>> {
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

/// Marks the store as this catalog's, or checks the mark that it already has.
///
/// # Errors
/// [`Error::Foreign`] if the store belongs to another installation; the store's and the catalog's.
pub async fn is_own(store: &Store, catalog: &dyn Installation) -> Result<(), Error> {
    let identity = catalog.identity().await?;
    match store.put(keys::MARK, Bytes::from(identity.clone())).await {
        Err(store::Error::Exists(_)) => {
            let store = String::from_utf8_lossy(&store.get(keys::MARK).await?).into_owned();
            Err(Error::Foreign { store, catalog: identity })
        }
        marked => Ok(marked?),
    }
}

/// Returns the highest generation of the catalog recorded in the store; 0 if none.
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

/// Records in the store that the catalog has reached a generation.
///
/// # Errors
/// The store's.
pub async fn note_generation(store: &Store, generation: u64) -> Result<(), Error> {
    Ok(store.replace(keys::GENERATION, Bytes::from(generation.to_string())).await?)
}

/// A comparison of catalog and store at one moment.
#[derive(Debug)]
pub struct Survey {
    /// The catalog's generation.
    pub generation: u64,
    /// The highest generation recorded in the store.
    pub seen: u64,
    /// Objects that no row knows.
    pub unknown: Vec<(Found, Owner)>,
    /// Complete originals whose upload is still `receiving` according to its row.
    pub receiving: Vec<(Found, Owner)>,
}

impl Survey {
    /// Compares everything in the store with the catalog. Writes no more than a missing mark.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn make(store: &Store, catalog: &dyn Installation) -> Result<Self, Error> {
        is_own(store, catalog).await?;
        let seen = seen_generation(store).await?;
        let generation = catalog.generation().await?;
        let (mut unknown, mut receiving) = (Vec::new(), Vec::new());
        let mut batches = store.everything(BATCH);
        while let Some(listed) = batches.try_next().await? {
            for (found, owner, verdict) in judged(catalog, listed).await? {
                match verdict {
                    Verdict::Unknown => unknown.push((found, owner)),
                    Verdict::BeingWritten if is_original(&found, &owner) => receiving.push((found, owner)),
                    _ => {}
                }
            }
        }
        Ok(Self { generation, seen, unknown, receiving })
    }

    /// Returns whether the catalog has lost something that the store has recorded.
    pub fn is_behind(&self) -> bool {
        self.generation < self.seen
    }
}

/// Returns whether the object is a complete original.
pub fn is_original(found: &Found, owner: &Owner) -> bool {
    matches!(owner, Owner::Upload(image, upload) if found.unfinished.is_none() && keys::original(image, upload) == found.key)
}

/// Publishes the catalog's alert whenever it changes, forever. While the catalog doesn't answer, the last one stays.
pub async fn follow_alert(catalog: Arc<dyn Installation>, alert: watch::Sender<Option<String>>) {
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

//! The sweeper: what lies in the store and belongs to nothing goes.
//!
//! What is left over: outputs of a run that ended while a worker still wrote; what a paused worker writes when its image
//! is long gone; bytes of an upload that was taken over or given up; temporary files of writers that crashed; all that a
//! crash left between two steps of a deletion.
//!
//! # Why it never touches live work
//! - **Liveness comes from rows, never from ages.** An object is live if its upload is being received, its run is being
//!   worked on, it is an image's original or a job's result, or the last claim of a pyramid wrote it. A two-hour upload is as live as its row.
//! - **First the objects are listed, then their rows are read.** A row is there before the first byte of anything that it
//!   owns: the upload's before its first byte is taken, the run in the job's row before its tasks. So an object that was
//!   listed had its row by then, and what has no live row at a later reading has lost it.
//! - **What is dead stays dead.** Ids of images, uploads and runs are never given twice, and originals and results are
//!   never replaced ([`Catalog::in_use`](crate::catalog::Catalog::in_use)).
//! - Thus a late delete of a deposed or paused master is harmless: it deletes what was dead when it looked, which is dead
//!   for whoever leads now. The store needs no fence for it, and sweeping twice at once does no more than once.
//! - A store belongs to one catalog. That of another would look dead altogether, so a sweep begins with the store's
//!   [mark](keys::MARK): a catalog that isn't the store's own sweeps nothing.
//!
//! Keys that this program doesn't spell are left alone. On S3, parts of uploads that were never completed are no objects:
//! a lifecycle rule of the bucket removes them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use shared::id::ImageId;

use super::jitter;
use super::master::Office;
use crate::catalog::{self, Catalog, InUse};
use crate::store::keys::{self, Owner};
use crate::store::{self, Found, Store};

/// Objects that are judged at a time.
const BATCH: usize = 256;

/// Deletes that are under way at once.
const AT_ONCE: usize = 8;

/// After a sweep that failed, the next one comes this soon.
const SOON: Duration = Duration::from_secs(30);

/// Why a sweep ended early. What it deleted was dead, whatever it didn't get to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The store is another catalog's.
    #[error("the store belongs to the catalog {0}, not to this one: nothing is swept")]
    Foreign(String),
}

/// Sweeps at the beginning of a master's lead and then again and again, beside all else that it does.
pub(super) async fn run(office: Arc<Office>) {
    let (pod, every) = (&office.pod, office.pod.config.sweep_every);
    loop {
        let pause = match sweep(&pod.shop.store, &*pod.catalog).await {
            Ok(0) => every,
            Ok(removed) => {
                tracing::info!(pod = %pod.config.name, removed, "removed from the store what belonged to nothing");
                every
            }
            Err(error) => {
                tracing::warn!(pod = %pod.config.name, %error, "a sweep of the store ended early");
                every.min(SOON)
            }
        };
        tokio::time::sleep(pause.mul_f64(0.75 + jitter() / 2.0)).await;
    }
}

/// Goes once through all that lies in the store; gives how much was removed.
async fn sweep(store: &Store, catalog: &dyn Catalog) -> Result<u64, Error> {
    is_own(store, catalog).await?;
    let (mut removed, mut batches) = (0, store.everything(BATCH));
    while let Some(listed) = batches.try_next().await? {
        let ours: Vec<(Found, Owner)> =
            listed.into_iter().filter_map(|found| Owner::of(&found.key).map(|owner| (found, owner))).collect();
        let mut images: Vec<ImageId> = ours.iter().map(|(_, owner)| owner.image().clone()).collect();
        images.sort();
        images.dedup();
        let in_use = catalog.in_use(&images).await?;
        let dead = ours.into_iter().filter(|(found, owner)| !is_live(found, owner, &in_use));
        let gone = futures::stream::iter(dead).map(|(found, _)| async move {
            tracing::debug!(key = found.key, unfinished = found.unfinished, "belongs to nothing");
            store.remove(&found).await
        });
        let mut gone = gone.buffer_unordered(AT_ONCE);
        while let Some(gone) = gone.next().await {
            gone?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Marks a store that has no mark yet, and refuses one with another's.
async fn is_own(store: &Store, catalog: &dyn Catalog) -> Result<(), Error> {
    let identity = catalog.identity().await?;
    match store.put(keys::MARK, Bytes::from(identity)).await {
        Err(store::Error::Exists(_)) => {
            Err(Error::Foreign(String::from_utf8_lossy(&store.get(keys::MARK).await?).into_owned()))
        }
        marked => Ok(marked?),
    }
}

/// Whether somebody needs it. What is unfinished needs somebody who may still finish it.
fn is_live(found: &Found, owner: &Owner, in_use: &InUse) -> bool {
    let at_work = match owner {
        Owner::Upload(image, upload) => in_use.uploads.contains(&(image.clone(), upload.clone())),
        Owner::Run(image, run) => in_use.runs.contains(&(image.clone(), run.clone())),
        Owner::Pyramid(image, claim) => in_use.pyramids.contains(&(image.clone(), claim.clone())),
    };
    at_work || (found.unfinished.is_none() && in_use.keys.contains(&found.key))
}

#[cfg(test)]
#[path = "sweeper_tests.rs"]
mod tests;

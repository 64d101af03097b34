//! The renderer: makes missing pyramids. Those that a viewer asks for come first; those of other images that can be equalized
//! are made while no job waits or runs. One at a time in each process.
//!
//! # Why it is safe
//! - No job waits for it and no guarantee depends on it: without a pyramid a page shows a smaller picture.
//! - The row is claimed before the first byte is written. The claim's id is part of the key and is never reused, and the
//!   pyramid exists once its row names it, which requires that the claim still holds. After a lost claim, the sweeper removes
//!   what was written.
//! - A claim that isn't renewed lapses; an image whose claims lapsed three times is left alone. A failure that isn't the
//!   image's fault (a store that doesn't answer, a stop) returns the claim.

use std::sync::Arc;
use std::time::Duration;

use base::backoff::jitter;
use base::causes::{SharedError, chain};
use catalog::{PyramidWork, Pyramids, Write};
use pipeline::stages::context::TaskContext;
use pipeline::stages::failure::Failure;
use pipeline::stages::render::{Wish, Wishes, render};
use shared::cluster::ClusterView;
use store::keys;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Poll interval of the catalog while there is nothing to do.
const POLL_INTERVAL: Duration = Duration::from_secs(3);
/// A claim that wasn't renewed for this long has lapsed.
const LEASE_DURATION: Duration = Duration::from_secs(60);
/// Interval at which a claim is renewed.
const RENEW_INTERVAL: Duration = Duration::from_secs(15);

/// The renderer of a process.
pub struct Renderer {
    /// Knows which pyramids are missing.
    pub catalog: Arc<dyn Pyramids>,
    /// Pixels and files.
    pub task_context: TaskContext,
    /// View of the array, to see whether it is idle.
    pub view: watch::Receiver<Arc<ClusterView>>,
    /// Pyramids that viewers ask for.
    pub wishes: Wishes,
    /// Time limit for making one pyramid.
    pub time: Duration,
    /// Stops the renderer.
    pub stop: CancellationToken,
}

impl Renderer {
    /// Makes pyramids until `stop`.
    pub async fn run(self) {
        while !self.stop.is_cancelled() {
            // A wish that arrives during an outage of the store is dropped; the viewer asks again.
            let wish = self.wishes.take().filter(|_| self.task_context.store.outage().borrow().is_none());
            let made = match wish.is_some() || self.is_idle() {
                true => self.one(wish.as_ref()).await,
                false => Ok(false),
            };
            match made {
                Ok(true) => continue,
                Ok(false) if wish.is_some() => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = %chain(&error), "making a pyramid failed"),
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.wishes.added() => {}
                () = tokio::time::sleep(POLL_INTERVAL.mul_f64(0.75 + jitter() / 2.0)) => {}
            }
        }
    }

    fn is_idle(&self) -> bool {
        let backlog = &self.view.borrow().backlog;
        backlog.queued + backlog.running == 0 && self.task_context.store.outage().borrow().is_none()
    }

    /// Makes one pyramid. Returns `false` if there is none to make.
    async fn one(&self, wish: Option<&Wish>) -> Result<bool, catalog::Error> {
        let claim = uuid::Uuid::new_v4().simple().to_string();
        let wish = wish.map(|(image, job)| (image, job.as_ref()));
        let Some(work) = self.catalog.claim_pyramid(&claim, wish, LEASE_DURATION).await? else { return Ok(false) };
        let key = keys::pyramid(&work.image, &claim);
        let made = tokio::select! {
            made = self.make(&work, &claim, key.clone()) => made,
            () = self.stop.cancelled() => Some(Err(Failure::Outage(SharedError::new("the process is stopping")))),
        };
        match made {
            Some(Ok(bytes)) => {
                if self.catalog.finish_pyramid(&claim, bytes).await? == Write::Applied {
                    tracing::debug!(image = %work.image, bytes, "pyramid made");
                } else {
                    self.discard(&key).await;
                }
            }
            Some(Err(Failure::Refused(reason))) => drop(self.catalog.refuse_pyramid(&claim, &reason).await?),
            Some(Err(failure)) => self.fail(&work, &claim, failure).await?,
            None => self.discard(&key).await,
        }
        Ok(true)
    }

    /// Handles a failure. If the image isn't at fault, the claim is given back; a missing source counts as the image's fault.
    async fn fail(&self, work: &PyramidWork, claim: &str, failure: Failure) -> Result<(), catalog::Error> {
        if self.catalog.pyramid(&work.image, work.job.as_ref()).await?.is_none() {
            tracing::debug!(image = %work.image, failure = %chain(&failure), "pyramid no longer wanted");
            return Ok(());
        }
        let missing = matches!(self.task_context.store.size(&work.source).await, Err(store::Error::NotFound(_)));
        // Check this in every case: it reports an outage, and nothing new is started while it lasts.
        let is_outage = failure.is_outage(&self.task_context.store).await;
        if is_outage || (matches!(failure, Failure::Trouble(_)) && !missing) {
            self.catalog.release_pyramid(claim).await?;
        }
        if !self.stop.is_cancelled() {
            tracing::warn!(image = %work.image, failure = %chain(&failure), "making a pyramid failed; retrying later");
        }
        Ok(())
    }

    /// Makes the pyramid while renewing the claim; returns `None` if the claim was lost.
    async fn make(&self, work: &PyramidWork, claim: &str, key: String) -> Option<Result<u64, Failure>> {
        let task_context = self.task_context.for_task(self.time, ());
        let mut made = std::pin::pin!(render(&task_context, &work.source, key));
        let mut renew = tokio::time::interval(RENEW_INTERVAL);
        renew.tick().await;
        loop {
            tokio::select! {
                made = &mut made => return Some(made.map(|pointer| pointer.bytes)),
                _ = renew.tick() => match self.catalog.touch_pyramid(claim).await {
                    Ok(Write::Applied) => {}
                    Ok(_) => return None,
                    // The claim survives a few missed renewals.
                    Err(error) => tracing::debug!(error = %chain(&error), "renewing a pyramid claim failed"),
                },
            }
        }
    }

    async fn discard(&self, key: &str) {
        if let Err(error) = self.task_context.store.delete(key).await {
            tracing::debug!(error = %chain(&error), "unwanted pyramid left to the sweeper");
        }
    }
}

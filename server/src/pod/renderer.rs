//! Makes the pyramids that nobody has made yet: what somebody looks at at once, everything else of images that could be
//! equalized while no job waits or runs. One at a time in each process.
//!
//! # Why it is safe
//! - No job waits for it and no promise depends on it: without a pyramid a page shows a smaller picture.
//! - The row is claimed before the first byte is written, the claim's name is in the key and is never given twice, and the
//!   pyramid is there when its row says so, if the claim still holds. Whoever lost the claim wrote what the sweeper removes.
//! - A claim that isn't renewed lapses; an image that ended three of them is left alone. What isn't the image's fault gives
//!   its claim back: a store that doesn't answer, and being told to stop.

use std::sync::Arc;
use std::time::Duration;

use shared::cluster::ClusterView;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::jitter;
use crate::catalog::{self, Catalog, PyramidWork, Write};
use crate::pipeline::render::{Wish, Wishes, render};
use crate::pipeline::stage::{Failure, Workshop};
use crate::store::{self, keys};

/// The catalog is asked this often while there is nothing to do.
const POLL: Duration = Duration::from_secs(3);
/// A claim that wasn't renewed for so long has lapsed.
const LEASE: Duration = Duration::from_secs(60);
/// A claim is renewed this often.
const RENEW: Duration = Duration::from_secs(15);

/// What makes pyramids in a process.
pub struct Renderer {
    /// Who knows which are wanted.
    pub catalog: Arc<dyn Catalog>,
    /// Pixels and files.
    pub shop: Workshop,
    /// The array, to see whether it has something better to do.
    pub view: watch::Receiver<Arc<ClusterView>>,
    /// What somebody looks at.
    pub wishes: Wishes,
    /// How long making one may take.
    pub time: Duration,
    /// Tells it to stop.
    pub stop: CancellationToken,
}

impl Renderer {
    /// Makes pyramids until it is told to stop.
    pub async fn run(self) {
        while !self.stop.is_cancelled() {
            // A wish that comes while the store fails is asked for again by whoever looks then.
            let wish = self.wishes.take().filter(|_| self.shop.store.outage().borrow().is_none());
            let made = match wish.is_some() || self.is_idle() {
                true => self.one(wish.as_ref()).await,
                false => Ok(false),
            };
            match made {
                Ok(true) => continue,
                Ok(false) if wish.is_some() => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "a pyramid wasn't made"),
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.wishes.added() => {}
                () = tokio::time::sleep(POLL.mul_f64(0.75 + jitter() / 2.0)) => {}
            }
        }
    }

    fn is_idle(&self) -> bool {
        let backlog = &self.view.borrow().backlog;
        backlog.queued + backlog.running == 0 && self.shop.store.outage().borrow().is_none()
    }

    /// Makes one, if there is one to be made.
    async fn one(&self, wish: Option<&Wish>) -> Result<bool, catalog::Error> {
        let claim = uuid::Uuid::new_v4().simple().to_string();
        let wish = wish.map(|(image, job)| (image, job.as_ref()));
        let Some(work) = self.catalog.claim_pyramid(&claim, wish, LEASE).await? else { return Ok(false) };
        let key = keys::pyramid(&work.image, &claim);
        let made = tokio::select! {
            made = self.make(&work, &claim, key.clone()) => made,
            () = self.stop.cancelled() => Some(Err(Failure::Outage("the process stops".to_owned()))),
        };
        match made {
            Some(Ok(bytes)) => {
                if self.catalog.finish_pyramid(&claim, bytes).await? == Write::Applied {
                    tracing::debug!(image = %work.image, bytes, "its pyramid is there");
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

    /// What isn't the image's fault doesn't count; it is, if there is nothing to read.
    async fn fail(&self, work: &PyramidWork, claim: &str, failure: Failure) -> Result<(), catalog::Error> {
        if self.catalog.pyramid(&work.image, work.job.as_ref()).await?.is_none() {
            tracing::debug!(image = %work.image, %failure, "its pyramid isn't wanted any more");
            return Ok(());
        }
        let missing = matches!(self.shop.store.size(&work.source).await, Err(store::Error::NotFound(_)));
        // Asked in any case: an outage is said, and nothing more is begun while it lasts.
        let is_outage = failure.is_outage(&self.shop.store).await;
        if is_outage || (matches!(failure, Failure::Trouble(_)) && !missing) {
            self.catalog.release_pyramid(claim).await?;
        }
        if !self.stop.is_cancelled() {
            tracing::warn!(image = %work.image, %failure, "its pyramid wasn't made; it is tried again later");
        }
        Ok(())
    }

    /// Makes it while the claim holds; `None` if it was lost.
    async fn make(&self, work: &PyramidWork, claim: &str, key: String) -> Option<Result<u64, Failure>> {
        let shop = self.shop.for_task(self.time, ());
        let mut made = std::pin::pin!(render(&shop, &work.source, key));
        let mut renew = tokio::time::interval(RENEW);
        renew.tick().await;
        loop {
            tokio::select! {
                made = &mut made => return Some(made.map(|pointer| pointer.bytes)),
                _ = renew.tick() => match self.catalog.touch_pyramid(claim).await {
                    Ok(Write::Applied) => {}
                    Ok(_) => return None,
                    // The claim holds for some renewals more.
                    Err(error) => tracing::debug!(%error, "a claim of a pyramid wasn't renewed"),
                },
            }
        }
    }

    async fn discard(&self, key: &str) {
        if let Err(error) = self.shop.store.delete(key).await {
            tracing::debug!(%error, "a pyramid that nobody wants is left to the sweeper");
        }
    }
}

//! The sweeper: deletes objects of the store that belong to nothing.
//!
//! Such leftovers are: outputs of a run that ended while a worker still wrote; writes of a paused worker whose image is long
//! gone; bytes of an upload that was taken over or abandoned; temporary files of crashed writers; whatever a crash left between
//! two steps of a deletion.
//!
//! # Why it never touches live work
//! - **Liveness comes from rows, never from ages.** An object is live if its upload is being received, its run is being worked
//!   on, it is an image's original or a job's result, or the last claim of a pyramid wrote it. A two-hour upload is as live as
//!   its row.
//! - **Only what has ended according to a row is deleted.** Objects without a row are quarantined, and dead objects stay dead, so a
//!   stale read deletes nothing ([`orphans`]).
//! - Thus a late delete of a deposed or paused master is harmless: the object was dead when that master checked, so it is dead
//!   for the current one too. When an orphan's grace period is over, the master of the epoch first writes that into its row;
//!   from then on it can no longer be adopted.
//! - A store belongs to one catalog. A sweep starts with the store's marks: a catalog that isn't the store's own, or is older
//!   than the store has seen, sweeps nothing.
//!
//! Unknown keys are left alone. On S3, parts of uploads that were never completed aren't objects: a lifecycle rule of the
//! bucket removes them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::backoff::jitter;
use base::causes::chain;
use catalog::{Raised, Sweep};
use futures::{StreamExt, TryStreamExt};
use pipeline::orphans::{self, Verdict};
use shared::gallery::ImageQuery;
use shared::id::ImageId;
use store::Found;
use tokio::time::Instant;

use super::context::MasterContext;

/// Maximum number of concurrent deletes.
const DELETES_AT_ONCE: usize = 8;

/// Pause after a failed sweep.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Pause after the epoch was taken again.
const RETAKEN_PAUSE: Duration = Duration::from_secs(1);

/// Interval at which the generation is raised while images arrive.
const GENERATION_EVERY: Duration = Duration::from_secs(10);

/// Why a sweep ended early. What it has deleted was dead in any case.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Catalog and store can't be compared.
    #[error(transparent)]
    Orphans(#[from] orphans::Error),
    /// The catalog is older than the store.
    #[error("{}", behind(*.catalog, *.store))]
    Behind { catalog: u64, store: u64 },
    /// The term is over, or about to end.
    #[error("the epoch belongs to another master")]
    NotMine,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Error::Orphans(error.into())
    }
}

impl From<catalog::Error> for Error {
    fn from(error: catalog::Error) -> Self {
        Error::Orphans(error.into())
    }
}

/// Sweeps at the start of a master's term and then periodically, concurrently with its other work.
pub(super) async fn run(context: Arc<MasterContext>) {
    let (name, every) = (context.pod.config.name.clone(), context.pod.config.sweep_every);
    let mut sweeper = Sweeper { context, newest: None, last: None };
    loop {
        let pause = match sweeper.sweep().await {
            Ok(0) => every,
            Ok(removed) => {
                tracing::info!(pod = %name, removed, "store swept");
                every
            }
            Err(error) => {
                tracing::warn!(pod = %name, error = %chain(&error), "store sweep ended early");
                if sweeper.take_epoch_again(&error).await { RETAKEN_PAUSE } else { every.min(RETRY_INTERVAL) }
            }
        };
        sweeper.rest(pause.mul_f64(0.75 + jitter() / 2.0)).await;
    }
}

struct Sweeper {
    context: Arc<MasterContext>,
    /// The newest image when the generation was last raised.
    newest: Option<Option<ImageId>>,
    /// When the last sweep started, whatever its outcome.
    last: Option<Instant>,
}

impl Sweeper {
    /// Waits; meanwhile raises the generation as images arrive, so that an earlier backup can be distinguished from the current
    /// catalog.
    async fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while until.saturating_duration_since(Instant::now()) > GENERATION_EVERY {
            tokio::time::sleep(GENERATION_EVERY).await;
            if let Err(error) = self.check().await {
                tracing::warn!(pod = %self.context.pod.config.name, error = %chain(&error), "raising the catalog's generation failed");
                self.take_epoch_again(&error).await;
            }
        }
        tokio::time::sleep_until(until).await;
    }

    /// Takes the epoch again if that is why a write was rejected and this master still leads: an idle master has no other write
    /// that would notice. Returns whether that was the error.
    async fn take_epoch_again(&self, error: &Error) -> bool {
        let is_fenced_off = matches!(error, Error::NotMine);
        if is_fenced_off && let Err(error) = self.context.mine(catalog::Write::NotMine).await {
            tracing::info!(pod = %self.context.pod.config.name, error = %chain(&error), "the epoch was another candidate's");
        }
        is_fenced_off
    }

    /// Goes through the whole store once. Returns the number of removed objects.
    async fn sweep(&mut self) -> Result<u64, Error> {
        orphans::is_own(&self.context.pod.task_context.store, &*self.context.pod.catalog).await?;
        self.check().await?;
        let (context, began) = (self.context.clone(), Instant::now());
        // Measured from start to start: an interval that a failed sweep didn't count is lost, and none counts twice.
        let since_last = self.last.replace(began).map_or(Duration::ZERO, |last| began - last);
        let id = uuid::Uuid::new_v4().simple().to_string();
        let sweep = Sweep { id, since_last, grace: context.pod.config.orphan_grace };
        let (mut removed, mut lost) = (0, Lost::default());
        let mut batches = context.pod.task_context.store.everything(orphans::BATCH);
        while let Some(listed) = batches.try_next().await? {
            removed += self.batch(&sweep, listed, &mut lost).await?;
        }
        if context.pod.catalog.end_sweep(&context.epoch(), &sweep).await? == catalog::Write::NotMine {
            return Err(Error::NotMine);
        }
        self.tell(lost.sentence(sweep.grace)).await?;
        Ok(removed)
    }

    async fn batch(&self, sweep: &Sweep, listed: Vec<Found>, lost: &mut Lost) -> Result<u64, Error> {
        let (pod, epoch) = (&self.context.pod, self.context.epoch());
        let judged = orphans::judged(&*pod.catalog, listed).await?;
        let unknown = judged.iter().filter(|(.., verdict)| *verdict == Verdict::Unknown);
        let names: Vec<String> = unknown.clone().map(|(found, ..)| found.name()).collect();
        let over = pod.catalog.quarantine(&epoch, sweep, &names).await?.ok_or(Error::NotMine)?;
        let over: HashSet<String> = over.into_iter().collect();
        for (found, owner, _) in unknown.filter(|(found, ..)| !over.contains(&found.name())) {
            lost.objects += 1;
            lost.originals += u64::from(orphans::is_original(found, owner));
        }
        let dead = |found: &Found, verdict| match verdict {
            Verdict::BeingWritten | Verdict::Live => false,
            Verdict::Ended => true,
            Verdict::Unknown => over.contains(&found.name()),
        };
        let dead: Vec<Found> =
            judged.into_iter().filter(|(found, _, verdict)| dead(found, *verdict)).map(|(found, ..)| found).collect();
        let removed = dead.len() as u64;
        let gone = futures::stream::iter(dead).map(|found| async move {
            tracing::debug!(key = found.key, unfinished = found.unfinished, "object deleted");
            pod.task_context.store.remove(&found).await
        });
        gone.buffer_unordered(DELETES_AT_ONCE).try_collect::<()>().await?;
        Ok(removed)
    }

    /// Compares the generations, and raises the catalog's if there are new images. Until this has succeeded, and after the
    /// catalog was found to be behind, this master deletes only what it is asked to delete.
    async fn check(&mut self) -> Result<(), Error> {
        let checked = self.compare().await;
        if let Ok(()) | Err(Error::Behind { .. }) = &checked {
            self.context.catalog_is_current.store(checked.is_ok(), Ordering::Relaxed);
        }
        if let Err(error @ Error::Behind { .. }) = &checked {
            self.tell(Some(error.to_string())).await?;
        }
        checked
    }

    async fn compare(&mut self) -> Result<(), Error> {
        let (store, catalog) = (&self.context.pod.task_context.store, &self.context.pod.catalog);
        // Read the store's generation first: the catalog had at least that one before.
        let seen = orphans::seen_generation(store).await?;
        let latest = ImageQuery { limit: Some(1), ..ImageQuery::default() };
        let newest = catalog.images(&latest).await?.items.into_iter().next().map(|image| image.id);
        if self.newest.as_ref() == Some(&newest) {
            let generation = catalog.generation().await?;
            return if generation < seen { Err(Error::Behind { catalog: generation, store: seen }) } else { Ok(()) };
        }
        match catalog.raise_generation(&self.context.epoch(), seen).await? {
            Raised::NotMine => Err(Error::NotMine),
            Raised::Behind(generation) => Err(Error::Behind { catalog: generation, store: seen }),
            Raised::To(generation) => {
                orphans::note_generation(store, generation).await?;
                self.newest = Some(newest);
                Ok(())
            }
        }
    }

    /// Sets or clears the alert for the operator.
    async fn tell(&self, alert: Option<String>) -> Result<(), Error> {
        let catalog = &self.context.pod.catalog;
        if catalog.alert().await? != alert {
            if let Some(alert) = &alert {
                tracing::error!(pod = %self.context.pod.config.name, alert, "operator decision needed");
            }
            catalog.set_alert(&self.context.epoch(), alert.as_deref()).await?;
        }
        Ok(())
    }
}

/// Objects in quarantine.
#[derive(Default)]
struct Lost {
    objects: u64,
    originals: u64,
}

impl Lost {
    /// Returns the alert. A row precedes an original's first byte and leaves a tombstone, so an unknown original means that
    /// rows were lost.
    fn sentence(&self, grace: Duration) -> Option<String> {
        let (images, grace) = (self.originals, humantime::format_duration(grace));
        (images > 0).then(|| {
            format!(
                "The store holds {images} original{} that the catalog doesn't know: a backup of the catalog was restored, or a replica \
                 that lagged was promoted. They are kept for {grace}. `evenlight orphans list` lists them; `adopt` brings the images back, \
                 `discard` deletes them.",
                if images == 1 { "" } else { "s" }
            )
        })
    }
}

fn behind(catalog: u64, store: u64) -> String {
    format!(
        "The catalog is older than the store: the catalog is at generation {catalog}, and the store has seen {store}. A backup of the \
         catalog was restored, or a replica that lagged was promoted. Nothing is removed from the store until an operator decides: \
         `evenlight orphans list` lists what the catalog doesn't know; `adopt` brings the images back, `discard` deletes them."
    )
}

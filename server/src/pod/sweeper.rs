//! The sweeper: what lies in the store and belongs to nothing goes.
//!
//! What is left over: outputs of a run that ended while a worker still wrote; what a paused worker writes when its image
//! is long gone; bytes of an upload that was taken over or given up; temporary files of writers that crashed; all that a
//! crash left between two steps of a deletion.
//!
//! # Why it never touches live work
//! - **Liveness comes from rows, never from ages.** An object is live if its upload is being received, its run is being
//!   worked on, it is an image's original or a job's result, or the last claim of a pyramid wrote it. A two-hour upload is as live as its row.
//! - **Only what a row says has ended is deleted.** What no row knows is quarantined, and what is dead stays dead, so a read that
//!   lags deletes nothing ([`orphans`]).
//! - Thus a late delete of a deposed or paused master is harmless: it deletes what was dead when it looked, which is dead
//!   for whoever leads now. That an orphan's grace is over is written into its row first, by the master of the epoch; from then on
//!   nobody can adopt it.
//! - A store belongs to one catalog. A sweep begins with the store's marks: a catalog that isn't the store's own, or is older
//!   than the store has seen, sweeps nothing.
//!
//! Keys that this program doesn't spell are left alone. On S3, parts of uploads that were never completed are no objects:
//! a lifecycle rule of the bucket removes them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use shared::gallery::ImageQuery;
use shared::id::ImageId;
use tokio::time::Instant;

use super::jitter;
use super::master::Office;
use crate::catalog::{self, Raised, Sweep};
use crate::pipeline::orphans::{self, Verdict};
use crate::store::{self, Found};

/// Deletes that are under way at once.
const DELETES_AT_ONCE: usize = 8;

/// After a sweep that failed, the next one comes this soon.
const SOON: Duration = Duration::from_secs(30);

/// The generation is raised this often while images come.
const GENERATION_EVERY: Duration = Duration::from_secs(10);

/// Why a sweep ended early. What it deleted was dead, whatever it didn't get to.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Catalog and store can't be compared.
    #[error(transparent)]
    Orphans(#[from] orphans::Error),
    /// The catalog is older than the store.
    #[error("{}", behind(*.catalog, *.store))]
    Behind { catalog: u64, store: u64 },
    /// The role is over, or about to be.
    #[error("the epoch is another master's")]
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

/// Sweeps at the beginning of a master's lead and then again and again, beside all else that it does.
pub(super) async fn run(office: Arc<Office>) {
    let (name, every) = (office.pod.config.name.clone(), office.pod.config.sweep_every);
    let mut sweeper = Sweeper { office, newest: None, last: None };
    loop {
        let pause = match sweeper.sweep().await {
            Ok(0) => every,
            Ok(removed) => {
                tracing::info!(pod = %name, removed, "removed from the store what had ended");
                every
            }
            Err(error) => {
                tracing::warn!(pod = %name, %error, "a sweep of the store ended early");
                every.min(SOON)
            }
        };
        sweeper.rest(pause.mul_f64(0.75 + jitter() / 2.0)).await;
    }
}

struct Sweeper {
    office: Arc<Office>,
    /// The newest image when the generation was last raised.
    newest: Option<Option<ImageId>>,
    /// When the last sweep began, whatever became of it.
    last: Option<Instant>,
}

impl Sweeper {
    /// Waits, and raises the generation meanwhile as images come, so that a backup of before is told from the catalog of now.
    async fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while until.saturating_duration_since(Instant::now()) > GENERATION_EVERY {
            tokio::time::sleep(GENERATION_EVERY).await;
            if let Err(error) = self.check().await {
                tracing::warn!(pod = %self.office.pod.config.name, %error, "the catalog's generation wasn't raised");
            }
        }
        tokio::time::sleep_until(until).await;
    }

    /// Goes once through all that lies in the store; gives how much was removed.
    async fn sweep(&mut self) -> Result<u64, Error> {
        orphans::is_own(&self.office.pod.shop.store, &*self.office.pod.catalog).await?;
        self.check().await?;
        let (office, began) = (self.office.clone(), Instant::now());
        // From one beginning to the next: an interval that a failed sweep didn't get to count is lost, and none counts twice.
        let since_last = self.last.replace(began).map_or(Duration::ZERO, |last| began - last);
        let id = uuid::Uuid::new_v4().simple().to_string();
        let sweep = Sweep { id, since_last, grace: office.pod.config.orphan_grace };
        let (mut removed, mut lost) = (0, Lost::default());
        let mut batches = office.pod.shop.store.everything(orphans::BATCH);
        while let Some(listed) = batches.try_next().await? {
            removed += self.batch(&sweep, listed, &mut lost).await?;
        }
        if office.pod.catalog.end_sweep(&office.epoch(), &sweep).await? == catalog::Write::NotMine {
            return Err(Error::NotMine);
        }
        self.tell(lost.sentence(sweep.grace)).await?;
        Ok(removed)
    }

    async fn batch(&self, sweep: &Sweep, listed: Vec<Found>, lost: &mut Lost) -> Result<u64, Error> {
        let (pod, epoch) = (&self.office.pod, self.office.epoch());
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
            Verdict::Live => false,
            Verdict::Ended => true,
            Verdict::Unknown => over.contains(&found.name()),
        };
        let dead: Vec<Found> =
            judged.into_iter().filter(|(found, _, verdict)| dead(found, *verdict)).map(|(found, ..)| found).collect();
        let removed = dead.len() as u64;
        let gone = futures::stream::iter(dead).map(|found| async move {
            tracing::debug!(key = found.key, unfinished = found.unfinished, "removed from the store");
            pod.shop.store.remove(&found).await
        });
        gone.buffer_unordered(DELETES_AT_ONCE).try_collect::<()>().await?;
        Ok(removed)
    }

    /// Compares the generations, and raises the catalog's if there are new images. Until it has succeeded once, and after it has
    /// not, this master deletes nothing that it isn't told to delete.
    async fn check(&mut self) -> Result<(), Error> {
        let checked = self.compare().await;
        if let Ok(()) | Err(Error::Behind { .. }) = &checked {
            self.office.catalog_is_current.store(checked.is_ok(), Ordering::Relaxed);
        }
        if let Err(error @ Error::Behind { .. }) = &checked {
            self.tell(Some(error.to_string())).await?;
        }
        checked
    }

    async fn compare(&mut self) -> Result<(), Error> {
        let (store, catalog) = (&self.office.pod.shop.store, &self.office.pod.catalog);
        // First what the store has seen: the catalog was as new before.
        let seen = orphans::seen_generation(store).await?;
        let latest = ImageQuery { limit: Some(1), ..ImageQuery::default() };
        let newest = catalog.images(&latest).await?.items.into_iter().next().map(|image| image.id);
        if self.newest.as_ref() == Some(&newest) {
            let generation = catalog.generation().await?;
            return if generation < seen { Err(Error::Behind { catalog: generation, store: seen }) } else { Ok(()) };
        }
        match catalog.raise_generation(&self.office.epoch(), seen).await? {
            Raised::NotMine => Err(Error::NotMine),
            Raised::Behind(generation) => Err(Error::Behind { catalog: generation, store: seen }),
            Raised::To(generation) => {
                orphans::note_generation(store, generation).await?;
                self.newest = Some(newest);
                Ok(())
            }
        }
    }

    /// Says what an operator has to decide, or that there is nothing.
    async fn tell(&self, alert: Option<String>) -> Result<(), Error> {
        let catalog = &self.office.pod.catalog;
        if catalog.alert().await? != alert {
            if let Some(alert) = &alert {
                tracing::error!(pod = %self.office.pod.config.name, alert, "an operator has to decide");
            }
            catalog.set_alert(&self.office.epoch(), alert.as_deref()).await?;
        }
        Ok(())
    }
}

/// What is in quarantine.
#[derive(Default)]
struct Lost {
    objects: u64,
    originals: u64,
}

impl Lost {
    /// A row precedes an original's first byte and leaves a tombstone: that an original is unknown means that rows were lost.
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

//! Master context: what a master and the drivers of its jobs share during a term, and the writes that both make.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use catalog::{Epoch, Write};
use coord::election::Candidacy;
use coord::fence::{Fence, FenceError};
use coord::record::to_json;
use coord::{Coordinator, Error, Op, paths, settle};
use shared::event::EventLog;
use shared::id::JobId;
use shared::job::Job;

use super::error::{End, MasterError};
use crate::context::Pod;
use crate::mirror::Mirror;

/// Maximum number of operations in one multi: far below 256 KiB with records of a few hundred bytes.
pub(super) const MAX_BATCH_OPS: usize = 200;

/// The log as this leader knows it, with its znode's version; `None` if it must be read. The holder of the lock may write.
#[derive(Default)]
pub(super) struct Log(pub(super) tokio::sync::Mutex<Option<(EventLog, i32)>>);

/// State shared by a master and its drivers.
pub(super) struct MasterContext {
    pub(super) pod: Arc<Pod>,
    pub(super) coordinator: Arc<dyn Coordinator>,
    pub(super) mirror: Arc<Mirror>,
    pub(super) fence: Fence,
    pub(super) log: Log,
    /// Whether the catalog is known to be as recent as the store; until then, only what a user asked to delete is deleted.
    pub(super) catalog_is_current: AtomicBool,
    candidacy: String,
    epoch: Mutex<Epoch>,
    /// Jobs whose rows have ended but whose znodes can't be removed; they don't occupy a slot.
    aside: Mutex<BTreeSet<JobId>>,
    /// Jobs whose drivers are ending them: the row first, then the znodes.
    ending: Mutex<BTreeSet<JobId>>,
}

/// Marks a job as being ended by its driver, until dropped.
pub(super) struct Ending<'a> {
    context: &'a MasterContext,
    job: &'a JobId,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.context.ending.lock().unwrap_or_else(PoisonError::into_inner).remove(self.job);
    }
}

impl MasterContext {
    /// Creates the context of a candidacy that has won.
    pub(super) fn new(
        pod: Arc<Pod>,
        coordinator: Arc<dyn Coordinator>,
        mirror: Arc<Mirror>,
        candidacy: &Candidacy,
    ) -> Self {
        let epoch = Mutex::new(Epoch { n: 0, candidacy: candidacy.uuid().to_owned() });
        let (fence, candidacy) = (candidacy.fence(), candidacy.uuid().to_owned());
        let (log, catalog_is_current) = (Log::default(), AtomicBool::new(false));
        let (aside, ending) = (Mutex::default(), Mutex::default());
        Self { pod, coordinator, mirror, fence, log, catalog_is_current, candidacy, epoch, aside, ending }
    }

    /// Returns the epoch for the next catalog write.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether a fenced catalog write was applied. [`Write::NotMine`] while the election node still exists means that a
    /// former leader took the epoch late (a candidate that won and lost before this one): the epoch is taken again and the
    /// write must be retried.
    pub(super) async fn mine(&self, write: Write) -> Result<bool, MasterError> {
        match write {
            Write::Applied => Ok(true),
            Write::NoChange => Ok(false),
            Write::NotMine => {
                settle::settle(&*self.coordinator).await?;
                if self.coordinator.stat(self.fence.node()).await?.is_none() {
                    return Err(MasterError::End(End::Deposed));
                }
                self.take_epoch().await?;
                Err(MasterError::EpochRetaken)
            }
        }
    }

    pub(super) async fn take_epoch(&self) -> Result<Epoch, MasterError> {
        let epoch = self.pod.catalog.take_epoch(&self.candidacy).await?;
        let mut known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        // Two calls may race here: the higher epoch counts.
        if epoch.n > known.n {
            *known = epoch.clone();
        }
        Ok(epoch)
    }

    /// Sets aside a job whose row has ended but whose znodes can't be removed now; it no longer occupies a slot.
    pub(super) fn set_aside(&self, job: &JobId, why: impl Display) {
        if self.aside.lock().unwrap_or_else(PoisonError::into_inner).insert(job.clone()) {
            tracing::warn!(%job, %why, "deleting a job's znodes failed; set aside");
        }
    }

    /// Returns whether a job was set aside.
    pub(super) fn is_aside(&self, job: &JobId) -> bool {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).contains(job)
    }

    /// Marks a job as being ended by its driver, before its row is switched. Only one driver drives a job.
    pub(super) fn begin_ending<'a>(&'a self, job: &'a JobId) -> Ending<'a> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).insert(job.clone());
        Ending { context: self, job }
    }

    /// Returns whether a job's driver is ending it.
    pub(super) fn is_ending(&self, job: &JobId) -> bool {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).contains(job)
    }

    /// Deletes everything below a job's node, no matter who wrote it, and then the node itself. Call it only for jobs whose row
    /// has ended: a deleted lock makes its holder's commit fail, and that commit would no longer count.
    pub(super) async fn remove_tree(&self, job: &JobId) -> Result<(), MasterError> {
        let mut all = vec![paths::job(job)];
        let mut level = all.clone();
        while !level.is_empty() {
            let children = self.coordinator.children_many(&level).await?;
            let below = level.iter().zip(children).flat_map(|(path, names)| {
                names.unwrap_or_default().into_iter().map(move |name| format!("{path}/{name}"))
            });
            level = below.collect();
            all.extend(level.iter().cloned());
        }
        all.reverse();
        for batch in all.chunks(MAX_BATCH_OPS) {
            let ops = batch.iter().map(|path| Op::Delete { path: path.clone(), version: None }).collect();
            match self.fence.write(&*self.coordinator, ops).await {
                // A node whose children can't be listed can't be emptied.
                Err(FenceError::Conflict { source: Error::NotEmpty(path), .. }) if !self.is_listable(&path).await? => {
                    return Err(MasterError::Forbidden(path));
                }
                written => written?,
            }
        }
        Ok(())
    }

    async fn is_listable(&self, path: &str) -> Result<bool, MasterError> {
        match self.coordinator.children(path).await {
            Ok(_) | Err(Error::NoNode(_)) => Ok(true),
            Err(Error::Forbidden(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a job's record at the version that was read. The record keeps the stamp of the job's start: otherwise an observer
    /// that reads the job only now would order its start after the claims that it caused.
    pub(super) async fn write_job(&self, mut job: Job, version: i32) -> Result<(), MasterError> {
        job.epoch = self.epoch().n;
        let op = Op::Set { path: paths::job(&job.job), data: to_json(&job), version: Some(version) };
        Ok(self.fence.write(&*self.coordinator, vec![op]).await?)
    }
}

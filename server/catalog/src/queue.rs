//! The queue of jobs: the master activates, publishes and fails them under its epoch, and workers note what they finished.

use async_trait::async_trait;
use shared::cluster::Backlog;
use shared::equalize::Recipe;
use shared::id::{ImageId, JobId, RunId};
use shared::job::{Cut, ImageInfo, Phase};
use shared::task::{Done, Outcome};
use shared::timeline::Timeline;

use super::{Epoch, Result, Write};

/// A job, with everything that its run needs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// The job.
    pub job: JobId,
    /// Its image.
    pub image: ImageId,
    /// Its current run; `None` until it is activated.
    pub run: Option<RunId>,
    /// Number of runs since a user last queued it.
    pub runs: u32,
    /// Number of consecutive runs lost with the whole array, including the current one if it ended now.
    pub losses: u32,
    /// Recipe to apply.
    pub recipe: Recipe,
    /// Store key of the original.
    pub original: String,
    /// Length of the original in bytes.
    pub original_bytes: u64,
    /// SHA-256 of the original.
    pub original_sha256: String,
    /// Metadata from the image's header.
    pub info: ImageInfo,
}

/// A task finished by one run, which the job's next run needn't repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedTask {
    /// The job.
    pub job: JobId,
    /// The run that finished it.
    pub run: RunId,
    /// Its phase.
    pub phase: Phase,
    /// Its index within the phase.
    pub index: u32,
    /// Version of the arithmetic with which it was computed.
    pub algo: u32,
    /// How the image was cut.
    pub cut: Cut,
    /// Its result.
    pub done: Done,
}

impl FinishedTask {
    /// The store key of its output; `None` if it has none.
    pub fn key(&self) -> Option<&str> {
        match &self.done.outcome {
            Outcome::Stored(pointer) => Some(&pointer.key),
            Outcome::Refused { .. } => None,
        }
    }
}

/// A published result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// The job whose result it is.
    pub job: JobId,
    /// Key in the store.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// Which of a run's objects are still needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// All of them: the run is in progress, or no row proves that it has ended.
    All,
    /// None but the job's result under this key, if any; the run has ended for good.
    Only(Option<String>),
}

/// The queue of jobs.
#[async_trait]
pub trait JobQueue: Send + Sync + 'static {
    /// Returns the size of the backlog.
    async fn backlog(&self) -> Result<Backlog>;

    /// Takes the next epoch for a candidacy. If the latest epoch is already this candidacy's, returns that one: of several writers of
    /// a master that find their epoch outdated, the first takes a new one for all, and a repetition after a lost reply takes none.
    async fn take_epoch(&self, candidacy: &str) -> Result<Epoch>;

    /// Returns the oldest queued jobs of images that aren't being deleted, with `min_pixels` to `max_pixels` pixels (the lane),
    /// oldest first.
    async fn queued(&self, limit: u32, min_pixels: u64, max_pixels: u64) -> Result<Vec<JobRow>>;

    /// Returns every running job, including those of images being deleted.
    async fn running(&self) -> Result<Vec<JobRow>>;

    /// Moves a job `queued → running` with a new run; counts the run.
    async fn activate(&self, epoch: &Epoch, job: &JobId, run: &RunId) -> Result<Write>;

    /// Replaces the run of a running job whose znodes are gone; counts the run, and, if `stopped` (the whole array has stopped
    /// meanwhile), counts the old one as lost if a worker began it and it finished no further task ([`JobRow::losses`]).
    async fn rerun(&self, epoch: &Epoch, job: &JobId, old: &RunId, new: &RunId, stopped: bool) -> Result<Write>;

    /// Moves a job `running → done` with its result and timeline, if its run is still `run`.
    async fn publish(
        &self,
        epoch: &Epoch,
        run: &RunId,
        result: &ResultFile,
        timeline: Option<&Timeline>,
    ) -> Result<Write>;

    /// Moves a job `running → failed` with the reason and timeline, if its run is still `run`.
    async fn fail(
        &self,
        epoch: &Epoch,
        job: &JobId,
        run: &RunId,
        reason: &str,
        timeline: Option<&Timeline>,
    ) -> Result<Write>;

    /// Returns which of a run's objects are still needed.
    async fn needed(&self, job: &JobId, run: &RunId) -> Result<Needed>;

    /// Records an orderly stop of the array: a current run counts as lost only if a worker begins it after this.
    async fn hand_over(&self, epoch: &Epoch) -> Result<Write>;

    /// Records that a worker is about to work on a run, so that the run counts as lost if the array stops now.
    /// [`Write::NoChange`] if this was recorded before, or the run is over.
    async fn begin_attempt(&self, job: &JobId, run: &RunId) -> Result<Write>;

    /// Stores finished tasks for the job's next run. Skips tasks of runs that are over.
    async fn note_finished(&self, tasks: &[FinishedTask]) -> Result<()>;

    /// Returns the stored finished tasks of a running job.
    async fn finished(&self, job: &JobId) -> Result<Vec<FinishedTask>>;
}

//! The catalog: images and jobs in SQL, the array's durable backlog.
//!
//! # What a caller must know
//! - The master's writes take an [`Epoch`]. Each is a single autocommitted statement that changes nothing unless the epoch row
//!   still holds that candidacy ([`Write::NotMine`]) and the row is in the expected state ([`Write::NoChange`]). No transaction
//!   spans a round trip.
//! - Reads run on the primary, at a moment after the call ([`primary`]); so a row missing from a result didn't exist at that
//!   moment.
//! - After an error ([`Error::Unavailable`]) the outcome is unknown. Every write may be repeated, and returns
//!   [`Write::NoChange`] if it took effect before. The exception is [`Catalog::finish_upload`], which returns
//!   [`Write::Applied`] again, because an upload id belongs to one attempt.

mod cursor;
mod db;
mod derived;
mod fence;
mod gallery;
mod installation;
mod migrations;
mod open;
mod primary;
mod resumable;
mod runs;
mod sql;
mod statement;

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use shared::cluster::Backlog;
use shared::equalize::Recipe;
use shared::gallery::{Image, ImageQuery, JobSummary, Neighbours, Page, Sections};
use shared::id::{ImageId, JobId, RunId, UploadId};
use shared::job::{Cut, ImageInfo, Phase};
use shared::task::{Done, Outcome};
use shared::timeline::Timeline;

pub use self::open::open;

/// Why a catalog operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database can't be reached, or failed; the outcome of a write is unknown.
    #[error("the catalog is unavailable: {0}")]
    Unavailable(String),
    /// The request is invalid (a forged cursor, for example).
    #[error("{0}")]
    Invalid(String),
}

/// Minimum time that a resumable upload of which some bytes have arrived waits for more.
pub const RESUMABLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Result of a catalog operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Outcome of a fenced or guarded write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It took effect.
    Applied,
    /// The row wasn't in the expected state (it moved on, or this same write took effect before).
    NoChange,
    /// The epoch row holds another candidacy: take the epoch again, or step down.
    NotMine,
}

/// A master's epoch: the row (number, candidacy UUID) that fences its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Epoch number; incremented each time that a candidacy takes the epoch.
    pub n: u64,
    /// UUID of the candidacy that took this epoch.
    pub candidacy: String,
}

/// A new upload.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Id of this attempt to send the bytes.
    pub upload: UploadId,
    /// Image id to use if the idempotency key is new.
    pub image: ImageId,
    /// Job id to use if the idempotency key is new.
    pub job: JobId,
    /// The client's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// File name.
    pub name: String,
    /// Recipe to apply.
    pub recipe: Recipe,
}

/// Outcome of [`Catalog::begin_upload`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Send the bytes and finish with these ids. An earlier attempt with the same key, if any, has been taken over.
    Receiving {
        /// The image.
        image: ImageId,
        /// The job.
        job: JobId,
    },
    /// An upload with this key was already accepted.
    Accepted(Answer),
}

/// Outcome of [`Catalog::begin_resumable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// Send this upload, continuing at its offset.
    Receiving(UploadId),
    /// An upload with this key was already accepted, under this id.
    Accepted(UploadId, Answer),
    /// The limits leave no room for another upload beside these.
    NoRoom(Unsent),
}

/// Resumable uploads that aren't accepted yet, and the bytes still missing from them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsent {
    /// Number of uploads.
    pub uploads: u64,
    /// Bytes announced but not received.
    pub bytes: u64,
    /// Number of uploads of this client.
    pub uploads_of_client: u64,
    /// Bytes announced by this client but not received.
    pub bytes_of_client: u64,
}

/// Limits on unsent uploads, including a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsentLimits {
    /// The client that begins an upload, if known.
    pub client: Option<String>,
    /// The limits.
    pub most: Unsent,
}

impl UnsentLimits {
    /// Returns limits that allow everything, for an unknown client.
    pub fn none() -> Self {
        let most =
            Unsent { uploads: u64::MAX, bytes: u64::MAX, uploads_of_client: u64::MAX, bytes_of_client: u64::MAX };
        Self { client: None, most }
    }

    /// Whether the limits allow an upload of `length` bytes in addition to `unsent`.
    pub fn allow(&self, unsent: &Unsent, length: u64) -> bool {
        let fits = |bytes: u64, most: u64| bytes.checked_add(length).is_some_and(|all| all <= most);
        unsent.uploads < self.most.uploads
            && unsent.uploads_of_client < self.most.uploads_of_client
            && fits(unsent.bytes, self.most.bytes)
            && fits(unsent.bytes_of_client, self.most.bytes_of_client)
    }
}

/// A resumable upload in progress, or any accepted upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Resumable {
    /// Its image.
    pub image: ImageId,
    /// The job with which it was or will be answered.
    pub job: JobId,
    /// Recipe to apply to the image.
    pub recipe: Recipe,
    /// Total length in bytes.
    pub length: u64,
    /// Number of bytes received.
    pub offset: u64,
    /// Whether the upload was accepted; [`Resumable::image`] may have been deleted since.
    pub accepted: bool,
}

/// A part of a resumable upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Offset of its first byte in the upload.
    pub start: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Key in the store.
    pub key: String,
}

/// The answer that an upload got when it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The image.
    pub image: ImageId,
    /// The job.
    pub job: JobId,
    /// SHA-256 of the accepted body, 64 hexadecimal digits; repeating the key with another body is answered 422.
    pub sha256: String,
    /// The accepted recipe.
    pub recipe: Recipe,
}

/// An upload whose bytes are in the store.
#[derive(Debug, Clone)]
pub struct Received {
    /// Store key of the original.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// Metadata from its header.
    pub info: ImageInfo,
}

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

/// The files of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// Name of the uploaded file.
    pub name: String,
    /// Store key of the original.
    pub original: String,
    /// Length of the original in bytes.
    pub original_bytes: u64,
    /// SHA-256 of the original.
    pub original_sha256: String,
    /// Metadata from the original's header.
    pub info: ImageInfo,
    /// The result of the requested job; the latest one if no job was requested.
    pub result: Option<ResultFile>,
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

/// An upload that was begun and never finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// Id of the attempt.
    pub upload: UploadId,
    /// Its image; the original's key is `keys::original(image, upload)`.
    pub image: ImageId,
}

/// The state of some images' objects in the store according to the rows: which are in use, and which owners have ended. An
/// object in neither set is unknown: a missing row proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// Uploads in progress.
    pub uploads: HashSet<(ImageId, UploadId)>,
    /// Current runs of running jobs.
    pub runs: HashSet<(ImageId, RunId)>,
    /// Claims of pyramids that are being made or are finished.
    pub pyramids: HashSet<(ImageId, String)>,
    /// Keys of originals and results, and of outputs kept for a further run.
    pub keys: HashSet<String>,
    /// Ids of images, uploads, runs and pyramid claims that have ended for good, according to a row or a tombstone.
    pub ended: HashSet<String>,
}

/// Outcome of [`Catalog::raise_generation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// Raised to this generation.
    To(u64),
    /// The catalog is at this generation, older than what the store has seen. Nothing was changed.
    Behind(u64),
    /// The epoch row holds another candidacy.
    NotMine,
}

/// One sweep, as counted by the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Unique id of the sweep.
    pub id: String,
    /// Time since this master's previous sweep began, by its monotonic clock; zero for its first.
    pub since_last: Duration,
    /// Grace period of an orphan in quarantine.
    pub grace: Duration,
}

/// Decision about an orphan. The first decision counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// An operator adopts it: rows will be created for it.
    Adopted,
    /// It will be deleted.
    Discarded,
}

/// An object in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// File name in the store.
    pub name: String,
    /// Time spent in quarantine.
    pub waited: Duration,
    /// The decision, if any.
    pub fate: Option<Fate>,
}

/// The coordinator through which the installation is led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordination {
    /// Id of the coordinator; empty if there has never been one.
    pub coordinator: String,
    /// Its address, for people.
    pub place: String,
    /// Heartbeat counter, incremented by every process that uses the coordinator as long as it runs.
    pub beat: i64,
}

/// Which of a run's objects are still needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// All of them: the run is in progress, or no row proves that it has ended.
    All,
    /// None but the job's result under this key, if any; the run has ended for good.
    Only(Option<String>),
}

/// A pyramid to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PyramidWork {
    /// The image.
    pub image: ImageId,
    /// The job whose result is the source; `None` for the original.
    pub job: Option<JobId>,
    /// Store key of the source.
    pub source: String,
}

/// A finished pyramid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PyramidFile {
    /// The claim that made it; part of its store key.
    pub claim: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// State of a pyramid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PyramidState {
    /// Finished.
    There(PyramidFile),
    /// Not made yet.
    Wanted,
    /// It can't be made, for this reason (a sentence).
    Refused(String),
}

/// The durable record of images and jobs. "Now" is always the database's clock.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    // --- Accepting: by any pod, no master needed ---

    /// Inserts a row in state `receiving`, or takes over the row with the same key by replacing its upload id.
    async fn begin_upload(&self, new: &NewUpload) -> Result<Begun>;

    /// Returns the answer that the upload with this key got, if it was accepted. Writes nothing.
    async fn answered(&self, idempotency_key: &str) -> Result<Option<Answer>>;

    /// Marks the upload as still in progress, so that the sweeper spares it.
    async fn touch_upload(&self, upload: &UploadId) -> Result<Write>;

    /// Moves an upload `receiving → queued`; durable on return. [`Write::NoChange`]: the upload was taken over or abandoned.
    /// Repeating it for an upload that it already accepted returns [`Write::Applied`].
    async fn finish_upload(&self, upload: &UploadId, received: &Received) -> Result<Write>;

    /// Inserts a row in state `receiving` for an upload of `length` bytes that may arrive in parts, or continues the upload
    /// with the same key, length and recipe. An upload that differs in these is taken over. The inserting statement itself
    /// checks the limits for a new row: of many concurrent uploads, only statements that run at the same moment (one per
    /// database connection) can exceed them together.
    async fn begin_resumable(&self, new: &NewUpload, length: u64, limits: &UnsentLimits) -> Result<Resumed>;

    /// Returns the progress of an upload, or `None` if no such upload can be resumed (any more).
    async fn resumable(&self, upload: &UploadId) -> Result<Option<Resumable>>;

    /// Adds a part whose bytes are in the store. [`Write::NoChange`]: the part doesn't begin where the upload ends, or the
    /// upload is no longer in progress.
    async fn add_part(&self, upload: &UploadId, part: &Part) -> Result<Write>;

    /// Returns the parts of an upload, in order.
    async fn parts(&self, upload: &UploadId) -> Result<Vec<Part>>;

    /// Abandons a resumable upload. [`Write::NoChange`] if it doesn't exist.
    async fn end_resumable(&self, upload: &UploadId) -> Result<Write>;

    /// Queues another recipe on an existing image; returns `None` if the image doesn't exist or is being deleted. If the key
    /// was used before on this image, returns that request's job, whatever its recipe.
    async fn add_job(
        &self,
        image: &ImageId,
        job: &JobId,
        recipe: &Recipe,
        idempotency_key: Option<&str>,
    ) -> Result<Option<JobId>>;

    /// Returns the job with which a request with this key on this image was answered. Writes nothing.
    async fn job_answered(&self, image: &ImageId, idempotency_key: &str) -> Result<Option<JobId>>;

    /// Moves a job `failed → queued` and resets its count of runs.
    async fn retry(&self, job: &JobId) -> Result<Write>;

    /// Like [`Catalog::retry`], for the latest jobs of all images that match the query; returns their number. Ignores the
    /// query's `limit` and `cursor`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid `q`.
    async fn retry_failed(&self, query: &ImageQuery) -> Result<u64>;

    /// Like [`Catalog::retry`], for the latest jobs of these images; returns their number.
    async fn retry_images(&self, images: &[ImageId]) -> Result<u64>;

    /// Moves images to the trash, which can be undone: they are no longer listed, and their queued jobs wait. Returns the
    /// images that were moved.
    async fn trash(&self, images: &[ImageId]) -> Result<Vec<ImageId>>;

    /// Undoes [`Catalog::trash`], unless the master has already begun to delete the images for good. Returns the restored
    /// images.
    async fn restore(&self, images: &[ImageId]) -> Result<Vec<ImageId>>;

    /// Marks an image for permanent deletion: it is no longer listed, its queued jobs never run, and the master deletes its
    /// znodes and bytes. [`Write::NoChange`] if there is no such image.
    async fn delete_image(&self, image: &ImageId) -> Result<Write>;

    /// Stores a placeholder to show until the image's thumbnail is available: a ThumbHash in base64. Only a hint: it may be
    /// lost.
    async fn keep_thumbhash(&self, image: &ImageId, thumbhash: &str) -> Result<()>;

    // --- Reading: by any pod ---

    /// Returns a page of the images that aren't being received or deleted.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid limit, cursor or `q`.
    async fn images(&self, query: &ImageQuery) -> Result<Page>;

    /// Returns the tile shapes (quantized aspect ratios) of all images that match the query. Ignores its `limit` and `cursor`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid `q`.
    async fn sections(&self, query: &ImageQuery) -> Result<Sections>;

    /// Returns an image with all its jobs. `progress` is always `None`: it lives in znodes.
    async fn image(&self, image: &ImageId) -> Result<Option<Image>>;

    /// Returns a job.
    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>>;

    /// Returns an image's files, with the result of `job`, or with the latest result if `job` is `None`.
    async fn files(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<Files>>;

    /// Returns the size of the backlog.
    async fn backlog(&self) -> Result<Backlog>;

    // --- Working: by any pod ---

    /// Records that a worker is about to work on a run, so that the run counts as lost if the array stops now.
    /// [`Write::NoChange`] if this was recorded before, or the run is over.
    async fn begin_attempt(&self, job: &JobId, run: &RunId) -> Result<Write>;

    /// Stores finished tasks for the job's next run. Skips tasks of runs that are over.
    async fn note_finished(&self, tasks: &[FinishedTask]) -> Result<()>;

    /// Returns the stored finished tasks of a running job.
    async fn finished(&self, job: &JobId) -> Result<Vec<FinishedTask>>;

    // --- The master's: each fenced by its epoch ---

    /// Takes the next epoch for a candidacy.
    async fn take_epoch(&self, candidacy: &str) -> Result<Epoch>;

    /// Returns the oldest queued jobs of images that aren't being deleted, with `min_pixels` to `max_pixels` pixels (the lane),
    /// oldest first.
    async fn queued(&self, limit: u32, min_pixels: u64, max_pixels: u64) -> Result<Vec<JobRow>>;

    /// Returns every running job, including those of images being deleted.
    async fn running(&self) -> Result<Vec<JobRow>>;

    /// Moves a job `queued → running` with a new run; counts the run.
    async fn activate(&self, epoch: &Epoch, job: &JobId, run: &RunId) -> Result<Write>;

    /// Replaces the run of a running job whose znodes are gone; counts the run, and counts the old one as lost if a worker
    /// began it and it finished no further task ([`JobRow::losses`]).
    async fn rerun(&self, epoch: &Epoch, job: &JobId, old: &RunId, new: &RunId) -> Result<Write>;

    /// Moves a job `running → done` with its result and timeline, if its run is still `run`.
    async fn publish(
        &self,
        epoch: &Epoch,
        run: &RunId,
        result: &ResultFile,
        timeline: Option<&Timeline>,
    ) -> Result<Write>;

    /// Returns which of a run's objects are still needed.
    async fn needed(&self, job: &JobId, run: &RunId) -> Result<Needed>;

    /// Moves a job `running → failed` with the reason and timeline, if its run is still `run`.
    async fn fail(
        &self,
        epoch: &Epoch,
        job: &JobId,
        run: &RunId,
        reason: &str,
        timeline: Option<&Timeline>,
    ) -> Result<Write>;

    /// Records an orderly stop of the array: a current run counts as lost only if a worker begins it after this.
    async fn hand_over(&self, epoch: &Epoch) -> Result<Write>;

    /// Marks for permanent deletion what was [trashed](Catalog::trash) at least `kept` ago.
    async fn empty_trash(&self, epoch: &Epoch, kept: Duration) -> Result<Write>;

    /// Returns images marked for permanent deletion.
    async fn deleting(&self, limit: u32) -> Result<Vec<ImageId>>;

    /// Returns the jobs of an image in any state.
    async fn jobs_of(&self, image: &ImageId) -> Result<Vec<JobId>>;

    /// Removes the row of an image marked for deletion, and its jobs; its bytes are gone already.
    async fn forget(&self, epoch: &Epoch, image: &ImageId) -> Result<Write>;

    /// Moves uploads `receiving → abandoned` that weren't touched for this long (resumable ones: [`RESUMABLE_FOR`], if that is
    /// longer), and returns all abandoned uploads; `None` if another candidacy holds the epoch.
    async fn abandon(&self, epoch: &Epoch, untouched: Duration) -> Result<Option<Vec<Abandoned>>>;

    /// Returns the catalog's id: constant for all processes, and unique to this catalog.
    async fn identity(&self) -> Result<String>;

    /// Returns what the primary's rows say about these images' objects, at one moment after the call. A standby or read-only
    /// server doesn't count: [`Error::Unavailable`].
    ///
    /// What has ended never begins again: ids of images, uploads, runs and claims are never reused, and an image's original and
    /// a job's result are never replaced.
    async fn in_use(&self, images: &[ImageId]) -> Result<InUse>;

    /// Raises the generation by one, unless the catalog is older than what the store has `seen`: a restored backup, or a
    /// lagging replica that was promoted.
    async fn raise_generation(&self, epoch: &Epoch, seen: u64) -> Result<Raised>;

    /// Records an operator's decision about the orphans: the catalog's generation becomes at least what the store has `seen`,
    /// and [`Catalog::alert`] is cleared. Returns the generation.
    async fn accept_generation(&self, seen: u64) -> Result<u64>;

    /// Returns the generation.
    async fn generation(&self) -> Result<u64>;

    /// Adds this sweep's time to the quarantine of objects that no row knows, given by their names in the store. Returns those
    /// that may be deleted: their grace period is over, or an operator discarded them. `None`: another candidacy holds the
    /// epoch.
    async fn quarantine(&self, epoch: &Epoch, sweep: &Sweep, names: &[String]) -> Result<Option<Vec<String>>>;

    /// Ends a complete sweep: removes from quarantine the orphans that it didn't see, and removes old tombstones.
    async fn end_sweep(&self, epoch: &Epoch, sweep: &Sweep) -> Result<Write>;

    /// Returns the objects in quarantine, as of the last sweep.
    async fn orphans(&self) -> Result<Vec<Orphan>>;

    /// Decides the fate of orphans, whether or not they are in quarantine yet. Returns those for which this is the decision in
    /// force.
    async fn decide(&self, names: &[String], fate: Fate) -> Result<Vec<String>>;

    /// Takes back the decision to adopt orphans, after adopting them failed. Their quarantine continues.
    async fn release_orphans(&self, names: &[String]) -> Result<()>;

    /// Returns what an operator has to decide, as a sentence.
    async fn alert(&self) -> Result<Option<String>>;

    /// Sets or clears [`Catalog::alert`].
    async fn set_alert(&self, epoch: &Epoch, alert: Option<&str>) -> Result<Write>;

    /// Returns the coordinator through which this installation is led.
    async fn coordination(&self) -> Result<Coordination>;

    /// Makes `new` the coordinator, unless the row (including its heartbeat counter) has changed since `old` was read.
    async fn take_coordination(&self, old: &Coordination, new: &str, place: &str) -> Result<Write>;

    /// Sends a heartbeat of a process that uses this coordinator. [`Write::NoChange`]: the installation is led through another
    /// coordinator.
    async fn beat(&self, coordinator: &str) -> Result<Write>;

    /// Removes an abandoned upload's row; its bytes are gone already.
    async fn forget_upload(&self, epoch: &Epoch, upload: &UploadId) -> Result<Write>;

    /// Whether the catalog can be read and written.
    async fn ping(&self) -> Result<()>;

    // --- Derived from images: pyramids, timelines, neighbours ---

    /// Claims a pyramid to make, under a new unique claim: the wished one, or any. Skips a pyramid that another claim touched
    /// within `lease`. A wished pyramid that was claimed too often in vain is given up: it becomes [`PyramidState::Refused`].
    async fn claim_pyramid(
        &self,
        claim: &str,
        wish: Option<(&ImageId, Option<&JobId>)>,
        lease: Duration,
    ) -> Result<Option<PyramidWork>>;

    /// Renews a claim. [`Write::NoChange`]: another claim has the pyramid, or it is no longer wanted.
    async fn touch_pyramid(&self, claim: &str) -> Result<Write>;

    /// Records a finished pyramid, if the claim still holds.
    async fn finish_pyramid(&self, claim: &str, bytes: u64) -> Result<Write>;

    /// Records that a pyramid can't be made, if the claim still holds.
    async fn refuse_pyramid(&self, claim: &str, reason: &str) -> Result<Write>;

    /// Releases a claim, if it still holds, for a reason unrelated to the image: the try isn't counted. The next claim must
    /// wait as long as after an abandoned one.
    async fn release_pyramid(&self, claim: &str) -> Result<Write>;

    /// Returns the state of the pyramid of an image's original or of a job's result; `None` if there is no such image or
    /// result.
    async fn pyramid(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<PyramidState>>;

    /// Returns a job's timeline, once the job has ended.
    async fn timeline(&self, job: &JobId) -> Result<Option<Timeline>>;

    /// Returns the images before and after one, in the order latest first.
    async fn neighbours(&self, image: &ImageId) -> Result<Neighbours>;
}

//! Images and jobs in SQL: the durable backlog.
//!
//! # What a caller must know
//! - The master's writes take an [`Epoch`] and are single autocommitted statements that change nothing unless the
//!   epoch row still holds that candidacy ([`Write::NotMine`]) and the row is in the expected state
//!   ([`Write::NoChange`]). No transaction spans a round trip.
//! - Reads are the primary's, at a moment after the call ([`primary`]), so a row that one lacks wasn't there by then.
//! - An error ([`Error::Unavailable`]) leaves the outcome unknown: every write may be repeated, and says
//!   [`Write::NoChange`] if it took effect before (but [`Catalog::finish_upload`] says [`Write::Applied`] again: an
//!   upload id belongs to one attempt).

mod cursor;
mod db;
mod derived;
mod gallery;
mod installation;
mod primary;
mod resumable;
mod runs;
mod sql;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared::cluster::Backlog;
use shared::equalize::Recipe;
use shared::gallery::{Image, ImageQuery, JobSummary, Neighbours, Page, Sections};
use shared::id::{ImageId, JobId, RunId, UploadId};
use shared::job::{Cut, ImageInfo, Phase};
use shared::task::{Done, Outcome};
use shared::timeline::Timeline;

/// Why the catalog didn't answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be reached or failed; the outcome of a write is unknown.
    #[error("the catalog is unavailable: {0}")]
    Unavailable(String),
    /// What is asked makes no sense (a cursor that was never given out, say).
    #[error("{0}")]
    Invalid(String),
}

/// How long a resumable upload of which some bytes are there waits for the next ones at least.
pub const RESUMABLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What operations of this module give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a fenced or guarded write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It took effect.
    Applied,
    /// The row wasn't in the expected state (it moved on, or this very write took effect before).
    NoChange,
    /// The epoch row holds another candidacy: take the epoch again, or step down.
    NotMine,
}

/// A master's turn: the row (n, candidacy uuid) that fences its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// How many turns there have been.
    pub n: u64,
    /// The candidacy that took this one.
    pub candidacy: String,
}

/// An upload that begins.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// This attempt to send the bytes.
    pub upload: UploadId,
    /// Ids to use if the idempotency key is new.
    pub image: ImageId,
    /// Ids to use if the idempotency key is new.
    pub job: JobId,
    /// The client's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The file's name.
    pub name: String,
    /// What to do with it.
    pub recipe: Recipe,
}

/// What became of [`Catalog::begin_upload`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Send the bytes; finish with these ids. An earlier attempt with the same key, if there was one, is taken over.
    Receiving {
        /// The image.
        image: ImageId,
        /// The job.
        job: JobId,
    },
    /// An upload with this key was accepted before.
    Accepted(Answer),
}

/// What became of [`Catalog::begin_resumable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// This upload is to be sent, from where it is.
    Receiving(UploadId),
    /// An upload with this key was accepted before, as this one.
    Accepted(UploadId, Answer),
    /// There is no room for another one beside these.
    NoRoom(Unsent),
}

/// Resumable uploads that aren't accepted yet, and what is still missing of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsent {
    /// How many there are.
    pub uploads: u64,
    /// Bytes that were announced and aren't there.
    pub bytes: u64,
    /// How many of them are the client's.
    pub uploads_of_client: u64,
    /// Bytes that the client announced and that aren't there.
    pub bytes_of_client: u64,
}

/// How much may be unsent, a new upload included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsentLimits {
    /// Who begins an upload, if that is known.
    pub client: Option<String>,
    /// The limits.
    pub most: Unsent,
}

impl UnsentLimits {
    /// No limits, for nobody.
    pub fn none() -> Self {
        let most =
            Unsent { uploads: u64::MAX, bytes: u64::MAX, uploads_of_client: u64::MAX, bytes_of_client: u64::MAX };
        Self { client: None, most }
    }

    /// Whether an upload of `length` bytes fits beside what is unsent.
    pub fn allow(&self, unsent: &Unsent, length: u64) -> bool {
        let fits = |bytes: u64, most: u64| bytes.checked_add(length).is_some_and(|all| all <= most);
        unsent.uploads < self.most.uploads
            && unsent.uploads_of_client < self.most.uploads_of_client
            && fits(unsent.bytes, self.most.bytes)
            && fits(unsent.bytes_of_client, self.most.bytes_of_client)
    }
}

/// A resumable upload, or any that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Resumable {
    /// Its image.
    pub image: ImageId,
    /// The job it is or will be answered with.
    pub job: JobId,
    /// What to do with the image.
    pub recipe: Recipe,
    /// How many bytes it has, or will have.
    pub length: u64,
    /// How many of them are there.
    pub offset: u64,
    /// Whether it was accepted; [`Resumable::image`] may have been deleted since.
    pub accepted: bool,
}

/// A part of a resumable upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its first byte's place in the upload.
    pub start: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// The store's key.
    pub key: String,
}

/// What an upload was answered with when it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The image.
    pub image: ImageId,
    /// The job it was answered with.
    pub job: JobId,
    /// SHA-256 of the body that was accepted, 64 hexadecimal digits: another body is 422.
    pub sha256: String,
    /// The recipe that was accepted.
    pub recipe: Recipe,
}

/// An upload whose bytes are in the store.
#[derive(Debug, Clone)]
pub struct Received {
    /// The store's key of the original.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// What its header says.
    pub info: ImageInfo,
}

/// A job with what its run needs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// The job.
    pub job: JobId,
    /// Its image.
    pub image: ImageId,
    /// Its current run, once it was activated.
    pub run: Option<RunId>,
    /// How many runs it has had since it was last queued by a person.
    pub runs: u32,
    /// Runs in a row that were lost with the whole array, with the current one if it has ended now.
    pub losses: u32,
    /// What to do.
    pub recipe: Recipe,
    /// The store's key of the original.
    pub original: String,
    /// Length of the original in bytes.
    pub original_bytes: u64,
    /// SHA-256 of the original.
    pub original_sha256: String,
    /// What the image's header says.
    pub info: ImageInfo,
}

/// A task that a run finished, and that the next run of the job needn't do again.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedTask {
    /// The job.
    pub job: JobId,
    /// The run in which it was done.
    pub run: RunId,
    /// Its phase.
    pub phase: Phase,
    /// Its number.
    pub index: u32,
    /// The arithmetic that it was done with.
    pub algo: u32,
    /// How the image was cut.
    pub cut: Cut,
    /// What came of it.
    pub done: Done,
}

impl FinishedTask {
    /// The store's key of its output; `None` if it has none.
    pub fn key(&self) -> Option<&str> {
        match &self.done.outcome {
            Outcome::Stored(pointer) => Some(&pointer.key),
            Outcome::Refused { .. } => None,
        }
    }
}

/// Where an image's bytes are.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// The file name it came with.
    pub name: String,
    /// The store's key of the original.
    pub original: String,
    /// Its length in bytes.
    pub original_bytes: u64,
    /// SHA-256 of the original.
    pub original_sha256: String,
    /// What the original's header says.
    pub info: ImageInfo,
    /// The asked or latest finished result.
    pub result: Option<ResultFile>,
}

/// A published result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFile {
    /// The job whose result it is.
    pub job: JobId,
    /// The store's key.
    pub key: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// An upload that was begun and never finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// The attempt.
    pub upload: UploadId,
    /// Its image: the store's key is `keys::original(image, upload)`.
    pub image: ImageId,
}

/// What the rows say of some images' objects in the store: who needs them, and what has ended. What is in neither is unknown:
/// a row that is missing proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// Uploads that are being received.
    pub uploads: HashSet<(ImageId, UploadId)>,
    /// Runs of jobs that are being worked on.
    pub runs: HashSet<(ImageId, RunId)>,
    /// Claims of pyramids that are being made, or are there.
    pub pyramids: HashSet<(ImageId, String)>,
    /// Keys of originals and of results.
    pub keys: HashSet<String>,
    /// Ids of images, uploads, runs and pyramid claims that have ended, for ever: a row or a tombstone says so.
    pub ended: HashSet<String>,
}

/// What became of [`Catalog::raise_generation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// It is this now.
    To(u64),
    /// The catalog is at this generation, which is older than what the store has seen. Nothing was changed.
    Behind(u64),
    /// The epoch row holds another candidacy.
    NotMine,
}

/// One sweep, as the quarantine counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Its id, never given before.
    pub id: String,
    /// How long ago this master's last sweep began, by its monotonic clock; zero for its first.
    pub since_last: Duration,
    /// How long an orphan stays in quarantine.
    pub grace: Duration,
}

/// What was decided about an orphan. The first decision counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Somebody makes rows for it.
    Adopted,
    /// It is deleted.
    Discarded,
}

/// An object in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its name in the store.
    pub name: String,
    /// How long it has been in quarantine.
    pub waited: Duration,
    /// What was decided.
    pub fate: Option<Fate>,
}

/// The coordinator through which an installation is led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordination {
    /// The coordinator's id; empty if there has never been one.
    pub coordinator: String,
    /// Where it is, for people.
    pub place: String,
    /// Raised by every process that uses it, as long as it runs.
    pub beat: i64,
}

/// What is still needed of what a run wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needed {
    /// All of it: the run is being worked on, or no row says that it has ended.
    All,
    /// Nothing, or the job's result under this key; the run has ended and never goes on.
    Only(Option<String>),
}

/// A pyramid to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PyramidWork {
    /// The image.
    pub image: ImageId,
    /// Whose result it is of; `None`: of the original.
    pub job: Option<JobId>,
    /// The store's key of that file.
    pub source: String,
}

/// A pyramid that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PyramidFile {
    /// Its maker's claim, which the store's key bears.
    pub claim: String,
    /// The file's length in bytes.
    pub bytes: u64,
}

/// What of a pyramid there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PyramidState {
    /// All of it.
    There(PyramidFile),
    /// Nothing yet.
    Wanted,
    /// It can't be made: a sentence.
    Refused(String),
}

/// The durable record of images and jobs. "Now" is always the database's clock.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    // --- Accepting: by any pod, no master needed ---

    /// Inserts the row `receiving`, or takes over the one with the same key by replacing its upload id.
    async fn begin_upload(&self, new: &NewUpload) -> Result<Begun>;

    /// What the upload with this key was answered with, if it was accepted. Writes nothing.
    async fn answered(&self, idempotency_key: &str) -> Result<Option<Answer>>;

    /// Says that the upload still goes on, so that the sweeper leaves it alone.
    async fn touch_upload(&self, upload: &UploadId) -> Result<Write>;

    /// `receiving → queued`, durable when it returns. [`Write::NoChange`]: the upload was taken over or abandoned.
    /// Repeated for an upload that it accepted before: [`Write::Applied`].
    async fn finish_upload(&self, upload: &UploadId, received: &Received) -> Result<Write>;

    /// Inserts the row `receiving` of an upload of `length` bytes that may come in parts, or gives the one with the same
    /// key, length and recipe, which goes on. One that differs is taken over. A new row is made only within the limits,
    /// which the statement that makes it checks itself: of many that begin at once, only those that run at the very same
    /// moment (one for each connection to the database) may go beyond them together.
    async fn begin_resumable(&self, new: &NewUpload, length: u64, limits: &UnsentLimits) -> Result<Resumed>;

    /// How far an upload is; `None` if there is none (any more) that can be resumed.
    async fn resumable(&self, upload: &UploadId) -> Result<Option<Resumable>>;

    /// Adds a part whose bytes are in the store. [`Write::NoChange`]: it doesn't begin where the upload ends, or nobody
    /// waits for it any more.
    async fn add_part(&self, upload: &UploadId, part: &Part) -> Result<Write>;

    /// The parts of an upload in their order.
    async fn parts(&self, upload: &UploadId) -> Result<Vec<Part>>;

    /// Gives up a resumable upload. [`Write::NoChange`] if there is none.
    async fn end_resumable(&self, upload: &UploadId) -> Result<Write>;

    /// Another recipe on an image that is there; `None` if there is no such image, or it is being deleted.
    /// With a key that was used before on this image: the job it was answered with, whatever its recipe.
    async fn add_job(
        &self,
        image: &ImageId,
        job: &JobId,
        recipe: &Recipe,
        idempotency_key: Option<&str>,
    ) -> Result<Option<JobId>>;

    /// The job that a request with this key on this image was answered with. Writes nothing.
    async fn job_answered(&self, image: &ImageId, idempotency_key: &str) -> Result<Option<JobId>>;

    /// `failed → queued`, with its runs counted from zero.
    async fn retry(&self, job: &JobId) -> Result<Write>;

    /// As [`Catalog::retry`], for the latest jobs of all images that the pages of this query have; returns how many. Its
    /// `limit` and `cursor` don't count.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a `q` that can't be.
    async fn retry_failed(&self, query: &ImageQuery) -> Result<u64>;

    /// As [`Catalog::retry`], for the latest jobs of these images; returns how many.
    async fn retry_images(&self, images: &[ImageId]) -> Result<u64>;

    /// Deletes images in a way that can be undone: they are no longer there, and their queued jobs wait. Gives those that
    /// it deleted.
    async fn trash(&self, images: &[ImageId]) -> Result<Vec<ImageId>>;

    /// Undoes [`Catalog::trash`], as long as the master hasn't deleted them for good. Gives those that are back.
    async fn restore(&self, images: &[ImageId]) -> Result<Vec<ImageId>>;

    /// Marks an image for deletion, for good: it is no longer listed, its queued jobs never run, and the master deletes its
    /// znodes and bytes. [`Write::NoChange`] if there is none.
    async fn delete_image(&self, image: &ImageId) -> Result<Write>;

    /// Keeps what to show of an image until its thumbnail is there: a ThumbHash in base64. A hint: it may be lost.
    async fn keep_thumbhash(&self, image: &ImageId, thumbhash: &str) -> Result<()>;

    // --- Reading: by any pod ---

    /// A page of images that aren't being received or deleted.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit, cursor or `q` that can't be.
    async fn images(&self, query: &ImageQuery) -> Result<Page>;

    /// The shapes of all images that the pages of this query have; its `limit` and `cursor` don't count.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a `q` that can't be.
    async fn sections(&self, query: &ImageQuery) -> Result<Sections>;

    /// An image with all its jobs. `progress` is always `None`: it lives in znodes.
    async fn image(&self, image: &ImageId) -> Result<Option<Image>>;

    /// A job.
    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>>;

    /// Where an image's bytes are, with the result of `job`, or the latest finished one.
    async fn files(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<Files>>;

    /// How much waits.
    async fn backlog(&self) -> Result<Backlog>;

    // --- Working: by any pod ---

    /// Notes that somebody is about to work on a run: it counts as lost if the array ends now. [`Write::NoChange`] if this
    /// was noted before, or the run is over.
    async fn begin_attempt(&self, job: &JobId, run: &RunId) -> Result<Write>;

    /// Keeps what tasks came to, for the next run. Those of runs that are over are left out.
    async fn note_finished(&self, tasks: &[FinishedTask]) -> Result<()>;

    /// What was kept of a running job's tasks.
    async fn finished(&self, job: &JobId) -> Result<Vec<FinishedTask>>;

    // --- The master's: each fenced by its epoch ---

    /// Takes the next epoch for a candidacy.
    async fn take_epoch(&self, candidacy: &str) -> Result<Epoch>;

    /// The oldest queued jobs of images that aren't being deleted, of at most `max_pixels` pixels (its lane), oldest first.
    async fn queued(&self, limit: u32, min_pixels: u64, max_pixels: u64) -> Result<Vec<JobRow>>;

    /// Every running job, of images being deleted too.
    async fn running(&self) -> Result<Vec<JobRow>>;

    /// `queued → running` with a new run; counts the run.
    async fn activate(&self, epoch: &Epoch, job: &JobId, run: &RunId) -> Result<Write>;

    /// `running → running` with a new run, for a running job whose znodes are gone; counts the run, and the old one as lost
    /// if somebody worked on it and it finished no further task ([`JobRow::losses`]).
    async fn rerun(&self, epoch: &Epoch, job: &JobId, old: &RunId, new: &RunId) -> Result<Write>;

    /// `running → done` with its result and how its tasks went, where the run is still `run`.
    async fn publish(
        &self,
        epoch: &Epoch,
        run: &RunId,
        result: &ResultFile,
        timeline: Option<&Timeline>,
    ) -> Result<Write>;

    /// What is still needed of what a run of a job wrote.
    async fn needed(&self, job: &JobId, run: &RunId) -> Result<Needed>;

    /// `running → failed` with the reason and how its tasks went, where the run is still `run`.
    async fn fail(
        &self,
        epoch: &Epoch,
        job: &JobId,
        run: &RunId,
        reason: &str,
        timeline: Option<&Timeline>,
    ) -> Result<Write>;

    /// The array stops in an orderly way: the runs of all running jobs count as lost only if somebody begins with them after
    /// this.
    async fn hand_over(&self, epoch: &Epoch) -> Result<Write>;

    /// Deletes for good what was [trashed](Catalog::trash) so long ago.
    async fn empty_trash(&self, epoch: &Epoch, kept: Duration) -> Result<Write>;

    /// Images marked for deletion for good.
    async fn deleting(&self, limit: u32) -> Result<Vec<ImageId>>;

    /// The jobs of an image, whatever its state.
    async fn jobs_of(&self, image: &ImageId) -> Result<Vec<JobId>>;

    /// Removes an image that is marked for deletion, and its jobs; its bytes are gone already.
    async fn forget(&self, epoch: &Epoch, image: &ImageId) -> Result<Write>;

    /// Wins `receiving → abandoned` for uploads that weren't touched for so long (resumable ones: for [`RESUMABLE_FOR`], if
    /// that is longer), and gives all that are abandoned;
    /// `None` if the epoch isn't this one's.
    async fn abandon(&self, epoch: &Epoch, untouched: Duration) -> Result<Option<Vec<Abandoned>>>;

    /// Who this catalog is: the same for ever and for all processes, and another's never.
    async fn identity(&self) -> Result<String>;

    /// What the rows of the primary say of these images' objects, at one moment after the call. A server that is a standby or
    /// read-only doesn't count: [`Error::Unavailable`].
    ///
    /// What has ended never begins again: ids of images, uploads, runs and claims are never given twice, and an image's
    /// original and a job's result are never replaced.
    async fn in_use(&self, images: &[ImageId]) -> Result<InUse>;

    /// Raises the generation by one, unless the catalog is older than what the store has `seen`: a restored backup, or a
    /// replica that lagged and was promoted.
    async fn raise_generation(&self, epoch: &Epoch, seen: u64) -> Result<Raised>;

    /// An operator has decided what becomes of the orphans: the catalog is as new as what the store has `seen`, and there is
    /// no [`Catalog::alert`]. Returns the generation.
    async fn accept_generation(&self, seen: u64) -> Result<u64>;

    /// The generation.
    async fn generation(&self) -> Result<u64>;

    /// Counts objects that no row knows, by their names in the store, as seen by a sweep. Returns those that may be deleted:
    /// their grace is over, or somebody discarded them. `None`: the epoch is another's.
    async fn quarantine(&self, epoch: &Epoch, sweep: &Sweep, names: &[String]) -> Result<Option<Vec<String>>>;

    /// A sweep has seen everything: orphans that it didn't see are no orphans any more, and old tombstones are removed.
    async fn end_sweep(&self, epoch: &Epoch, sweep: &Sweep) -> Result<Write>;

    /// The objects in quarantine, as of the last sweep.
    async fn orphans(&self) -> Result<Vec<Orphan>>;

    /// Decides what becomes of orphans, in quarantine yet or not. Returns those for which this is what was decided.
    async fn decide(&self, names: &[String], fate: Fate) -> Result<Vec<String>>;

    /// Takes back that orphans are to be adopted: it didn't work out. Their quarantine goes on.
    async fn release_orphans(&self, names: &[String]) -> Result<()>;

    /// What an operator has to decide, as a sentence.
    async fn alert(&self) -> Result<Option<String>>;

    /// Sets or clears [`Catalog::alert`].
    async fn set_alert(&self, epoch: &Epoch, alert: Option<&str>) -> Result<Write>;

    /// The coordinator through which this installation is led.
    async fn coordination(&self) -> Result<Coordination>;

    /// Makes `new` the coordinator, unless its row has changed since `old` was read, a beat included.
    async fn take_coordination(&self, old: &Coordination, new: &str, place: &str) -> Result<Write>;

    /// Says that a process which uses this coordinator is running. [`Write::NoChange`]: the installation is led through
    /// another one.
    async fn beat(&self, coordinator: &str) -> Result<Write>;

    /// Removes an abandoned upload's row; its bytes are gone already.
    async fn forget_upload(&self, epoch: &Epoch, upload: &UploadId) -> Result<Write>;

    /// Whether the catalog can be read and written.
    async fn ping(&self) -> Result<()>;

    // --- What is made of images besides. ---

    /// Gives a pyramid to be made to who names a claim that was never given before: the one that is wished for, or any. One
    /// that somebody else said to be making within `lease` is left to them. One that is wished for and that was given often
    /// enough is given up: it becomes [`PyramidState::Refused`].
    async fn claim_pyramid(
        &self,
        claim: &str,
        wish: Option<(&ImageId, Option<&JobId>)>,
        lease: Duration,
    ) -> Result<Option<PyramidWork>>;

    /// Says that a pyramid is still being made. [`Write::NoChange`]: somebody else has it now, or nobody wants it.
    async fn touch_pyramid(&self, claim: &str) -> Result<Write>;

    /// A pyramid is there, if the claim still holds.
    async fn finish_pyramid(&self, claim: &str, bytes: u64) -> Result<Write>;

    /// A pyramid can't be made, if the claim still holds.
    async fn refuse_pyramid(&self, claim: &str, reason: &str) -> Result<Write>;

    /// Gives a claim back, if it still holds, for a reason that isn't in the image: the try doesn't count. The next one waits as
    /// long as for a claim that was left.
    async fn release_pyramid(&self, claim: &str) -> Result<Write>;

    /// What there is of the pyramid of an image's original or of a job's result; `None` for no such image or result.
    async fn pyramid(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<PyramidState>>;

    /// How the tasks of a job went, once it has ended.
    async fn timeline(&self, job: &JobId) -> Result<Option<Timeline>>;

    /// The images before and after one, latest first.
    async fn neighbours(&self, image: &ImageId) -> Result<Neighbours>;
}

/// A number of [0, 1), so that those who failed together don't try again together.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0)
}

/// Opens `sqlite:///path/to.db` or a plain path (created if missing), or `postgres://…`, and brings its schema up to
/// date. Any number of processes may do so at once.
pub async fn open(url: &str) -> Result<Arc<dyn Catalog>> {
    Ok(Arc::new(sql::SqlCatalog::new(db::Db::open(url).await?)))
}

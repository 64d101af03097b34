//! Accepting uploads: `begin → append(offset)* → finish`. Any pod accepts them; no master is needed.
//!
//! # Guarantees
//! - A row in state `receiving` is in the catalog before the first byte is read. The image counts once
//!   [`catalog::Uploads::finish_upload`] has durably made the row `queued`, and it is acknowledged only then.
//! - Bytes are streamed to the store and through SHA-256; at most one chunk is held in memory.
//! - An image that can't be kept is refused as early as possible, by its first bytes or its header.
//! - An upload that there is no room for is refused before its row is created ([`gauge`](super::gauge)); an idempotency
//!   key that was accepted before gets its answer even then.
//! - Error paths delete nothing: each attempt has its own key, and the sweeper deletes abandoned objects.
//! - With an idempotency key, a repeated upload takes over the interrupted one, or gets the answer of the accepted one;
//!   the same key with a different body or recipe is refused.

use std::sync::Arc;
use std::time::Duration;

use base::causes::chain;
use bytes::Bytes;
use catalog::{Answer, Begun, Catalog, NewUpload, Received, Write};
use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::id::{ImageId, JobId, UploadId};
use shared::job::{ImageInfo, JobState};
use store::{Store, Writer, keys};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::error::{Error, Result};
use super::gauge::Gauge;
use super::hash::RunningHash;
use super::turns::{Client, Turn};
use crate::compute::pixels::Pixels;
use crate::job::companions;

/// How often an upload in progress refreshes its catalog row.
const TOUCH_EVERY: Duration = Duration::from_secs(10);

/// Number of leading bytes that name the type of any file.
pub(super) const MAGIC: usize = codec::foreign::START;
/// Number of leading bytes that tell an image of a supported format from everything else.
const DETECTABLE: usize = 16;

/// Returns whether no further bytes can make a file with these first bytes an image.
pub(super) fn is_no_image(magic: &[u8]) -> bool {
    magic.len() >= DETECTABLE && codec::detect(magic).is_none()
}

/// Notifies the master that a job is queued. The callback must not block and coalesces repeated calls.
pub type Doorbell = Arc<dyn Fn() + Send + Sync>;

/// Metadata of an upload, known before its first byte.
#[derive(Debug, Clone)]
pub struct Offer {
    /// File name.
    pub name: String,
    /// Recipe to apply to the image.
    pub recipe: Recipe,
    /// The client's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

impl Offer {
    /// Converts the offer to an upload with fresh ids.
    pub(super) fn begin(self) -> NewUpload {
        NewUpload {
            upload: fresh(),
            image: fresh(),
            job: fresh(),
            idempotency_key: self.idempotency_key,
            name: self.name,
            recipe: self.recipe,
        }
    }
}

/// Accepts uploads. Cheap to clone.
#[derive(Clone)]
pub struct Accept {
    /// Receives the bytes.
    pub store: Store,
    /// Receives the rows.
    pub catalog: Arc<dyn Catalog>,
    /// Threads that read headers, used by nothing else ([`super::inspection::pool`]).
    pub pixels: Pixels,
    /// Limits that images must meet.
    pub limits: codec::Limits,
    /// Maximum size of an upload, in bytes.
    pub max_upload_bytes: u64,
    /// Called after each accepted image.
    pub doorbell: Doorbell,
    /// Admission control.
    pub gauge: Gauge,
}

/// An upload in progress.
///
/// # Cancellation
/// Dropping it at any point is the same as a broken connection: the row stays `receiving` until the sweeper deletes it
/// or a retry with the same key takes it over.
pub struct Upload {
    accept: Accept,
    upload: UploadId,
    image: ImageId,
    job: JobId,
    offset: u64,
    hash: RunningHash,
    magic: Vec<u8>,
    touched: Instant,
    keyed: bool,
    recipe: Recipe,
    target: Target,
}

enum Target {
    /// The bytes are stored under the attempt's key while the upload holds its turn.
    Store { key: String, writer: Box<Writer>, turn: Turn },
    /// An upload with this key was accepted before: the bytes are only compared with it.
    Compare { sha256: String },
}

impl Accept {
    /// Returns the same acceptor with the limits of a client.
    pub fn of(&self, client: Client) -> Self {
        Self { gauge: self.gauge.of(client), ..self.clone() }
    }

    /// Begins an upload. Waits for a turn if many uploads are in progress.
    ///
    /// # Errors
    /// [`Error::NoRoom`], and no row was created; [`Error::KeyReused`] if the key was used with a different recipe;
    /// [`Error::Catalog`]; [`Error::Store`].
    pub async fn begin(&self, offer: Offer) -> Result<Upload> {
        let new = offer.begin();
        let (image, job, target) = match self.gauge.enter().await {
            Ok(turn) => match self.catalog.begin_upload(&new).await? {
                Begun::Receiving { image, job } => {
                    let key = keys::original(&image, &new.upload);
                    let writer = Box::new(self.store.create(&key).await?);
                    (image, job, Target::Store { key, writer, turn })
                }
                Begun::Accepted(answer) => compare(answer, &new.recipe)?,
            },
            Err(full) => {
                let Some(key) = &new.idempotency_key else { return Err(full.into()) };
                compare(self.catalog.answered(key).await?.ok_or(full)?, &new.recipe)?
            }
        };
        Ok(Upload {
            accept: self.clone(),
            upload: new.upload,
            image,
            job,
            offset: 0,
            hash: RunningHash::new(),
            magic: Vec::with_capacity(MAGIC),
            touched: Instant::now(),
            keyed: new.idempotency_key.is_some(),
            recipe: new.recipe,
            target,
        })
    }
}

/// An upload that was accepted before is only compared.
fn compare(answer: Answer, recipe: &Recipe) -> Result<(ImageId, JobId, Target)> {
    if answer.recipe != *recipe {
        return Err(Error::KeyReused("recipe"));
    }
    Ok((answer.image, answer.job, Target::Compare { sha256: answer.sha256 }))
}

impl Upload {
    /// Returns the number of bytes received: the offset of the next ones.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends the bytes that start at `offset`.
    ///
    /// # Errors
    /// After any error except [`Error::Offset`] the upload can't be finished.
    pub async fn append(&mut self, offset: u64, bytes: Bytes) -> Result<()> {
        if offset != self.offset {
            return Err(Error::Offset { expected: self.offset, got: offset });
        }
        let end = self.offset.saturating_add(bytes.len() as u64);
        if end > self.accept.max_upload_bytes {
            return Err(Error::TooLarge(self.accept.max_upload_bytes));
        }
        self.look_at(&bytes)?;
        self.hash.update(&bytes).await;
        self.offset = end;
        if let Target::Store { writer, .. } = &mut self.target {
            // Checked per chunk, since an upload may take hours.
            self.accept.gauge.disk()?;
            writer.write(bytes).await?;
            if self.touched.elapsed() >= TOUCH_EVERY {
                self.touch().await?;
            }
        }
        Ok(())
    }

    /// Ends the body: reads the header and accepts the image.
    ///
    /// # Errors
    /// [`Error::Refused`] and similar if the image can't be kept; [`Error::Catalog`] if the acceptance has an unknown
    /// outcome: a retry with the same key settles it.
    pub async fn finish(mut self) -> Result<Accepted> {
        if self.offset == 0 {
            return Err(Error::Empty);
        }
        let sha256 = std::mem::replace(&mut self.hash, RunningHash::new()).finish().await;
        match std::mem::replace(&mut self.target, Target::Compare { sha256: String::new() }) {
            Target::Compare { sha256: accepted } if accepted == sha256 => self.answer_again().await,
            Target::Compare { .. } => Err(Error::KeyReused("body")),
            Target::Store { key, writer, turn } => {
                if codec::detect(&self.magic).is_none() {
                    return Err(Error::NotAnImage(self.magic));
                }
                let (bytes, info) = self.accept.alive(&self.upload, self.accept.keep(&key, *writer)).await?;
                companions::find(&*self.accept.catalog, &self.recipe, &info, &self.accept.limits).await?;
                let accepted = self.queue(Received { key, bytes, sha256, info }).await;
                // Keep the turn until the job is counted.
                drop(turn);
                accepted
            }
        }
    }

    /// Detects the format as soon as enough bytes are there, so that a file that is no image is refused early.
    fn look_at(&mut self, bytes: &Bytes) -> Result<()> {
        if self.magic.len() < MAGIC {
            let more = bytes.len().min(MAGIC - self.magic.len());
            self.magic.extend_from_slice(&bytes[..more]);
            if is_no_image(&self.magic) {
                return Err(Error::NotAnImage(self.magic.clone()));
            }
        }
        Ok(())
    }

    async fn touch(&mut self) -> Result<()> {
        self.touched = Instant::now();
        match self.accept.catalog.touch_upload(&self.upload).await? {
            Write::Applied => Ok(()),
            Write::NoChange | Write::NotMine => Err(self.lost()),
        }
    }

    /// Returns an upload whose bytes are already in the store, ready to be queued.
    pub(super) fn there(accept: &Accept, upload: UploadId, image: ImageId, job: JobId, recipe: Recipe) -> Self {
        Self {
            accept: accept.clone(),
            upload,
            image,
            job,
            offset: 0,
            hash: RunningHash::new(),
            magic: Vec::new(),
            touched: Instant::now(),
            keyed: true,
            recipe,
            target: Target::Compare { sha256: String::new() },
        }
    }

    /// Moves the row `receiving → queued`. Retries a write with an unknown outcome, then reads back what it left.
    pub(super) async fn queue(self, received: Received) -> Result<Accepted> {
        const RETRY_PAUSES: [Duration; 3] =
            [Duration::from_millis(50), Duration::from_millis(250), Duration::from_secs(1)];
        /// A catalog that hangs instead of failing is asked little more than once.
        const RETRY_TIMEOUT: Duration = Duration::from_secs(8);
        let (begun, mut pauses) = (Instant::now(), RETRY_PAUSES.into_iter());
        let written = loop {
            match self.accept.catalog.finish_upload(&self.upload, &received).await {
                Err(error @ catalog::Error::Unavailable(_)) => {
                    match pauses.next().filter(|_| begun.elapsed() < RETRY_TIMEOUT) {
                        Some(pause) => tokio::time::sleep(pause).await,
                        None => return Err(error.into()),
                    }
                }
                written => break written?,
            }
        };
        match written {
            Write::Applied => {}
            Write::NoChange | Write::NotMine => {
                // Either an earlier attempt of this same write took effect, or another request owns the row by now.
                let files = self.accept.catalog.files(&self.image, None).await?;
                if files.is_none_or(|files| files.original != received.key) {
                    return Err(self.lost());
                }
            }
        }
        self.accept.gauge.note_accepted();
        tracing::info!(image = %self.image, job = %self.job, bytes = received.bytes, "image accepted");
        (self.accept.doorbell)();
        Ok(Accepted { image_id: self.image, job_id: self.job, state: JobState::Queued })
    }

    pub(super) async fn answer_again(self) -> Result<Accepted> {
        let job = self.accept.catalog.job(&self.job).await?.ok_or(Error::Deleted)?;
        Ok(Accepted { image_id: self.image, job_id: self.job, state: job.state })
    }

    fn lost(&self) -> Error {
        if self.keyed { Error::TakenOver } else { Error::Abandoned }
    }
}

impl Accept {
    /// Waits for `work` and keeps refreshing the upload's row meanwhile.
    pub(super) async fn alive<T>(&self, upload: &UploadId, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval_at(Instant::now() + TOUCH_EVERY, TOUCH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    // Only a hint for the sweeper: whether the upload still counts is decided when it is queued.
                    if let Err(error) = self.catalog.touch_upload(upload).await {
                        tracing::warn!(%upload, error = %chain(&error), "marking an upload as active failed");
                    }
                }
            }
        }
    }

    /// Completes the object and reads its header. Returns its length in bytes and its metadata.
    async fn keep(&self, key: &str, writer: Writer) -> Result<(u64, ImageInfo)> {
        let bytes = writer.finish().await?;
        Ok((bytes, self.inspect(key, bytes).await?))
    }
}

/// Returns a fresh unique id; ids sort by creation time (UUIDv7).
pub fn fresh<T: TryFrom<String>>() -> T
where
    T::Error: std::fmt::Debug,
{
    T::try_from(Uuid::now_v7().simple().to_string()).expect("a UUID is 32 lower-case hexadecimal digits")
}

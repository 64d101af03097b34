//! Uploads, from their first byte to the image's acceptance.

use std::time::Duration;

use async_trait::async_trait;
use shared::equalize::Recipe;
use shared::id::{ImageId, JobId, UploadId};
use shared::job::ImageInfo;

use super::{Epoch, Result, Write};

/// Minimum time that a resumable upload of which some bytes have arrived waits for more.
pub const RESUMABLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

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

/// Outcome of [`Uploads::begin_upload`].
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

/// Outcome of [`Uploads::begin_resumable`].
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

/// An upload that was begun and never finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// Id of the attempt.
    pub upload: UploadId,
    /// Its image; the original's key is `keys::original(image, upload)`.
    pub image: ImageId,
}

/// Uploads. Any pod may accept them; the master removes abandoned ones.
#[async_trait]
pub trait Uploads: Send + Sync + 'static {
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

    /// Moves uploads `receiving → abandoned` that weren't touched for this long (resumable ones: [`RESUMABLE_FOR`], if that is
    /// longer), and returns all abandoned uploads; `None` if another candidacy holds the epoch.
    async fn abandon(&self, epoch: &Epoch, untouched: Duration) -> Result<Option<Vec<Abandoned>>>;

    /// Removes an abandoned upload's row; its bytes are gone already.
    async fn forget_upload(&self, epoch: &Epoch, upload: &UploadId) -> Result<Write>;
}

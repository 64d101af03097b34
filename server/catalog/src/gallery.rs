//! Images with their jobs and files, as pages and clients list, change and delete them.

use std::time::Duration;

use async_trait::async_trait;
use shared::equalize::{Recipe, Target};
use shared::gallery::{Image, ImageQuery, JobSummary, Neighbours, Page, Sections};
use shared::id::{ImageId, JobId};
use shared::job::ImageInfo;
use shared::timeline::Timeline;

use super::queue::ResultFile;
use super::{Epoch, Result, Write};

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
    /// Format and depth of the result, where they aren't the original's.
    pub target: Target,
    /// The result of the requested job; the latest one if no job was requested.
    pub result: Option<ResultFile>,
}

/// Accepted images with their jobs and files. Any pod may read and change them; the master deletes for good.
#[async_trait]
pub trait Gallery: Send + Sync + 'static {
    /// Returns a page of the images that aren't being received or deleted.
    ///
    /// # Errors
    /// [`Error::Invalid`](super::Error::Invalid) for an invalid limit, cursor or `q`.
    async fn images(&self, query: &ImageQuery) -> Result<Page>;

    /// Returns the tile shapes (quantized aspect ratios) of all images that match the query. Ignores its `limit` and `cursor`.
    ///
    /// # Errors
    /// [`Error::Invalid`](super::Error::Invalid) for an invalid `q`.
    async fn sections(&self, query: &ImageQuery) -> Result<Sections>;

    /// Returns an image with all its jobs. `progress` is always `None`: it lives in znodes.
    async fn image(&self, image: &ImageId) -> Result<Option<Image>>;

    /// Returns the images before and after one, in the order latest first.
    async fn neighbours(&self, image: &ImageId) -> Result<Neighbours>;

    /// Returns a job.
    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>>;

    /// Returns a job's timeline, once the job has ended.
    async fn timeline(&self, job: &JobId) -> Result<Option<Timeline>>;

    /// Returns an image's files, with the result of `job`, or with the latest result if `job` is `None`.
    async fn files(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<Files>>;

    /// Stores a placeholder to show until the image's thumbnail is available: a ThumbHash in base64. Only a hint: it may be
    /// lost.
    async fn keep_thumbhash(&self, image: &ImageId, thumbhash: &str) -> Result<()>;

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

    /// Like [`Gallery::retry`], for the latest jobs of all images that match the query; returns their number. Ignores the
    /// query's `limit` and `cursor`.
    ///
    /// # Errors
    /// [`Error::Invalid`](super::Error::Invalid) for an invalid `q`.
    async fn retry_failed(&self, query: &ImageQuery) -> Result<u64>;

    /// Like [`Gallery::retry`], for the latest jobs of these images; returns their number.
    async fn retry_images(&self, images: &[ImageId]) -> Result<u64>;

    /// Moves images to the trash, which can be undone: they are no longer listed, and their queued jobs wait. Returns the
    /// images that were moved.
    async fn trash(&self, images: &[ImageId]) -> Result<Vec<ImageId>>;

    /// Undoes [`Gallery::trash`], unless the master has already begun to delete the images for good. Returns the restored
    /// images.
    async fn restore(&self, images: &[ImageId]) -> Result<Vec<ImageId>>;

    /// Marks an image for permanent deletion: it is no longer listed, its queued jobs never run, and the master deletes its
    /// znodes and bytes. [`Write::NoChange`] if there is no such image.
    async fn delete_image(&self, image: &ImageId) -> Result<Write>;

    /// Marks for permanent deletion what was [trashed](Gallery::trash) at least `kept` ago.
    async fn empty_trash(&self, epoch: &Epoch, kept: Duration) -> Result<Write>;

    /// Returns images marked for permanent deletion.
    async fn deleting(&self, limit: u32) -> Result<Vec<ImageId>>;

    /// Returns the jobs of an image in any state.
    async fn jobs_of(&self, image: &ImageId) -> Result<Vec<JobId>>;

    /// Removes the row of an image marked for deletion, and its jobs; its bytes are gone already.
    async fn forget(&self, epoch: &Epoch, image: &ImageId) -> Result<Write>;
}

//! Pyramids of images and results for the viewer: which ones are wanted, claimed and finished.

use std::time::Duration;

use async_trait::async_trait;
use shared::id::{ImageId, JobId};

use super::{Result, Write};

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

/// Pyramids, made by any pod under a claim of its own.
#[async_trait]
pub trait Pyramids: Send + Sync + 'static {
    /// Returns the state of the pyramid of an image's original or of a job's result; `None` if there is no such image or
    /// result.
    async fn pyramid(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<PyramidState>>;

    /// Claims a pyramid to make, under a new unique claim: the wished one, or any. Skips a pyramid that another claim touched
    /// within `lease`. A wished pyramid whose claims failed too often becomes [`PyramidState::Refused`].
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
}

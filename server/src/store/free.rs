//! How much room a store has.

use super::error::unavailable;
use super::{Kind, Result, Store};

impl Store {
    /// Bytes that are free for this process where the objects lie; `None` on S3, which doesn't tell.
    ///
    /// # Errors
    /// [`Error::Unavailable`](super::Error::Unavailable) if the file system doesn't say.
    ///
    /// # Cancellation
    /// A file system that hangs keeps a blocking thread until it answers, whether or not the future is dropped.
    pub async fn free(&self) -> Result<Option<u64>> {
        let Kind::Local { root } = &self.kind else { return Ok(None) };
        let (doing, root) = ("asking for the free space of", root.clone());
        match tokio::task::spawn_blocking(move || rustix::fs::statvfs(&root)).await {
            Ok(Ok(space)) => Ok(Some(space.f_bavail.saturating_mul(space.f_frsize))),
            Ok(Err(error)) => Err(unavailable(doing, "its folder", &error)),
            Err(error) => Err(unavailable(doing, "its folder", &error)),
        }
    }
}

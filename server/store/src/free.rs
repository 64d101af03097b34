//! Free space of a store.

use super::{Kind, Result, Store, blocking};

impl Store {
    /// Returns the number of bytes free for this process on the file system of the folder; `None` on S3, which doesn't report
    /// it.
    ///
    /// # Errors
    /// [`Error::Unavailable`](super::Error::Unavailable) if the file system doesn't answer, or not in time.
    pub async fn free(&self) -> Result<Option<u64>> {
        let Kind::Local { root, .. } = &self.kind else { return Ok(None) };
        let root = root.clone();
        let ask = blocking(move || rustix::fs::statvfs(&root).map_err(Into::into));
        let space = self.patience.once("asking for the free space of", "its folder", 0, ask).await?;
        Ok(Some(space.f_bavail.saturating_mul(space.f_frsize)))
    }
}

//! Recovery of originals that the catalog has lost.

use catalog::{Begun, NewUpload, Received, Write};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use shared::equalize::Recipe;
use shared::id::{ImageId, UploadId};
use store::keys;

use super::accept::{Accept, fresh};
use super::error::{Error, Result};
use crate::hex::hex;

impl Accept {
    /// Accepts an original that is already in the store. It becomes an image again under its old id, with a job of the
    /// default recipe. Its name and its results are lost with its rows. Idempotent.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is no image; [`Error::TakenOver`] if the catalog has another original of this image.
    pub async fn adopt(&self, image: &ImageId, upload: &UploadId) -> Result<()> {
        let key = keys::original(image, upload);
        let bytes = self.store.size(&key).await?;
        let info = self.inspect(&key, bytes).await?;
        let mut hash = Sha256::new();
        let mut pieces = self.store.stream(&key, None).await?;
        while let Some(piece) = pieces.try_next().await? {
            hash.update(&piece);
        }
        let name = format!("recovered-{}.{}", &image.as_str()[..8], info.format.extension());
        let received = Received { key, bytes, sha256: hex(&hash.finalize()), info };
        // Its row may still exist in state `receiving`.
        if self.catalog.finish_upload(upload, &received).await? == Write::Applied {
            return Ok(());
        }
        let new = NewUpload {
            upload: upload.clone(),
            image: image.clone(),
            job: fresh(),
            idempotency_key: None,
            name,
            recipe: Recipe::default(),
        };
        match self.catalog.begin_upload(&new).await? {
            Begun::Receiving { .. } => match self.catalog.finish_upload(upload, &received).await? {
                Write::Applied => Ok(()),
                Write::NoChange | Write::NotMine => Err(Error::TakenOver),
            },
            Begun::Accepted(_) => Err(Error::TakenOver),
        }
    }
}

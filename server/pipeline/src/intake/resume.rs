//! Resumable uploads: any pod can continue them after any pause.
//!
//! Their state is in the catalog, and the bytes of each request are separate parts in the store; pods keep no state.
//! A part counts once its row exists, and a row is only added at the upload's current end: if two requests send the
//! same bytes, one wins and the other's bytes are garbage. When all bytes are there, the parts are joined to the
//! original, which is accepted like any other. If the pod that received the last byte dies, the next request does that.

use base::causes::chain;
use bytes::Bytes;
use catalog::{Part, Received, Resumable, Resumed, Write};
use futures::{Stream, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use shared::gallery::Accepted;
use shared::id::UploadId;
use store::keys;
use uuid::Uuid;

use super::accept::{Accept, MAGIC, Offer, Upload, is_no_image};
use super::error::{Error, Result};
use super::full::Full;
use crate::hex::hex;
use crate::job::companions;

/// Size of a part in bytes: the most that is lost if a pod dies.
const PART: u64 = 32 << 20;

impl Accept {
    /// Begins an upload of `length` bytes, or returns the existing one with the same key.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Empty`], [`Error::NoRoom`]; [`Error::KeyReused`] if the key was accepted with
    /// another recipe; [`Error::Catalog`].
    pub async fn begin_resumable(&self, offer: Offer, length: u64) -> Result<UploadId> {
        if length == 0 {
            return Err(Error::Empty);
        }
        if length > self.max_upload_bytes {
            return Err(Error::TooLarge(self.max_upload_bytes));
        }
        let new = offer.begin();
        // Turns are taken by the requests that send bytes, not here.
        self.gauge.room()?;
        let limits = self.gauge.unsent_limits();
        match self.catalog.begin_resumable(&new, length, &limits).await? {
            Resumed::NoRoom(unsent) => Err(Full::of_unsent(&unsent, &limits, length).into()),
            Resumed::Receiving(upload) => Ok(upload),
            Resumed::Accepted(_, answer) if answer.recipe != new.recipe => Err(Error::KeyReused("recipe")),
            Resumed::Accepted(upload, _) => Ok(upload),
        }
    }

    /// Appends bytes from `offset` on and returns the new length. Bytes received before a connection broke are kept.
    ///
    /// # Errors
    /// [`Error::Abandoned`] if there is no such upload; [`Error::Offset`] if the bytes don't start at its end;
    /// [`Error::NotAnImage`]; [`Error::TooLarge`] if there are more bytes than announced; [`Error::NoRoom`],
    /// [`Error::Store`], [`Error::Catalog`].
    pub async fn resume<E>(
        &self,
        upload: &UploadId,
        offset: u64,
        bytes: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64> {
        let progress = self.catalog.resumable(upload).await?.ok_or(Error::Abandoned)?;
        if offset != progress.offset {
            return Err(Error::Offset { expected: progress.offset, got: offset });
        }
        let _turn = self.gauge.enter().await?;
        let mut bytes = std::pin::pin!(bytes);
        let mut offset = offset;
        let taking = async {
            loop {
                let (part, more) = self.take_part(upload, &progress, offset, &mut bytes).await?;
                offset = part;
                if !more {
                    return Ok(offset);
                }
            }
        };
        // A part may take long to arrive, and counts only when it is complete.
        self.alive(upload, taking).await
    }

    /// Stores one part. Returns its end and whether more bytes may follow.
    async fn take_part<E>(
        &self,
        upload: &UploadId,
        progress: &Resumable,
        start: u64,
        bytes: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    ) -> Result<(u64, bool)> {
        let (mut end, mut more, mut magic) = (start, true, Vec::with_capacity(MAGIC));
        let key = keys::part(&progress.image, upload, start, &Uuid::new_v4().simple().to_string());
        let mut writer = None;
        while more && end - start < PART {
            // End of the body, a broken connection or a client that is too slow: keep what has arrived.
            let Some(Ok(chunk)) = bytes.next().await else {
                more = false;
                continue;
            };
            if end + chunk.len() as u64 > progress.length {
                return Err(Error::TooLarge(progress.length));
            }
            if start == 0 && magic.len() < MAGIC {
                magic.extend(chunk.iter().take(MAGIC - magic.len()));
                if is_no_image(&magic) {
                    self.catalog.end_resumable(upload).await?;
                    return Err(Error::NotAnImage(magic));
                }
            }
            if chunk.is_empty() {
                continue;
            }
            self.gauge.disk()?;
            end += chunk.len() as u64;
            if writer.is_none() {
                writer = Some(self.store.create(&key).await?);
            }
            if let Some(writer) = &mut writer {
                writer.write(chunk).await?;
            }
        }
        let Some(writer) = writer else { return Ok((end, more)) };
        writer.finish().await?;
        let part = Part { start, bytes: end - start, key };
        if self.catalog.add_part(upload, &part).await? != Write::Applied {
            let now = self.catalog.resumable(upload).await?.ok_or(Error::Abandoned)?;
            return Err(Error::Offset { expected: now.offset, got: start });
        }
        self.catalog.touch_upload(upload).await?;
        Ok((end, more))
    }

    /// Accepts the image once all bytes are there, or returns the earlier acceptance.
    ///
    /// # Errors
    /// [`Error::Abandoned`] if there is no such upload; [`Error::Offset`] if bytes are missing; the errors of
    /// [`Upload::finish`] if the image can't be kept, and then the upload is ended.
    pub async fn complete(&self, upload: &UploadId) -> Result<Accepted> {
        let progress = self.catalog.resumable(upload).await?.ok_or(Error::Abandoned)?;
        let Resumable { image, job, recipe, .. } = progress.clone();
        let there = Upload::there(self, upload.clone(), image, job, recipe.clone());
        if progress.accepted {
            return there.answer_again().await;
        }
        if progress.offset < progress.length {
            return Err(Error::Offset { expected: progress.length, got: progress.offset });
        }
        let _turn = self.gauge.enter().await?;
        let received = self.alive(upload, self.join(upload, &progress)).await;
        let received = match received {
            Ok(received) => {
                let found = companions::find(&*self.catalog, &recipe, &received.info, &self.limits).await;
                found.map(|_| received).map_err(Error::from)
            }
            failed => failed,
        };
        match received {
            Ok(received) => {
                let joined = received.key == keys::original(&progress.image, upload);
                let accepted = there.queue(received).await?;
                if joined && let Err(error) = self.store.delete_prefix(&keys::parts(&progress.image, upload)).await {
                    tracing::info!(%upload, error = %chain(&error), "upload's parts left to the sweeper");
                }
                Ok(accepted)
            }
            Err(error @ (Error::Refused(_) | Error::Overran(_) | Error::NotAnImage(_))) => {
                self.catalog.end_resumable(upload).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Joins the parts to the original. A single part becomes the original as it is.
    async fn join(&self, upload: &UploadId, progress: &Resumable) -> Result<Received> {
        let parts = self.catalog.parts(upload).await?;
        let (mut hash, mut magic) = (Sha256::new(), Vec::with_capacity(MAGIC));
        let mut note = |bytes: &Bytes| {
            hash.update(bytes);
            magic.extend(bytes.iter().take(MAGIC - magic.len()));
        };
        let key = match parts.as_slice() {
            [one] => {
                let mut bytes = self.store.stream(&one.key, None).await?;
                while let Some(piece) = bytes.try_next().await? {
                    note(&piece);
                }
                one.key.clone()
            }
            _ => {
                let key = keys::original(&progress.image, upload);
                let mut writer = match self.store.create(&key).await {
                    // A pod that died after joining has written the same object.
                    Err(store::Error::Exists(_)) => None,
                    writer => Some(writer?),
                };
                for part in &parts {
                    let mut bytes = self.store.stream(&part.key, None).await?;
                    while let Some(piece) = bytes.try_next().await? {
                        note(&piece);
                        if let Some(writer) = &mut writer {
                            writer.write(piece).await?;
                        }
                    }
                }
                match writer {
                    Some(writer) => match writer.finish().await {
                        Ok(_) | Err(store::Error::Exists(_)) => {}
                        Err(error) => return Err(error.into()),
                    },
                    None => tracing::info!(%upload, "upload already joined"),
                }
                key
            }
        };
        if codec::detect(&magic).is_none() {
            return Err(Error::NotAnImage(magic));
        }
        let info = self.inspect(&key, progress.length).await?;
        Ok(Received { key, bytes: progress.length, sha256: hex(&hash.finalize()), info })
    }
}

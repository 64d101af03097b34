//! Writer of an object of any length, in bounded memory.

use base::causes::{SharedError, chain};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload, PutPayloadMut};
use tokio::task::JoinSet;

use super::error::unavailable;
use super::sync_behind::SyncBehind;
use super::{Error, Patience, Result, Store};

impl Store {
    /// Begins an object of any length. It appears, whole and durable, with [`Writer::finish`].
    ///
    /// # Errors
    /// [`Error::Exists`] if the object already exists.
    pub async fn create(&self, key: &str) -> Result<Writer> {
        let path = self.path(key)?;
        match self.size(key).await {
            Ok(_) => Err(Error::Exists(key.to_owned())),
            Err(Error::NotFound(_)) => Ok(Writer::new(self.clone(), key.to_owned(), path)),
            Err(error) => Err(error),
        }
    }
}

/// An object being written. It appears with [`Writer::finish`]; if the writer is dropped before, nothing remains (provided that
/// the process lives long enough to abort the upload).
///
/// Buffers at most three pieces of 8 MiB on S3, two of 1 MiB in a folder, plus the bytes passed to one [`Writer::write`].
#[derive(Debug)]
pub struct Writer {
    store: Store,
    key: String,
    path: Path,
    written: u64,
    /// Set while a write runs; stays set if it failed or its future was dropped.
    torn: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Everything is still buffered.
    Small(PutPayloadMut),
    /// All pieces before the last are being sent.
    Large(Pieces),
    Ended,
}

impl Writer {
    fn new(store: Store, key: String, path: Path) -> Self {
        Self { store, key, path, written: 0, torn: false, state: State::Small(PutPayloadMut::new()) }
    }

    /// Appends bytes; waits while too many pieces are in flight.
    ///
    /// # Errors and cancellation
    /// After an error, or if the future is dropped before its end, the object can no longer be finished.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let (before, length) = (std::mem::replace(&mut self.torn, true), bytes.len());
        if before {
            return Err(self.cannot_go_on());
        }
        self.append(bytes).await?;
        self.written += length as u64;
        self.torn = false;
        Ok(())
    }

    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        let pace = self.store.kind.pace();
        if let State::Small(buffer) = &mut self.state {
            if buffer.content_length() + bytes.len() <= pace.write {
                buffer.push(bytes);
                return Ok(());
            }
            let begin = || {
                let (objects, path) = (self.store.objects.clone(), self.path.clone());
                async move { objects.put_multipart(&path).await }
            };
            // An upload that a timed-out try may have begun is never completed.
            let upload = self.store.patience.twice().repeat("writing", &self.key, 0, begin).await?;
            let buffer = std::mem::take(buffer);
            let behind = self.store.sync_behind(&self.path);
            self.state =
                State::Large(Pieces::new(upload, self.store.patience.clone(), self.key.clone(), buffer, behind));
        }
        match &mut self.state {
            State::Large(pieces) => pieces.write(bytes, pace.write, pace.at_once).await,
            State::Small(_) | State::Ended => Err(self.cannot_go_on()),
        }
    }

    /// Makes the object appear, durably, and returns its length in bytes.
    pub async fn finish(mut self) -> Result<u64> {
        if self.torn {
            return Err(self.cannot_go_on());
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Small(buffer) => self.store.put(&self.key, buffer.freeze()).await?,
            State::Large(pieces) => match pieces.finish(self.written).await {
                Ok(version) => self.store.written.enter(&self.key, version),
                // No other writer uses this key: if the object exists, only the reply was lost.
                Err(error) => match self.store.size(&self.key).await {
                    Ok(size) if size == self.written => {}
                    _ => return Err(error),
                },
            },
            State::Ended => return Err(self.cannot_go_on()),
        }
        Ok(self.written)
    }

    /// Discards what was written so far, and waits until it is gone.
    pub async fn abort(mut self) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Large(pieces) => pieces.abort().await,
            State::Small(_) | State::Ended => Ok(()),
        }
    }

    fn cannot_go_on(&self) -> Error {
        unavailable("writing", &self.key, SharedError::new("an earlier write failed"))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let State::Large(pieces) = std::mem::replace(&mut self.state, State::Ended)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let key = self.key.clone();
            runtime.spawn(async move {
                if let Err(error) = pieces.abort().await {
                    tracing::warn!(key, error = %chain(&error), "an unfinished object's parts may be left in the store");
                }
            });
        }
    }
}

/// Pieces of an object in flight, each with its time limit.
#[derive(Debug)]
struct Pieces {
    upload: Box<dyn MultipartUpload>,
    patience: Patience,
    key: String,
    /// Beginning of the next piece.
    buffer: PutPayloadMut,
    under_way: JoinSet<Result<()>>,
    behind: Option<SyncBehind>,
}

impl Pieces {
    fn new(
        upload: Box<dyn MultipartUpload>,
        patience: Patience,
        key: String,
        buffer: PutPayloadMut,
        behind: Option<SyncBehind>,
    ) -> Self {
        Self { upload, patience, key, buffer, under_way: JoinSet::new(), behind }
    }

    /// Sends all complete pieces of `length` bytes, up to `at_once` concurrently.
    async fn write(&mut self, mut bytes: Bytes, length: usize, at_once: usize) -> Result<()> {
        while self.buffer.content_length() + bytes.len() >= length {
            self.buffer.push(bytes.split_to(length - self.buffer.content_length()));
            self.until_under_way(at_once - 1).await?;
            self.send();
        }
        self.buffer.push(bytes);
        Ok(())
    }

    fn send(&mut self) {
        let piece: PutPayload = std::mem::take(&mut self.buffer).freeze();
        let length = piece.content_length() as u64;
        if let Some(behind) = &mut self.behind {
            behind.sent(length);
        }
        let (patience, key, sent) = (self.patience.clone(), self.key.clone(), self.upload.put_part(piece));
        self.under_way.spawn(async move { patience.once("writing", &key, length, sent).await });
    }

    /// Waits until at most `most` pieces are in flight.
    async fn until_under_way(&mut self, most: usize) -> Result<()> {
        while self.under_way.len() > most {
            if let Some(Ok(sent)) = self.under_way.join_next().await {
                sent?;
            } else {
                return Err(unavailable("writing", &self.key, SharedError::new("a piece of it was dropped")));
            }
        }
        Ok(())
    }

    /// Completes the object of `bytes` bytes, and returns its version if the store told it. In a folder, all of it may have to be
    /// synced now.
    async fn finish(mut self, bytes: u64) -> Result<Option<String>> {
        if self.buffer.content_length() > 0 {
            self.send();
        }
        if let Err(error) = self.until_under_way(0).await {
            self.abort_for(&error).await;
            return Err(error);
        }
        let Self { mut upload, patience, key, .. } = self;
        let complete = async move { Ok((upload.complete().await, upload)) };
        // After a timeout the object may still be completed: the outcome is unknown, and nothing can be aborted.
        let (completed, mut upload) = patience.once("completing", &key, bytes, complete).await?;
        let error = match completed {
            Ok(done) => return Ok(done.e_tag),
            Err(error) => error,
        };
        let error = super::error::failed("completing", &key, error);
        let aborted = patience.once("aborting", &key, 0, async move { upload.abort().await }).await;
        aborted.inspect_err(|error| tracing::debug!(error = %chain(&error), "partial object left to the sweeper")).ok();
        Err(error)
    }

    async fn abort(mut self) -> Result<()> {
        self.under_way.shutdown().await;
        let mut upload = self.upload;
        self.patience.once("aborting", &self.key, 0, async move { upload.abort().await }).await
    }

    async fn abort_for(self, cause: &Error) {
        if let Err(error) = self.abort().await {
            tracing::debug!(cause = %chain(&cause), error = %chain(&error), "partial object left to the sweeper");
        }
    }
}

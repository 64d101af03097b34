//! An object of any length, written in bounded memory.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayloadMut, WriteMultipart};

use super::{Error, Result, Store, failed};

/// An object being written. It appears with [`Writer::finish`]; dropped before, it leaves nothing (on S3 as long as
/// the process lives to say so).
///
/// Holds at most three pieces of 8 MiB on S3, two of 1 MiB in a folder, and what one [`Writer::write`] is given.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    key: String,
    path: Path,
    written: u64,
    /// A write began and didn't end: it failed, or its future was dropped.
    torn: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// All of it is still here.
    Small(PutPayloadMut),
    /// The pieces before the last are on their way.
    Large(WriteMultipart),
    Ended,
}

impl Writer {
    pub(super) fn new(store: Store, key: String, path: Path) -> Self {
        Self { store, key, path, written: 0, torn: false, state: State::Small(PutPayloadMut::new()) }
    }

    /// Appends bytes; waits while too many are on their way.
    ///
    /// # Errors and cancellation
    /// After an error, or if the future is dropped before its end, the object can't be finished any more.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let (before, length) = (std::mem::replace(&mut self.torn, true), bytes.len());
        if before {
            return Err(self.cannot_go_on());
        }
        self.append(bytes).await.map_err(|error| failed("writing", &self.key, error))?;
        self.written += length as u64;
        self.torn = false;
        Ok(())
    }

    async fn append(&mut self, mut bytes: Bytes) -> object_store::Result<()> {
        let pace = self.store.kind.pace();
        if let State::Small(buffer) = &mut self.state {
            if buffer.content_length() + bytes.len() <= pace.write {
                buffer.push(bytes);
                return Ok(());
            }
            let upload = self.store.objects.put_multipart(&self.path).await?;
            let mut pieces = WriteMultipart::new_with_chunk_size(upload, pace.write);
            std::mem::take(buffer).freeze().into_iter().for_each(|bytes| pieces.put(bytes));
            self.state = State::Large(pieces);
        }
        if let State::Large(pieces) = &mut self.state {
            while !bytes.is_empty() {
                pieces.wait_for_capacity(pace.at_once).await?;
                pieces.put(bytes.split_to(bytes.len().min(pace.write)));
            }
        }
        Ok(())
    }

    /// Makes the object appear, durably, and gives its length in bytes.
    pub async fn finish(mut self) -> Result<u64> {
        if self.torn {
            return Err(self.cannot_go_on());
        }
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Small(buffer) => {
                let bytes = Bytes::from(buffer.freeze());
                self.store.put(&self.key, bytes).await?;
            }
            State::Large(pieces) => {
                if let Err(error) = pieces.finish().await {
                    // Nobody else writes this key: if it is there, the reply was lost and not the object.
                    match self.store.size(&self.key).await {
                        Ok(size) if size == self.written => {}
                        _ => return Err(failed("writing", &self.key, error)),
                    }
                }
            }
            State::Ended => return Err(self.cannot_go_on()),
        }
        Ok(self.written)
    }

    /// Drops what was written so far, and waits until it is gone.
    pub async fn abort(mut self) -> Result<()> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Large(pieces) => pieces.abort().await.map_err(|error| failed("aborting", &self.key, error)),
            State::Small(_) | State::Ended => Ok(()),
        }
    }

    fn cannot_go_on(&self) -> Error {
        Error::Unavailable { doing: format!("writing {}", self.key), cause: "an earlier write failed".into() }
    }

    fn abandon(&mut self) {
        if let State::Large(pieces) = std::mem::replace(&mut self.state, State::Ended)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let key = self.key.clone();
            runtime.spawn(async move {
                if let Err(error) = pieces.abort().await {
                    tracing::warn!(key, %error, "an unfinished object's parts may be left in the store");
                }
            });
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.abandon();
    }
}

//! Shared parts of the pipeline stages: reading rows, writing outputs, and checking originals.

use std::io;
use std::time::Duration;

use base::causes::{SharedError, chain};
use bytes::Bytes;
use codec::{Limits, PartHash};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use shared::equalize::{Counts, Frame};
use shared::job::{Companion, Job, Pointer};
use shared::task::Outcome;
use store::{PutPayload, Store};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::checked::{self, Checked};
use super::failure::Failure;
use super::masked_image::{self, MaskedImageSource};
use super::source::{Original, ResultHead, RowSource};
use crate::compute::deadline;
use crate::compute::pixels::Pixels;
use crate::hex::hex;
use crate::job::companions::gone;

/// Resources that stages work with.
#[derive(Clone)]
pub struct TaskContext {
    /// Object store.
    pub store: Store,
    /// Threads and memory for pixel work.
    pub pixels: Pixels,
    /// Limits on what an image may cost.
    pub limits: Limits,
}

/// Inputs of a task besides its own record.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Decoded rows, if the original can't be read by regions.
    pub split: Option<Pointer>,
    /// Decoded mask, if the recipe names one.
    pub mask: Option<Pointer>,
    /// Histogram of the reference, for the phase that handles pages one by one.
    pub reference: Option<Pointer>,
    /// Encoded parts by task, for the stitch.
    pub equalized: Vec<Pointer>,
}

impl TaskContext {
    /// Returns a task context for one task: each piece of its pixel work may take `limit`, and `slot` is held until all of
    /// it has returned from its thread.
    pub fn for_task(&self, limit: Duration, slot: impl Send + Sync + 'static) -> Self {
        Self { pixels: self.pixels.for_task(limit, slot), ..self.clone() }
    }

    /// Returns the original, to be opened on a pixel thread.
    pub(super) fn original(&self, job: &Job) -> Original {
        let (key, bytes) = (job.original.clone(), job.original_bytes);
        Original { store: self.store.clone(), key, bytes, handle: Handle::current() }
    }

    /// Returns the head of the job's result, to be read on a pixel thread.
    pub(super) fn head(&self, job: &Job) -> ResultHead {
        let (info, recipe) = (job.info.clone(), job.pinned_recipe());
        ResultHead { original: self.original(job), info, recipe, limits: self.limits }
    }

    /// Returns a companion's original, to be opened on a pixel thread.
    pub(super) fn companion(&self, companion: &Companion) -> Original {
        let (key, bytes) = (companion.original.clone(), companion.bytes);
        Original { store: self.store.clone(), key, bytes, handle: Handle::current() }
    }

    /// Returns an output that a pixel thread reads part by part.
    pub(super) fn checked(&self, job: &Job, pointer: &Pointer) -> Checked {
        Checked::new(self.store.clone(), pointer.clone(), PartHash::of(job.algo), Handle::current())
    }

    /// Returns the job's rows: from the original in place, or from the output of the split.
    pub(super) fn rows(&self, job: &Job, inputs: &Inputs) -> RowSource {
        match &inputs.split {
            Some(split) => RowSource::Raw(self.checked(job, split), job.cut),
            None => RowSource::File(self.original(job)),
        }
    }

    /// Returns the job's rows with its mask: from the decoded outputs if they exist, or from the originals.
    pub(super) fn masked_image(&self, job: &Job, inputs: &Inputs) -> MaskedImageSource {
        let mask = match (&inputs.mask, &job.mask) {
            (Some(mask), _) => {
                Some((RowSource::Raw(self.checked(job, mask), job.cut), masked_image::mask_info(&job.info)))
            }
            (None, Some(companion)) => Some((RowSource::File(self.companion(companion)), companion.info.clone())),
            (None, None) => None,
        };
        let rows = (self.rows(job, inputs), job.info.clone());
        MaskedImageSource { rows, mask, nodata: job.nodata() }
    }

    /// Fetches a whole object and verifies its hash. A mismatch is fetched once more, since the transfer and not the
    /// store may have been at fault.
    pub(super) async fn fetch(&self, pointer: &Pointer) -> Result<Bytes, Failure> {
        let mut last = None;
        for _ in 0..2 {
            let bytes = match self.store.range(&pointer.key, 0..pointer.bytes).await {
                Err(error) => return Err(checked::missing(&pointer.key, error)),
                Ok(bytes) => bytes,
            };
            let sha256 = hex(&Sha256::digest(&bytes));
            if sha256 == pointer.sha256 {
                return Ok(bytes);
            }
            last = Some((bytes.len(), sha256));
        }
        let (length, sha256) = last.unwrap_or_default();
        let what =
            format!("expected {} bytes with SHA-256 {}, got {length} with {sha256}", pointer.bytes, pointer.sha256);
        Err(Failure::Damaged { keys: vec![pointer.key.clone()], what })
    }

    /// Writes a small output in one request. It isn't synced: its reader verifies its hash, and it can be made again.
    pub(super) async fn put(&self, key: String, bytes: Vec<u8>) -> Result<Pointer, Failure> {
        let (sha256, length) = (hex(&Sha256::digest(&bytes)), bytes.len() as u64);
        self.store.unsynced().put(&key, Bytes::from(bytes)).await?;
        Ok(Pointer { key, bytes: length, sha256, table: None, notes: Vec::new() })
    }

    /// Writes an output in one request; its head holds the hashes of the rest. It isn't synced, like those of
    /// [`put`](Self::put).
    pub(super) async fn put_parts(&self, key: String, head: Vec<u8>, parts: Vec<Vec<u8>>) -> Result<Pointer, Failure> {
        let (sha256, table) = (hex(&Sha256::digest(&head)), 0..head.len() as u64);
        let pieces: PutPayload = [head].into_iter().chain(parts).map(Bytes::from).collect();
        let length = pieces.content_length() as u64;
        self.store.unsynced().put(&key, pieces).await?;
        Ok(Pointer { key, bytes: length, sha256, table: Some(table), notes: Vec::new() })
    }

    /// Runs `produce` on a pixel thread and streams the chunks it emits into a new object. The channel between them
    /// bounds how far the producer runs ahead. An output of hashed parts isn't synced, like those of [`put`](Self::put).
    pub(super) async fn write<F>(
        &self,
        key: String,
        memory: u64,
        hashed: Hashed,
        produce: F,
    ) -> Result<Pointer, Failure>
    where
        F: FnOnce(&mut dyn FnMut(Vec<u8>) -> io::Result<()>) -> codec::Result<()> + Send + 'static,
    {
        let (sender, mut chunks) = mpsc::channel::<Vec<u8>>(4);
        let producer = self.pixels.run(memory, move || {
            produce(&mut |chunk| {
                deadline::check()?;
                sender.blocking_send(chunk).map_err(|_| io::Error::other("the writer of the output stopped"))
            })
        });
        let store = match hashed {
            Hashed::All => self.store.clone(),
            Hashed::Parts(_) => self.store.unsynced(),
        };
        let mut writer = store.create(&key).await?;
        let consumer = async {
            let (mut hash, mut table, mut bytes) = (Sha256::new(), Vec::new(), 0);
            // Hash here, while the pixel thread produces the next chunk.
            while let Some(chunk) = chunks.recv().await {
                match hashed {
                    Hashed::All => hash.update(&chunk),
                    Hashed::Parts(parts) => table.extend_from_slice(&parts.digest(&chunk)),
                }
                bytes += chunk.len() as u64;
                writer.write(Bytes::from(chunk)).await?;
            }
            // Without a receiver the producer fails at its next chunk.
            drop(chunks);
            let mut range = None;
            if let Hashed::Parts(_) = hashed {
                hash.update(&table);
                range = Some(bytes..bytes + table.len() as u64);
                bytes += table.len() as u64;
                writer.write(Bytes::from(table)).await?;
            }
            let sha256 = hex(&hash.finalize());
            Ok::<_, Failure>((writer, Pointer { key, bytes, sha256, table: range, notes: Vec::new() }))
        };
        let producer = async { producer.await.map_err(Failure::from) };
        // A store error explains the producer's error, not the other way round: a producer whose chunk isn't taken
        // returns its error inside an `Ok`. A producer that hangs keeps the channel open, and isn't waited for.
        let (produced, (writer, pointer)) = tokio::try_join!(producer, consumer)?;
        match produced {
            Ok(()) => {
                writer.finish().await?;
                Ok(pointer)
            }
            Err(error) => {
                let aborted = writer.abort().await;
                aborted
                    .inspect_err(|error| tracing::debug!(error = %chain(&error), "partial output left to the sweeper"))
                    .ok();
                Err(error.into())
            }
        }
    }

    /// Runs work that depends on the original while verifying the whole original. If the original is damaged, that
    /// error replaces the result of the work.
    pub(super) async fn with_checked_original<T>(
        &self,
        job: &Job,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        Self::both(work, self.check_original(job)).await
    }

    /// Like [`with_checked_original`](Self::with_checked_original), for a companion; `role` is its name in messages.
    pub(super) async fn with_checked_companion<T>(
        &self,
        role: &str,
        companion: &Companion,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let stored = Stored { key: &companion.original, bytes: companion.bytes, sha256: &companion.sha256 };
        let check = async {
            match self.check(&stored).await {
                Ok(None) => Ok(()),
                Ok(Some(wrong)) => Err(Failure::Refused(format!(
                    "The {role} image {} was damaged in the store: {wrong}. Upload it again.",
                    companion.image
                ))),
                Err(Failure::Damaged { .. }) => Err(Failure::Refused(gone(role, &companion.image))),
                Err(failure) => Err(failure),
            }
        };
        Self::both(work, check).await
    }

    async fn both<T>(
        work: impl Future<Output = Result<T, Failure>>,
        check: impl Future<Output = Result<(), Failure>>,
    ) -> Result<T, Failure> {
        let (done, checked) = tokio::join!(work, check);
        match checked {
            Err(damaged @ Failure::Refused(_)) => Err(damaged),
            Err(trouble) => done.and(Err(trouble)),
            Ok(()) => done,
        }
    }

    /// Verifies that the original is still what was uploaded; reads all of it, and once more on a mismatch. Only if this process
    /// received it just now, on a disk, its length and time of modification suffice.
    ///
    /// # Errors
    /// [`Failure::Refused`] with a sentence for the user if it isn't: only the uploader can supply it again.
    pub(super) async fn check_original(&self, job: &Job) -> Result<(), Failure> {
        let stored = Stored { key: &job.original, bytes: job.original_bytes, sha256: &job.original_sha256 };
        match self.check(&stored).await {
            Ok(None) => Ok(()),
            Ok(Some(wrong)) => Err(Failure::Refused(format!(
                "The original was damaged in the store: {wrong}. Upload the image again."
            ))),
            Err(Failure::Damaged { what, .. }) => Err(Failure::Trouble(SharedError::new(what))),
            Err(failure) => Err(failure),
        }
    }

    /// Returns how an original differs from what was uploaded, if it does.
    ///
    /// # Errors
    /// [`Failure::Damaged`] if its key doesn't exist.
    async fn check(&self, stored: &Stored<'_>) -> Result<Option<String>, Failure> {
        let mut wrong = None;
        for _ in 0..2 {
            wrong = self.damage_of(stored).await?;
            if wrong.is_none() {
                return Ok(None);
            }
        }
        tracing::error!(key = stored.key, ?wrong, "original damaged in the store");
        Ok(wrong)
    }

    async fn damage_of(&self, stored: &Stored<'_>) -> Result<Option<String>, Failure> {
        let Stored { key, bytes: expected, sha256 } = *stored;
        // Then it also has the length that was noted when it was written.
        if self.store.is_as_written(key).await.map_err(|error| checked::missing(key, error))? {
            return Ok(None);
        }
        let length = self.store.size(key).await.map_err(|error| checked::missing(key, error))?;
        if length != expected {
            return Ok(Some(format!("it has {length} of its {expected} bytes")));
        }
        if sha256.is_empty() {
            return Ok(None);
        }
        let (mut hash, mut bytes) = (Sha256::new(), self.store.stream(key, None).await?);
        while let Some(piece) = bytes.try_next().await? {
            hash.update(&piece);
        }
        let same = hex(&hash.finalize()) == sha256;
        Ok((!same).then(|| "its bytes differ from the upload".to_owned()))
    }
}

/// An original's key, and its length and hash as uploaded.
struct Stored<'a> {
    key: &'a str,
    bytes: u64,
    sha256: &'a str,
}

/// What the hash in a pointer covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashed {
    /// All bytes.
    All,
    /// The table of chunk hashes, which is appended to the chunks.
    Parts(PartHash),
}

/// Converts a stage's output to a task's outcome: a refused image is an outcome, other failures are errors.
pub(super) fn outcome(output: Result<Pointer, Failure>) -> Result<Outcome, Failure> {
    match output {
        Ok(pointer) => Ok(Outcome::Stored(pointer)),
        Err(Failure::Refused(reason)) => Ok(Outcome::Refused { reason }),
        Err(failure) => Err(failure),
    }
}

/// Raw bytes of a job's largest part.
pub(super) fn part_bytes(job: &Job) -> u64 {
    u64::from(job.cut.part_rows) * job.info.row_bytes()
}

/// Bytes of a job's counts.
pub(super) fn counts_bytes(job: &Job) -> u64 {
    Counts::memory(&job.pinned_recipe(), &Frame::of(&job.info))
}

/// Memory, in bytes, for reading the job's rows, on top of the rows returned.
pub(super) fn decoder_bytes(job: &Job, inputs: &Inputs) -> u64 {
    if job.info.whole_decode && inputs.split.is_none() { codec::decoder_memory(&job.info) } else { part_bytes(job) }
}

//! What all stages share: where they read rows from, how they write, and how they fail.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use shared::equalize::{Counts, Frame, Recipe, output_layout};
use shared::id::ImageId;
use shared::job::{Companion, Cut, ImageInfo, Job, Pointer};
use shared::pixels::Layout;
use shared::task::Outcome;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::checked::{self, Checked, Damaged, RawRows};
use super::deadline::{self, Timed};
use super::pixels::{self, Pixels};
use super::sheet::{self, SheetSource};
use crate::codec::{self, Limits, PartHash, RowReader};
use crate::store::{self, ObjectReader, Store};

/// Why a stage gave no output.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The image is at fault: repeating can't help.
    #[error("{0}")]
    Refused(String),
    /// Something failed that may be this task's alone: repeating may help.
    #[error("{0}")]
    Trouble(String),
    /// The store has no room: that says nothing of this task, and waiting helps.
    #[error("{0}")]
    Full(String),
    /// Something else that every task needs fails: waiting helps.
    #[error("{0}")]
    Outage(String),
    /// The store holds something else than was written: whoever wrote it must do so again.
    #[error("the store damaged what lies under {}: {what}", keys.join(", "))]
    Damaged {
        /// What is damaged.
        keys: Vec<String>,
        /// How that was seen.
        what: String,
    },
    /// The work itself fell over: a failed attempt.
    #[error("the work on it crashed: {0}")]
    Crashed(String),
    /// The work took longer than it may: a failed attempt.
    #[error("the work on it took too long: {0}")]
    Overran(String),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Full { .. } => Failure::Full(error.to_string()),
            error => Failure::Trouble(error.to_string()),
        }
    }
}

impl Failure {
    /// Whether what failed fails for everyone. The store is asked: while it fails with an object of nobody's as well, it
    /// isn't about what this task reads or writes. From then on the store counts as failing until it works again.
    pub async fn is_outage(&self, store: &Store) -> bool {
        match self {
            Failure::Trouble(_) => store.is_failing().await,
            Failure::Full(_) => {
                store.is_full().await;
                true
            }
            Failure::Outage(_) => true,
            Failure::Refused(_) | Failure::Damaged { .. } | Failure::Crashed(_) | Failure::Overran(_) => false,
        }
    }
}

impl From<codec::Error> for Failure {
    fn from(error: codec::Error) -> Self {
        match error {
            codec::Error::Refused(reason) => Failure::Refused(reason),
            codec::Error::Source(source) => match source.downcast::<Damaged>() {
                Ok(Damaged { keys, what }) => Failure::Damaged { keys, what },
                Err(source) => Failure::Trouble(format!("reading failed: {source}")),
            },
        }
    }
}

impl From<pixels::Error> for Failure {
    fn from(error: pixels::Error) -> Self {
        match error {
            pixels::Error::Overran { .. } | pixels::Error::Stuck { .. } => Failure::Overran(error.to_string()),
            pixels::Error::Panicked(_) => Failure::Crashed(error.to_string()),
            pixels::Error::AllStuck(_) | pixels::Error::Gone => Failure::Trouble(error.to_string()),
        }
    }
}

/// What stages work with.
#[derive(Clone)]
pub struct Workshop {
    /// Pixels and files.
    pub store: Store,
    /// Threads and memory for pixel work.
    pub pixels: Pixels,
    /// What a file may cost.
    pub limits: Limits,
}

/// What a task reads besides its own record.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The decoded rows, where the original can't be read by regions.
    pub split: Option<Pointer>,
    /// The decoded mask image, where there is one.
    pub mask: Option<Pointer>,
    /// The histogram of the reference, where pages are done one by one.
    pub reference: Option<Pointer>,
    /// The encoded parts by task, for the stitch.
    pub equalized: Vec<Pointer>,
}

impl Workshop {
    /// The same for a task, whose work on a pixel thread may take `limit`; `slot` is kept until that has come back.
    pub fn for_task(&self, limit: Duration, slot: impl Send + Sync + 'static) -> Self {
        Self { pixels: self.pixels.for_task(limit, slot), ..self.clone() }
    }

    /// The original, for a pixel thread.
    pub(super) fn original(&self, job: &Job) -> Original {
        let (key, bytes) = (job.original.clone(), job.original_bytes);
        Original { store: self.store.clone(), key, bytes, handle: Handle::current() }
    }

    /// The head of the job's result, for a pixel thread.
    pub(super) fn head(&self, job: &Job) -> ResultHead {
        let layout = output_layout(&job.recipe, job.info.layout);
        ResultHead { original: self.original(job), info: job.info.clone(), layout }
    }

    /// The original of another image that the job reads, for a pixel thread.
    pub(super) fn companion(&self, companion: &Companion) -> Original {
        let (key, bytes) = (companion.original.clone(), companion.bytes);
        Original { store: self.store.clone(), key, bytes, handle: Handle::current() }
    }

    /// An output that a pixel thread will read by parts.
    pub(super) fn checked(&self, job: &Job, pointer: &Pointer) -> Checked {
        Checked::new(self.store.clone(), pointer.clone(), PartHash::of(job.algo), Handle::current())
    }

    /// The job's rows: from the original in place, or from what the split wrote.
    pub(super) fn rows(&self, job: &Job, inputs: &Inputs) -> RowSource {
        match &inputs.split {
            Some(split) => RowSource::Raw(self.checked(job, split), job.cut),
            None => RowSource::File(self.original(job)),
        }
    }

    /// The job's rows with its mask: from what was decoded before, or from the originals.
    pub(super) fn sheet(&self, job: &Job, inputs: &Inputs) -> SheetSource {
        let mask = match (&inputs.mask, &job.mask) {
            (Some(mask), _) => Some((RowSource::Raw(self.checked(job, mask), job.cut), sheet::mask_info(&job.info))),
            (None, Some(companion)) => Some((RowSource::File(self.companion(companion)), companion.info.clone())),
            (None, None) => None,
        };
        let rows = (self.rows(job, inputs), job.info.clone());
        SheetSource { rows, mask, nodata: job.recipe.nodata_of(&job.info) }
    }

    /// Gets all of what a pointer points to, and checks that it is what was written. What comes wrong is got once more:
    /// it may have been the way and not the store.
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

    /// Writes a small output at once.
    pub(super) async fn put(&self, key: String, bytes: Vec<u8>) -> Result<Pointer, Failure> {
        let (sha256, length) = (hex(&Sha256::digest(&bytes)), bytes.len() as u64);
        self.store.put(&key, Bytes::from(bytes)).await?;
        Ok(Pointer { key, bytes: length, sha256, table: None })
    }

    /// Writes an output at once whose first `head` bytes hold the hashes of the others.
    pub(super) async fn put_parts(&self, key: String, (bytes, head): (Vec<u8>, u64)) -> Result<Pointer, Failure> {
        let table = bytes.get(..usize::try_from(head).unwrap_or(usize::MAX)).unwrap_or(&bytes);
        let (sha256, length) = (hex(&Sha256::digest(table)), bytes.len() as u64);
        self.store.put(&key, Bytes::from(bytes)).await?;
        Ok(Pointer { key, bytes: length, sha256, table: Some(0..head) })
    }

    /// Runs `produce` on a pixel thread and streams what it emits into a new object, a few chunks ahead at most.
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
        let mut writer = self.store.create(&key).await?;
        let consumer = async {
            let (mut hash, mut table, mut bytes) = (Sha256::new(), Vec::new(), 0);
            // Hashed here, while the pixel thread makes the next one.
            while let Some(chunk) = chunks.recv().await {
                match hashed {
                    Hashed::All => hash.update(&chunk),
                    Hashed::Parts(parts) => table.extend_from_slice(&parts.digest(&chunk)),
                }
                bytes += chunk.len() as u64;
                writer.write(Bytes::from(chunk)).await?;
            }
            // Without a receiver the producer ends at its next chunk.
            drop(chunks);
            let mut range = None;
            if let Hashed::Parts(_) = hashed {
                hash.update(&table);
                range = Some(bytes..bytes + table.len() as u64);
                bytes += table.len() as u64;
                writer.write(Bytes::from(table)).await?;
            }
            Ok::<_, Failure>((writer, Pointer { key, bytes, sha256: hex(&hash.finalize()), table: range }))
        };
        let producer = async { producer.await.map_err(Failure::from) };
        // The store's failure explains the producer's, not the other way round: a producer whose chunk isn't taken gives
        // its error within an `Ok`. One that doesn't come back holds the channel open, and isn't waited for.
        let (produced, (writer, pointer)) = tokio::try_join!(producer, consumer)?;
        match produced {
            Ok(()) => {
                writer.finish().await?;
                Ok(pointer)
            }
            Err(error) => {
                let aborted = writer.abort().await;
                aborted.inspect_err(|error| tracing::debug!(%error, "what was written is left to the sweeper")).ok();
                Err(error.into())
            }
        }
    }

    /// Does work that depends on the original while all of it is checked. If it is damaged, that explains whatever the
    /// work came to.
    pub(super) async fn with_checked_original<T>(
        &self,
        job: &Job,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        Self::both(work, self.check_original(job)).await
    }

    /// The same for another image that the job reads; `role` is what it is called.
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

    /// Whether the original is still what was uploaded; reads all of it.
    ///
    /// # Errors
    /// [`Failure::Refused`] with a sentence if it isn't: nobody but the uploader has it. What looks wrong is read once
    /// more.
    pub(super) async fn check_original(&self, job: &Job) -> Result<(), Failure> {
        let stored = Stored { key: &job.original, bytes: job.original_bytes, sha256: &job.original_sha256 };
        match self.check(&stored).await {
            Ok(None) => Ok(()),
            Ok(Some(wrong)) => Err(Failure::Refused(format!(
                "The original was damaged in the store: {wrong}. Upload the image again."
            ))),
            Err(Failure::Damaged { what, .. }) => Err(Failure::Trouble(what)),
            Err(failure) => Err(failure),
        }
    }

    /// What of an original isn't as it was uploaded, if anything.
    ///
    /// # Errors
    /// [`Failure::Damaged`] if there is nothing under its key.
    async fn check(&self, stored: &Stored<'_>) -> Result<Option<String>, Failure> {
        let mut wrong = None;
        for _ in 0..2 {
            wrong = self.damage_of(stored).await?;
            if wrong.is_none() {
                return Ok(None);
            }
        }
        tracing::error!(key = stored.key, ?wrong, "an original is damaged in the store");
        Ok(wrong)
    }

    async fn damage_of(&self, stored: &Stored<'_>) -> Result<Option<String>, Failure> {
        let Stored { key, bytes: expected, sha256 } = *stored;
        let length = self.store.size(key).await.map_err(|error| checked::missing(key, error))?;
        if length != expected {
            return Ok(Some(format!("of its {expected} bytes, {length} are left")));
        }
        if sha256.is_empty() {
            return Ok(None);
        }
        let (mut hash, mut bytes) = (Sha256::new(), self.store.stream(key, None).await?);
        while let Some(piece) = bytes.try_next().await? {
            hash.update(&piece);
        }
        let same = hex(&hash.finalize()) == sha256;
        Ok((!same).then(|| "its bytes aren't those that were uploaded".to_owned()))
    }
}

/// Where an original lies, and what it was when it was uploaded.
struct Stored<'a> {
    key: &'a str,
    bytes: u64,
    sha256: &'a str,
}

/// What is said of another image that isn't there any more.
pub fn gone(role: &str, image: &ImageId) -> String {
    format!("The {role} image {image} is not there (any more). Upload it again, and name the new one.")
}

/// What the hash in a pointer is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashed {
    /// Of all bytes.
    All,
    /// Of a table of each chunk's hash, which is written after them.
    Parts(PartHash),
}

/// An original that a pixel thread will read. Opening blocks, so it is done there.
pub(super) struct Original {
    store: Store,
    key: String,
    bytes: u64,
    handle: Handle,
}

impl Original {
    /// Opens it; on a pixel thread. One of another length than was uploaded is damaged.
    pub(super) fn open(&self) -> io::Result<Timed<ObjectReader>> {
        let reader = self.store.reader(&self.key, self.handle.clone()).map_err(io::Error::other)?;
        if reader.size() == self.bytes {
            return Ok(Timed(reader));
        }
        let what = format!("expected {} bytes, found {}", self.bytes, reader.size());
        Err(Damaged { keys: vec![self.key.clone()], what }.into())
    }
}

/// The head of a job's result, made on a pixel thread.
pub(super) struct ResultHead {
    original: Original,
    info: ImageInfo,
    layout: Layout,
}

impl ResultHead {
    /// Reads it from the original.
    pub(super) fn read(self) -> codec::Result<codec::Head> {
        codec::head(&mut self.original.open()?, &self.info, self.layout)
    }

    /// Reads those of all pages; on a pixel thread.
    pub(super) fn read_pages(self, recipe: &Recipe, limits: &Limits) -> codec::Result<Vec<codec::Head>> {
        if self.info.pages() == 1 {
            return Ok(vec![self.read()?]);
        }
        let pages = codec::inspect_pages(&mut self.original.open()?, limits, &self.info, 0..self.info.pages())?;
        let (mut heads, mut metadata) = (Vec::with_capacity(pages.len()), 0_u64);
        for page in &pages {
            let head = codec::head(&mut self.original.open()?, page, output_layout(recipe, page.layout))?;
            metadata = metadata.saturating_add(head.page_metadata());
            codec::check_pages(metadata)?;
            heads.push(head);
        }
        Ok(heads)
    }
}

/// Rows that a pixel thread can open.
pub(super) enum RowSource {
    /// From an image file.
    File(Original),
    /// From raw rows.
    Raw(Checked, Cut),
}

impl RowSource {
    /// Opens them; on a pixel thread.
    pub(super) fn open(self, info: &ImageInfo) -> codec::Result<Box<dyn RowReader>> {
        match self {
            RowSource::File(original) => codec::open(Box::new(original.open()?), info),
            RowSource::Raw(split, cut) => Ok(Box::new(RawRows::open(split, cut, info)?)),
        }
    }
}

/// A task's outcome: the image's fault is an outcome as well, trouble is not.
pub(super) fn outcome(output: Result<Pointer, Failure>) -> Result<Outcome, Failure> {
    match output {
        Ok(pointer) => Ok(Outcome::Stored(pointer)),
        Err(Failure::Refused(reason)) => Ok(Outcome::Refused { reason }),
        Err(failure) => Err(failure),
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Raw bytes of the largest part of a job.
pub(super) fn part_bytes(job: &Job) -> u64 {
    u64::from(job.cut.part_rows) * job.info.row_bytes()
}

/// Bytes that the counts of a job take.
pub(super) fn counts_bytes(job: &Job) -> u64 {
    Counts::memory(&job.recipe, &Frame::of(&job.info))
}

/// Bytes that reading the job's rows may hold besides the rows asked for.
pub(super) fn decoder_bytes(job: &Job, inputs: &Inputs) -> u64 {
    if job.info.whole_decode && inputs.split.is_none() { codec::decoder_memory(&job.info) } else { part_bytes(job) }
}

//! What all stages share: where they read rows from, how they write, and how they fail.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use shared::job::{ImageInfo, Job, Pointer};
use shared::pixels::Rows;
use shared::task::Outcome;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::deadline::{self, Timed};
use super::pixels::{self, Pixels};
use crate::codec::{self, Limits, RowReader};
use crate::store::{self, ObjectReader, Store};

/// Why a stage gave no output.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The image is at fault: repeating can't help.
    #[error("{0}")]
    Refused(String),
    /// The store failed or gave something else than was written: repeating may help.
    #[error("{0}")]
    Trouble(String),
    /// The work itself fell over: a failed attempt.
    #[error("the work on it crashed: {0}")]
    Crashed(String),
    /// The work took longer than it may: a failed attempt.
    #[error("the work on it took too long: {0}")]
    Overran(String),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Failure::Trouble(error.to_string())
    }
}

impl From<codec::Error> for Failure {
    fn from(error: codec::Error) -> Self {
        match error {
            codec::Error::Refused(reason) => Failure::Refused(reason),
            codec::Error::Source(source) => Failure::Trouble(format!("reading failed: {source}")),
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
    /// The encoded parts by task, for the stitch.
    pub equalized: Vec<Pointer>,
}

impl Workshop {
    /// The same for a task, whose work on a pixel thread may take `limit`; `slot` is kept until that has come back.
    pub fn for_task(&self, limit: Duration, slot: impl Send + Sync + 'static) -> Self {
        Self { pixels: self.pixels.for_task(limit, slot), ..self.clone() }
    }

    /// An object that a pixel thread will read.
    pub(super) fn opener(&self, key: &str) -> Opener {
        Opener { store: self.store.clone(), key: key.to_owned(), handle: Handle::current() }
    }

    /// The job's rows: from the original in place, or from what the split wrote.
    pub(super) fn rows(&self, job: &Job, inputs: &Inputs) -> RowSource {
        match &inputs.split {
            Some(split) => RowSource::Raw(self.opener(&split.key)),
            None => RowSource::File(self.opener(&job.original)),
        }
    }

    /// Gets what a pointer points to, and checks that it is what was written.
    pub(super) async fn fetch(&self, pointer: &Pointer) -> Result<Bytes, Failure> {
        let bytes = self.store.get(&pointer.key).await?;
        let sha256 = hex(&Sha256::digest(&bytes));
        if sha256 != pointer.sha256 {
            return Err(Failure::Trouble(format!(
                "the store holds other bytes under {} than were written: expected SHA-256 {}, got {sha256}",
                pointer.key, pointer.sha256
            )));
        }
        Ok(bytes)
    }

    /// Writes a small output at once.
    pub(super) async fn put(&self, key: String, bytes: Vec<u8>) -> Result<Pointer, Failure> {
        let (sha256, length) = (hex(&Sha256::digest(&bytes)), bytes.len() as u64);
        self.store.put(&key, Bytes::from(bytes)).await?;
        Ok(Pointer { key, bytes: length, sha256 })
    }

    /// Runs `produce` on a pixel thread and streams what it emits into a new object, a few chunks ahead at most.
    pub(super) async fn write<F>(&self, key: String, memory: u64, produce: F) -> Result<Pointer, Failure>
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
            let (mut hash, mut length) = (Sha256::new(), 0);
            while let Some(chunk) = chunks.recv().await {
                hash.update(&chunk);
                length += chunk.len() as u64;
                writer.write(Bytes::from(chunk)).await?;
            }
            // Without a receiver the producer ends at its next chunk.
            drop(chunks);
            Ok::<_, Failure>((writer, hex(&hash.finalize()), length))
        };
        let producer = async { producer.await.map_err(Failure::from) };
        // The store's failure explains the producer's, not the other way round: a producer whose chunk isn't taken gives
        // its error within an `Ok`. One that doesn't come back holds the channel open, and isn't waited for.
        let (produced, (writer, sha256, bytes)) = tokio::try_join!(producer, consumer)?;
        match produced {
            Ok(()) => {
                writer.finish().await?;
                Ok(Pointer { key, bytes, sha256 })
            }
            Err(error) => {
                writer.abort().await?;
                Err(error.into())
            }
        }
    }
}

/// An object that a pixel thread will read. Opening may block, so it is done there.
pub(super) struct Opener {
    store: Store,
    key: String,
    handle: Handle,
}

impl Opener {
    /// Opens it; on a pixel thread.
    pub(super) fn open(self) -> io::Result<Timed<ObjectReader>> {
        self.store.reader(&self.key, self.handle).map(Timed).map_err(io::Error::other)
    }
}

/// Rows that a pixel thread can open.
pub(super) enum RowSource {
    /// From an image file.
    File(Opener),
    /// From raw rows.
    Raw(Opener),
}

impl RowSource {
    /// Opens them; on a pixel thread.
    pub(super) fn open(self, info: &ImageInfo) -> codec::Result<Box<dyn RowReader>> {
        match self {
            RowSource::File(original) => codec::open(Box::new(original.open()?), info),
            RowSource::Raw(split) => Ok(Box::new(RawRows { reader: split.open()?, info: info.clone() })),
        }
    }
}

/// Decoded rows as the split wrote them: little-endian samples, row after row.
pub(super) struct RawRows {
    reader: Timed<ObjectReader>,
    info: ImageInfo,
}

impl RowReader for RawRows {
    fn read(&mut self, rows: Range<u32>) -> codec::Result<Rows> {
        let row = self.info.row_bytes();
        let length = usize::try_from(row * u64::from(rows.end - rows.start))
            .map_err(|_| codec::Error::Refused("The part is larger than this machine can address.".to_owned()))?;
        self.reader.seek(SeekFrom::Start(row * u64::from(rows.start)))?;
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes)?;
        Rows::from_le_bytes(self.info.width, self.info.layout, self.info.depth, &bytes)
            .map_err(|error| codec::Error::Source(io::Error::new(io::ErrorKind::InvalidData, error)))
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

/// Bytes that reading the job's rows may hold besides the rows asked for.
pub(super) fn decoder_bytes(job: &Job, inputs: &Inputs) -> u64 {
    if job.info.whole_decode && inputs.split.is_none() { job.info.raw_bytes() } else { part_bytes(job) }
}

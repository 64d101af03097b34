//! Object store for pixels and files, over `object_store`: a local folder or S3.
//!
//! Keys are never reused ([`keys`]), so a late write of a deposed or paused pod is garbage, never damage, and the store needs
//! no fence.
//!
//! # What a caller must know
//! - Objects appear atomically: a local object is a temporary file `<name>#<n>` that is synced and then renamed, and an S3
//!   object appears when its upload is completed. When [`Store::put`] or [`Writer::finish`] returns, the bytes survive a power
//!   cut.
//! - Every operation has a time limit, except a pixel thread's reads from a disk, and idempotent operations are retried a few
//!   times ([`patience`]). After
//!   [`Error::Unavailable`] the outcome of a write is unknown. [`Store::put`] and the deletes may be repeated as they are; a
//!   [`Writer`] must be restarted under a new key.
//! - Outputs that can be made again and are verified by their readers don't need to survive a power cut: [`Store::unsynced`].
//! - A crashed process may leave unfinished objects behind. In a folder these are temporary files, which only
//!   [`Store::everything`] lists and [`Store::remove`] and [`Store::delete_prefix`] remove. On S3 they are parts of an upload,
//!   which a lifecycle rule of the bucket should remove (`AbortIncompleteMultipartUpload`).

pub mod keys;

mod ahead;
mod error;
mod everything;
mod folder;
mod found;
mod free;
mod health;
mod list;
mod open;
mod outage;
mod patience;
mod reader;
mod sync_behind;
mod versions;
mod writer;
mod written;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use outage::Health;
use versions::Versions;

pub use ahead::ReadAhead;
pub use error::{Error, Invalid, Result};
pub use found::Found;
pub use object_store::PutPayload;
pub use outage::Outage;
pub use patience::Patience;
pub use reader::ObjectReader;
pub use writer::Writer;

/// Assumed size, in bytes, of an object of unknown length that is read whole; sets its time limit.
const SMALL: u64 = 8 << 20;

/// An object's bytes, as a stream of pieces.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// Time of its last write, by the store's clock.
    pub modified: SystemTime,
}

/// What differs between the two kinds of store.
#[derive(Debug, Clone)]
enum Kind {
    Local {
        root: PathBuf,
        /// Whether it is on a file system of this machine, whose calls return soon.
        is_disk: bool,
    },
    Remote,
}

/// Sizes of pieces to read and write, in bytes, and how many of them are transferred concurrently.
#[derive(Debug, Clone, Copy)]
struct Pace {
    read: u64,
    write: usize,
    at_once: usize,
}

impl Kind {
    /// S3 wants parts of at least 5 MiB and takes at most 10,000 of them: 8 MiB allow objects of 78 GiB.
    const fn pace(&self) -> Pace {
        match self {
            Kind::Local { .. } => Pace { read: 1 << 20, write: 1 << 20, at_once: 1 },
            Kind::Remote => Pace { read: 4 << 20, write: 8 << 20, at_once: 2 },
        }
    }
}

/// A folder or a bucket with a prefix. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// The same objects; what is written here isn't synced, if this is a folder on a disk.
    unsynced: Arc<dyn ObjectStore>,
    prefix: String,
    kind: Kind,
    patience: Patience,
    health: Arc<Health>,
    written: Arc<Versions>,
}

impl Store {
    /// Creates a store over any `object_store`, treated like a bucket: for tests, in memory or with injected faults.
    pub fn over(objects: Arc<dyn ObjectStore>, patience: Patience) -> Store {
        Store {
            unsynced: objects.clone(),
            objects,
            prefix: String::new(),
            kind: Kind::Remote,
            patience,
            health: Arc::default(),
            written: Arc::default(),
        }
    }

    /// Returns the same store with another time limit and other retries.
    pub fn with_patience(mut self, limit: Duration, tries: u32, pause: Duration) -> Store {
        self.patience = Patience { limit, tries, pause, ..self.patience };
        self
    }

    /// Returns the same store for outputs that can be made again: in a folder on a disk, what is written through it isn't
    /// synced, so a power cut may leave objects missing, truncated or full of zeros under their names. Their readers must verify
    /// a hash. A network folder reports errors of writing only when it is synced, so there everything is.
    pub fn unsynced(&self) -> Store {
        Store { objects: self.unsynced.clone(), ..self.clone() }
    }

    /// Writes a small object atomically and durably.
    ///
    /// # Errors
    /// [`Error::Exists`] if the key holds other content; the same content counts as this write, whose reply was lost.
    pub async fn put(&self, key: &str, bytes: impl Into<PutPayload>) -> Result<()> {
        let (path, bytes) = (self.path(key)?, bytes.into());
        let length = bytes.content_length() as u64;
        let write = || {
            let (objects, path, bytes) = (Arc::clone(&self.objects), path.clone(), bytes.clone());
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            async move { objects.put_opts(&path, bytes, options).await.map(|done| done.e_tag) }
        };
        // S3's client doesn't retry a conditional write of unknown outcome, since only a caller that reads back may do so.
        let version = match self.patience.twice().repeat("writing", key, length, write).await {
            Err(Error::Exists(_)) => match self.get(key).await? {
                there if there == Bytes::from(bytes) => None,
                _ => return Err(Error::Exists(key.to_owned())),
            },
            written => written?,
        };
        self.written.enter(key, version);
        Ok(())
    }

    /// Writes a small object atomically and durably, replacing an existing one. Of concurrent writes, one wins. Only for
    /// objects on which no guarantee depends ([`keys::GENERATION`]).
    pub async fn replace(&self, key: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(key)?;
        let write = || {
            let (objects, path, bytes) = (Arc::clone(&self.objects), path.clone(), bytes.clone());
            async move { objects.put(&path, bytes.into()).await.map(drop) }
        };
        self.patience.repeat("writing", key, bytes.len() as u64, write).await
    }

    /// Reads a whole object. Only for objects known to be small.
    pub async fn get(&self, key: &str) -> Result<Bytes> {
        let path = self.path(key)?;
        let read = || {
            let (objects, path) = (Arc::clone(&self.objects), path.clone());
            async move { objects.get(&path).await?.bytes().await }
        };
        self.patience.repeat("reading", key, SMALL, read).await
    }

    /// Reads exactly this range of bytes of an object.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the object ends before the range does.
    pub async fn range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let path = self.path(key)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (end, length) = (range.end, range.end - range.start);
        let read = || {
            let (objects, path, range) = (Arc::clone(&self.objects), path.clone(), range.clone());
            async move { objects.get_range(&path, range).await }
        };
        let short = || Error::OutOfRange { key: key.to_owned(), end };
        // Each kind of store reports a range beyond the end in its own way; retrying wouldn't help.
        let first = match self.patience.once("reading", key, length, read()).await {
            Err(error @ Error::Unavailable { .. }) => match self.size(key).await {
                Ok(size) if size < end => return Err(short()),
                _ if self.patience.tries > 1 => self.patience.repeat("reading", key, length, read).await,
                _ => Err(error),
            },
            first => first,
        };
        match first? {
            bytes if bytes.len() as u64 == length => Ok(bytes),
            _ => Err(short()),
        }
    }

    /// Streams an object, or a range of it, in bounded memory. A slow consumer holds no connection.
    ///
    /// # Errors
    /// Immediately: [`Error::NotFound`], [`Error::OutOfRange`]. A later error ends the stream.
    pub async fn stream(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let size = self.size(key).await?;
        let range = range.unwrap_or(0..size);
        if range.end > size {
            return Err(Error::OutOfRange { key: key.to_owned(), end: range.end });
        }
        let pace = self.kind.pace();
        let (store, key) = (self.clone(), key.to_owned());
        let pieces = (range.start..range.end).step_by(usize::try_from(pace.read).unwrap_or(usize::MAX));
        let bytes = stream::iter(pieces).map(move |start| {
            let (store, key, piece) = (store.clone(), key.clone(), start..range.end.min(start + pace.read));
            async move { store.range(&key, piece).await }
        });
        Ok(bytes.buffered(pace.at_once).boxed())
    }

    /// Returns an object's length in bytes.
    pub async fn size(&self, key: &str) -> Result<u64> {
        let path = self.path(key)?;
        Ok(self.patience.repeat("asking for", key, 0, || self.head(&path)).await?.size)
    }

    /// Asks for an object's metadata.
    fn head(&self, path: &Path) -> impl Future<Output = object_store::Result<ObjectMeta>> + Send + 'static {
        let (objects, path) = (Arc::clone(&self.objects), path.clone());
        async move { objects.head(&path).await }
    }

    /// Deletes an object, if it exists.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        let delete = || {
            let (objects, path) = (Arc::clone(&self.objects), path.clone());
            async move { objects.delete(&path).await }
        };
        match self.patience.repeat("deleting", key, 0, delete).await {
            Ok(()) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes every object whose key begins with `<prefix>/`; in a folder also remains of unfinished writes and directories
    /// that became empty.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<()> {
        let path = self.path(prefix)?;
        match &self.kind {
            Kind::Local { root, .. } => {
                let remove = || {
                    let (root, folder) = (root.clone(), root.join(path.as_ref()));
                    blocking(move || folder::remove(&root, &folder))
                };
                self.patience.repeat("deleting", prefix, 0, remove).await
            }
            Kind::Remote => {
                let mut objects = self.list(prefix);
                while let Some(object) = objects.next().await {
                    self.delete(&object?.key).await?;
                }
                Ok(())
            }
        }
    }

    /// Checks whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        let patience = &self.patience;
        match &self.kind {
            Kind::Local { root, .. } => {
                let root = root.clone();
                let look = blocking(move || std::fs::read_dir(root).map(drop));
                patience.once("asking for", "its folder", 0, look).await
            }
            Kind::Remote => {
                // No key sorts after this one, so the answer is empty and cheap.
                let (all, last) = (Path::from(self.prefix.as_str()), Path::from(format!("{}/~", self.prefix)));
                let objects = Arc::clone(&self.objects);
                let look =
                    async move { objects.list_with_offset(Some(&all), &last).next().await.transpose().map(drop) };
                patience.once("asking for", "its bucket", 0, look).await
            }
        }
    }

    /// Converts a key to a path. Valid keys are those that [`keys`] may spell: ASCII letters, digits, `.`, `-`, `_`, and `/`
    /// between them.
    fn path(&self, key: &str) -> Result<Path> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(fits);
        if !key.split('/').all(part) {
            return Err(Invalid::Key(key.to_owned()).into());
        }
        Ok(Path::from(format!("{}/{key}", self.prefix)))
    }
}

/// Runs blocking work on a thread for blocking calls.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> object_store::Result<T> {
    let done = tokio::task::spawn_blocking(work).await?;
    done.map_err(|source| object_store::Error::Generic { store: "folder", source: source.into() })
}

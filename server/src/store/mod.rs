//! Pixels and files, over `object_store`: a local folder or S3.
//!
//! Keys are never reused ([`keys`]), so a late write of a deposed or paused pod is garbage, never damage,
//! and the store needs no fence.
//!
//! # What a caller must know
//! - Nothing is visible half written: a local object is a temporary file `<name>#<n>` that is synced and then renamed,
//!   an S3 object appears when its upload is completed. When [`Store::put`] or [`Writer::finish`] returns, the bytes
//!   survive a power cut.
//! - After [`Error::Unavailable`] the outcome of a write is unknown. [`Store::put`] and the deletes may be repeated as
//!   they are. A [`Writer`] is begun anew, under a new key.
//! - What a crashed process left of an unfinished object: in a folder, a temporary file that no listing shows and
//!   [`Store::delete_prefix`] removes; on S3, parts of an upload that a lifecycle rule of the bucket should remove
//!   (`AbortIncompleteMultipartUpload`).

pub mod keys;
mod open;
mod reader;
mod writer;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

pub use reader::ObjectReader;
pub use writer::Writer;

/// Why the store didn't do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such object.
    #[error("the store has no object {0}")]
    NotFound(String),
    /// There is such an object already, with another content.
    #[error("the store has an object {0} already")]
    Exists(String),
    /// The object is shorter than the range that was asked for.
    #[error("object {key} ends before byte {end}")]
    OutOfRange {
        /// The object.
        key: String,
        /// End of the range that was asked for, in bytes.
        end: u64,
    },
    /// The key or the store's address is not acceptable; nothing was tried.
    #[error("{0}")]
    Invalid(String),
    /// The store can't be reached or failed; the outcome of a write is unknown. Repeating may help.
    #[error("the store is unavailable ({doing}): {cause}")]
    Unavailable {
        /// What was tried.
        doing: String,
        /// What went wrong.
        cause: String,
    },
}

/// What operations of this module give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An object's bytes, piece by piece.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub modified: SystemTime,
}

/// What differs between the two kinds of store.
#[derive(Debug, Clone)]
enum Kind {
    Local { root: PathBuf },
    S3,
}

/// How much is moved at a time, in bytes, and how many such pieces are under way at once.
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
            Kind::S3 => Pace { read: 4 << 20, write: 8 << 20, at_once: 2 },
        }
    }
}

/// A folder or a bucket with a prefix. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: String,
    kind: Kind,
}

impl Store {
    /// Writes a small object at once, durably.
    ///
    /// # Errors
    /// [`Error::Exists`] if the key holds another content; the same content counts as this very write, whose reply
    /// was lost.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(key)?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects.put_opts(&path, bytes.clone().into(), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => match self.get(key).await? {
                there if there == bytes => Ok(()),
                _ => Err(Error::Exists(key.to_owned())),
            },
            Err(error) => Err(failed("writing", key, error)),
        }
    }

    /// Begins an object of any length. It appears, whole and durable, with [`Writer::finish`].
    ///
    /// # Errors
    /// [`Error::Exists`] if there is such an object.
    pub async fn create(&self, key: &str) -> Result<Writer> {
        let path = self.path(key)?;
        match self.size(key).await {
            Ok(_) => Err(Error::Exists(key.to_owned())),
            Err(Error::NotFound(_)) => Ok(Writer::new(self.clone(), key.to_owned(), path)),
            Err(error) => Err(error),
        }
    }

    /// A whole object. For those that are known to be small.
    pub async fn get(&self, key: &str) -> Result<Bytes> {
        let path = self.path(key)?;
        let object = self.objects.get(&path).await.map_err(|error| failed("reading", key, error))?;
        object.bytes().await.map_err(|error| failed("reading", key, error))
    }

    /// Some bytes of an object, all of them.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the object ends before the range does.
    pub async fn range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let path = self.path(key)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let end = range.end;
        let short = || Error::OutOfRange { key: key.to_owned(), end };
        match self.objects.get_range(&path, range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == end - range.start => Ok(bytes),
            Ok(_) => Err(short()),
            Err(error) => match failed("reading", key, error) {
                // Both stores say so in a way of their own.
                error @ Error::Unavailable { .. } => match self.size(key).await {
                    Ok(size) if size < end => Err(short()),
                    _ => Err(error),
                },
                error => Err(error),
            },
        }
    }

    /// An object's bytes, or some of them, in bounded memory. A slow consumer holds no connection.
    ///
    /// # Errors
    /// At once: [`Error::NotFound`], [`Error::OutOfRange`]. The stream's own end it.
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

    /// An object's length in bytes.
    pub async fn size(&self, key: &str) -> Result<u64> {
        let path = self.path(key)?;
        Ok(self.objects.head(&path).await.map_err(|error| failed("asking for", key, error))?.size)
    }

    /// Deletes an object, if it is there.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        match self.objects.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("deleting", key, error)),
        }
    }

    /// Deletes every object whose key begins with `<prefix>/`; in a folder also what unfinished writes left there,
    /// and folders that became empty.
    pub async fn delete_prefix(&self, prefix: &str) -> Result<()> {
        let path = self.path(prefix)?;
        match &self.kind {
            Kind::Local { root } => {
                let (root, folder) = (root.clone(), root.join(path.as_ref()));
                blocking("deleting", prefix, move || remove_folder(&root, &folder)).await
            }
            Kind::S3 => {
                let found = self.objects.list(Some(&path)).map_ok(|object| object.location).boxed();
                let mut gone = self.objects.delete_stream(found);
                while let Some(deleted) = gone.next().await {
                    match deleted {
                        Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                        Err(error) => return Err(failed("deleting", prefix, error)),
                    }
                }
                Ok(())
            }
        }
    }

    /// The objects whose key begins with `<prefix>/`, or all of them for an empty prefix, in no particular order.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<Object>> {
        let path = match prefix {
            "" => Ok(Path::from(self.prefix.as_str())),
            prefix => self.path(prefix),
        };
        let path = match path {
            Ok(path) => path,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let (own, asked) = (self.prefix.clone(), prefix.to_owned());
        let found = self.objects.list(Some(&path)).map(move |object| match object {
            Ok(object) => {
                let key = object.location.as_ref();
                let key = key.strip_prefix(own.as_str()).unwrap_or(key).trim_start_matches('/').to_owned();
                Ok(Object { key, size: object.size, modified: object.last_modified.into() })
            }
            Err(error) => Err(failed("listing", &asked, error)),
        });
        found.boxed()
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        match &self.kind {
            Kind::Local { root } => {
                let root = root.clone();
                blocking("asking for", "its folder", move || std::fs::read_dir(root).map(drop)).await
            }
            Kind::S3 => {
                // No key is greater than this one, so the answer is empty and cheap.
                let (all, last) = (Path::from(self.prefix.as_str()), Path::from(format!("{}/~", self.prefix)));
                match self.objects.list_with_offset(Some(&all), &last).next().await {
                    None | Some(Ok(_)) => Ok(()),
                    Some(Err(error)) => Err(unavailable("asking for", "its bucket", error)),
                }
            }
        }
    }

    /// A blocking reader for pixel threads: a file, or an object on S3 read through a window of 1 MiB.
    ///
    /// # Panics
    /// On S3, where it is called from asynchronous code: it blocks on `handle`.
    pub fn reader(&self, key: &str, handle: tokio::runtime::Handle) -> Result<ObjectReader> {
        let path = self.path(key)?;
        match &self.kind {
            Kind::Local { root } => ObjectReader::open_file(key, &root.join(path.as_ref())),
            Kind::S3 => {
                let size = handle.block_on(self.size(key))?;
                Ok(ObjectReader::over(self.clone(), key.to_owned(), size, handle))
            }
        }
    }

    /// The path of a key, which is what [`keys`] may spell: ASCII letters, digits, `.`, `-`, `_`, and `/` between them.
    fn path(&self, key: &str) -> Result<Path> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(fits);
        if !key.split('/').all(part) {
            return Err(Error::Invalid(format!("{key:?} is not a key of the store")));
        }
        Ok(Path::from(format!("{}/{key}", self.prefix)))
    }
}

/// Removes a folder with all that is in it, and its parents below `root` that became empty.
fn remove_folder(root: &std::path::Path, folder: &std::path::Path) -> std::io::Result<()> {
    use std::io::ErrorKind::{DirectoryNotEmpty, NotADirectory, NotFound};
    // A writer that isn't done yet may put another file in while the folder is being emptied.
    for _ in 0..8 {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == DirectoryNotEmpty => continue,
            Err(error) if !matches!(error.kind(), NotFound | NotADirectory) => return Err(error),
            _ => break,
        }
    }
    let parents = folder.ancestors().skip(1).take_while(|parent| *parent != root);
    for parent in parents {
        if std::fs::remove_dir(parent).is_err() {
            break;
        }
    }
    Ok(())
}

async fn blocking(doing: &str, what: &str, work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<()> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(unavailable(doing, what, error)),
        Err(error) => Err(unavailable(doing, what, error)),
    }
}

fn failed(doing: &str, key: &str, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::NotFound(key.to_owned()),
        object_store::Error::AlreadyExists { .. } => Error::Exists(key.to_owned()),
        error => unavailable(doing, key, error),
    }
}

fn unavailable(doing: &str, what: &str, error: impl std::error::Error) -> Error {
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !cause.contains(&inner_text) {
            cause = format!("{cause}: {inner_text}");
        }
        source = inner.source();
    }
    Error::Unavailable { doing: format!("{doing} {what}"), cause }
}

//! A blocking reader of an object, for codecs on pixel threads.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::runtime::Handle;

use super::error::file_failed;
use super::{Error, Kind, Result, Store, folder};

/// Size of the window, in bytes.
const WINDOW: u64 = 1 << 20;

/// From this many bytes on, a read from a disk doesn't pass through the window.
const DIRECT: usize = 64 << 10;

impl Store {
    /// Like [`Store::range`], for a pixel thread: blocks while the runtime of `handle` reads, or reads itself from a disk.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the object ends before the range does.
    pub fn range_blocking(&self, key: &str, range: Range<u64>, handle: &Handle) -> Result<Bytes> {
        let path = self.path(key)?;
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(Bytes::new());
        }
        let short = || Error::OutOfRange { key: key.to_owned(), end: range.end };
        let read = match self.on_disk(&path) {
            Some(file) => self.patience.repeat_on_this_thread(|| {
                folder::read(&file, range.clone()).map_err(|error| file_failed("reading", key, error))
            }),
            None => self.patience.repeat_blocking(handle, ("reading", key, length), || {
                let (objects, path, range) = (self.objects.clone(), path.clone(), range.clone());
                async move { objects.get_range(&path, range).await }
            }),
        };
        match read {
            Ok(bytes) if bytes.len() as u64 == length => Ok(bytes),
            Ok(_) => Err(short()),
            // Each kind of store reports a range beyond the end in its own way.
            Err(error @ Error::Unavailable { .. }) => match size(self, key, handle) {
                Ok(size) if size < range.end => Err(short()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Returns the file that holds an object, if it is on a disk: its calls return soon, so a pixel thread can make them itself,
    /// which saves several switches between threads.
    fn on_disk(&self, path: &Path) -> Option<PathBuf> {
        match &self.kind {
            Kind::Local { root, is_disk: true } => Some(root.join(path.as_ref())),
            Kind::Local { .. } | Kind::Remote => None,
        }
    }

    /// Returns a blocking reader for pixel threads, with a window of 1 MiB; fetches the object's length. Must not be called
    /// from asynchronous code: it blocks while the runtime of `handle` does the store's work, or a disk.
    pub fn reader(&self, key: &str, handle: Handle) -> Result<ObjectReader> {
        ObjectReader::open(self.clone(), key.to_owned(), handle)
    }
}

/// A seekable reader of an object's bytes, one window at a time; from a disk, longer pieces are read to their place at once.
/// Blocks its thread, but never longer than the store's time limits and retries allow; a disk is waited for.
#[derive(Debug)]
pub struct ObjectReader {
    store: Store,
    key: String,
    size: u64,
    handle: Handle,
    /// The object, if it is on a disk.
    file: Option<File>,
    at: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl ObjectReader {
    /// Opens an object; fetches its length.
    fn open(store: Store, key: String, handle: Handle) -> Result<Self> {
        let mut file = None;
        let size = match store.on_disk(&store.path(&key)?) {
            Some(path) => {
                let open = || File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
                let (size, opened) = store
                    .patience
                    .repeat_on_this_thread(|| open().map_err(|error| file_failed("opening", &key, error)))?;
                file = Some(opened);
                size
            }
            None => size(&store, &key, &handle)?,
        };
        Ok(Self { store, key, size, handle, file, at: 0, window: Vec::new(), window_at: 0 })
    }

    /// Reads from the current position to `into`, past the window.
    fn read_to(&self, file: &File, into: &mut [u8]) -> Result<usize> {
        self.store.patience.repeat_on_this_thread(|| {
            folder::read_at(file, into, self.at).map_err(|error| file_failed("reading", &self.key, error))
        })
    }

    /// Reads the window that begins at the current position.
    fn fill(&mut self) -> Result<()> {
        let end = self.size.min(self.at + WINDOW);
        self.window = match &self.file {
            Some(file) => {
                // Its memory is used again, which is faster than new memory that the system must clear first.
                let mut window = std::mem::take(&mut self.window);
                window.resize((end - self.at) as usize, 0);
                let read = self.read_to(file, &mut window)?;
                if read < window.len() {
                    return Err(Error::OutOfRange { key: self.key.clone(), end });
                }
                window
            }
            None => self.store.range_blocking(&self.key, self.at..end, &self.handle)?.into(),
        };
        self.window_at = self.at;
        Ok(())
    }

    /// The object's length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

fn size(store: &Store, key: &str, handle: &Handle) -> Result<u64> {
    let path = store.path(key)?;
    Ok(store.patience.repeat_blocking(handle, ("asking for", key, 0), || store.head(&path))?.size)
}

impl Read for ObjectReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || into.is_empty() {
            return Ok(0);
        }
        let window_end = self.window_at + self.window.len() as u64;
        if !(self.window_at..window_end).contains(&self.at) {
            if let Some(file) = self.file.as_ref().filter(|_| into.len() >= DIRECT) {
                let read = self.read_to(file, into).map_err(io_error)?;
                self.at += read as u64;
                return Ok(read);
            }
            self.fill().map_err(io_error)?;
        }
        // Within the window, so the difference is less than its length.
        let from = (self.at - self.window_at) as usize;
        let length = into.len().min(self.window.len() - from);
        into[..length].copy_from_slice(&self.window[from..from + length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at =
            at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the object's first byte"))?;
        Ok(self.at)
    }
}

fn io_error(error: Error) -> io::Error {
    let kind = match error {
        Error::NotFound(_) => io::ErrorKind::NotFound,
        Error::OutOfRange { .. } => io::ErrorKind::UnexpectedEof,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

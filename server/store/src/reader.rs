//! A blocking reader of an object, for codecs on pixel threads.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use tokio::runtime::Handle;

use super::{Error, Result, Store};

/// Size of the window, in bytes.
const WINDOW: u64 = 1 << 20;

impl Store {
    /// Like [`Store::range`], for a pixel thread: blocks while the runtime of `handle` reads.
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
        let read = || {
            let (objects, path, range) = (self.objects.clone(), path.clone(), range.clone());
            async move { objects.get_range(&path, range).await }
        };
        match self.patience.repeat_blocking(handle, ("reading", key, length), read) {
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

    /// Returns a blocking reader for pixel threads, with a window of 1 MiB; fetches the object's length. Must not be called
    /// from asynchronous code: it blocks while the runtime of `handle` does the store's work.
    pub fn reader(&self, key: &str, handle: Handle) -> Result<ObjectReader> {
        ObjectReader::open(self.clone(), key.to_owned(), handle)
    }
}

/// A seekable reader of an object's bytes, one window at a time. Blocks its thread, but never longer than the store's time
/// limits and retries allow.
#[derive(Debug)]
pub struct ObjectReader {
    store: Store,
    key: String,
    size: u64,
    handle: Handle,
    at: u64,
    window: Bytes,
    window_at: u64,
}

impl ObjectReader {
    /// Opens an object; fetches its length.
    fn open(store: Store, key: String, handle: Handle) -> Result<Self> {
        let size = size(&store, &key, &handle)?;
        Ok(Self { store, key, size, handle, at: 0, window: Bytes::new(), window_at: 0 })
    }

    /// The object's length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

fn size(store: &Store, key: &str, handle: &Handle) -> Result<u64> {
    let path = store.path(key)?;
    let ask = || {
        let (objects, path) = (store.objects.clone(), path.clone());
        async move { objects.head(&path).await }
    };
    Ok(store.patience.repeat_blocking(handle, ("asking for", key, 0), ask)?.size)
}

impl Read for ObjectReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || into.is_empty() {
            return Ok(0);
        }
        let window_end = self.window_at + self.window.len() as u64;
        if !(self.window_at..window_end).contains(&self.at) {
            let end = self.size.min(self.at + WINDOW);
            self.window = self.store.range_blocking(&self.key, self.at..end, &self.handle).map_err(io_error)?;
            self.window_at = self.at;
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

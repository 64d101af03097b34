//! Inspection: reads the header of an uploaded file before the image is accepted.
//!
//! A file can be crafted to keep its reader busy. So decoders limit what they count, inspections have their own threads
//! ([`pool`]), which neither tasks nor pages use, and each inspection has a time limit that grows with the file's
//! length. Whatever happens, the client gets an answer, and the upload's turn ends with it.
//!
//! # Hazards
//! - **A slow store or an overloaded machine** looks like a hostile file. Only the thread's processor time tells them
//!   apart, and only a file that used it up is refused for good.
//! - **An inspection that never returns** (a decoder bug) keeps its thread. When no thread is left, uploads are
//!   answered 503 at once and the process reports that it isn't ready.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::causes::chain;
use rustix::time::{ClockId, clock_gettime};
use shared::job::ImageInfo;

use super::accept::Accept;
use super::error::{Error, Result};
use crate::compute::deadline::Timed;
use crate::compute::pixels::{self, Pixels};

/// Concurrent inspections. They mostly wait for the store.
const THREADS: usize = 8;

/// Memory of all inspections together, in bytes: a quarter of the process's budget within these bounds.
const MEMORY: std::ops::RangeInclusive<u64> = 64 << 20..=512 << 20;

/// Base time limit of an inspection; the length of the file adds to it.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of the file per additional second of the limit: a PNG with many chunks is read to its end.
const BYTES_A_SECOND: u64 = 8 << 20;

/// How long an upload waits for a free thread.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(20);

/// Inspections of this process that exceeded their limit.
static GIVEN_UP: AtomicU64 = AtomicU64::new(0);

/// Creates the threads and memory for inspections; `memory` is the process's budget in bytes.
pub fn pool(memory: u64) -> Pixels {
    Pixels::new(THREADS, (memory / 4).clamp(*MEMORY.start(), *MEMORY.end()))
}

fn time_limit(bytes: u64) -> Duration {
    TIME_LIMIT + Duration::from_secs(bytes / BYTES_A_SECOND)
}

/// Metadata is held up to three times: as read, as kept and as written. No decoder holds more of it than the file has.
fn memory(bytes: u64) -> u64 {
    (3 * bytes.min(codec::Limits::MAX_METADATA)).max(1 << 20)
}

impl Accept {
    /// Inspects an object of `bytes` bytes.
    ///
    /// # Errors
    /// [`Error::Refused`] if the image can't be kept; [`Error::Overran`] or [`Error::Busy`] if the time limit expired;
    /// [`Error::Store`]; [`Error::Pixels`] if no thread is left.
    pub(super) async fn inspect(&self, key: &str, bytes: u64) -> Result<ImageInfo> {
        let (store, object, limits) = (self.store.clone(), key.to_owned(), self.limits);
        let handle = tokio::runtime::Handle::current();
        let open = move || store.reader(&object, handle);
        let inspected = inspect_within(&self.pixels, time_limit(bytes), bytes, open, limits).await;
        if let Err(error @ (Error::Busy(_) | Error::Overran(_))) = &inspected {
            let so_far = GIVEN_UP.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(key, bytes, so_far, error = %chain(&error), "inspection of an upload given up");
        }
        inspected
    }
}

async fn inspect_within<R: codec::Source + 'static>(
    pixels: &Pixels,
    limit: Duration,
    bytes: u64,
    open: impl FnOnce() -> store::Result<R> + Send + 'static,
    limits: codec::Limits,
) -> Result<ImageInfo> {
    let used = Arc::new(AtomicU64::new(0));
    let meter = used.clone();
    let work = move || {
        let mut source = Metered { source: Timed(open()?), meter, since: processor_time() };
        Ok::<_, store::Error>(examine(&mut source, &limits))
    };
    let pool = pixels.for_task(limit, ());
    let Ok(outcome) = tokio::time::timeout(2 * limit + QUEUE_TIMEOUT, pool.run(memory(bytes), work)).await else {
        return Err(Error::Busy(2 * limit + QUEUE_TIMEOUT));
    };
    match outcome {
        Ok(Ok(Ok(info))) => Ok(info),
        Ok(Ok(Err(codec::Error::Refused(sentence)))) => Err(Error::Refused(sentence)),
        Ok(Ok(Err(codec::Error::Source(error)))) => {
            Err(store::Error::Unavailable { doing: "reading a header".into(), cause: error.into() }.into())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(pixels::Error::Panicked(panic)) => {
            tracing::error!(%panic, "reading an image's header panicked");
            Err(Error::Refused("The image's header is damaged and can't be read.".into()))
        }
        // By the last recorded reading, most of the time was spent processing the file's bytes, not waiting for them.
        Err(pixels::Error::Overran { limit, .. }) if used.load(Ordering::Relaxed) > limit.as_nanos() as u64 / 2 => {
            Err(Error::Overran(limit))
        }
        Err(pixels::Error::Overran { took, .. } | pixels::Error::Stuck { took, .. }) => Err(Error::Busy(took)),
        Err(error) => Err(Error::Pixels(error)),
    }
}

/// Reads an image's header and determines which of its metadata is kept.
fn examine(source: &mut dyn codec::Source, limits: &codec::Limits) -> codec::Result<ImageInfo> {
    let mut info = codec::inspect(source, limits)?;
    info.more.keeping = codec::head(source, &info, info.layout)?.keeping().clone();
    Ok(info)
}

/// Returns the processor time of this thread, in ns.
fn processor_time() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}

/// A source that records, at every read, how much processor time its thread has used.
struct Metered<R> {
    source: R,
    meter: Arc<AtomicU64>,
    since: u64,
}

impl<R> Metered<R> {
    fn note(&self) {
        self.meter.store(processor_time().saturating_sub(self.since), Ordering::Relaxed);
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.note();
        self.source.read(into)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Cursor;
    use std::sync::mpsc;

    use super::*;

    /// A file that calls `each` at every read.
    struct Costly<F> {
        file: Cursor<Vec<u8>>,
        each: F,
    }

    impl<F: FnMut()> Read for Costly<F> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            (self.each)();
            self.file.read(into)
        }
    }

    impl<F> Seek for Costly<F> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.file.seek(to)
        }
    }

    fn moon() -> Cursor<Vec<u8>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/samples/moon.png");
        Cursor::new(std::fs::read(path).unwrap())
    }

    async fn inspected<R: codec::Source + 'static>(pixels: &Pixels, limit: Duration, source: R) -> Result<ImageInfo> {
        inspect_within(pixels, limit, 1 << 20, || Ok(source), codec::Limits::default()).await
    }

    #[tokio::test]
    async fn a_file_that_uses_up_its_time_is_refused_and_its_thread_is_free_again() {
        let pixels = Pixels::new(1, 64 << 20);
        let limit = Duration::from_millis(50);
        let spin = move || {
            let begun = processor_time();
            while processor_time() - begun < limit.as_nanos() as u64 {}
        };
        let error = inspected(&pixels, limit, Costly { file: moon(), each: spin }).await.unwrap_err();
        assert!(matches!(error, Error::Overran(_)), "{error:?}");
        assert!(inspected(&pixels, Duration::from_secs(60), moon()).await.is_ok());
    }

    #[tokio::test]
    async fn a_store_that_is_slow_is_not_the_files_fault() {
        let pixels = Pixels::new(1, 64 << 20);
        let limit = Duration::from_millis(50);
        let wait = move || std::thread::sleep(2 * limit);
        let error = inspected(&pixels, limit, Costly { file: moon(), each: wait }).await.unwrap_err();
        assert!(matches!(error, Error::Busy(_)), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_waits_for_a_thread_for_a_limited_time() {
        let pixels = Pixels::new(1, 64 << 20);
        let (hold, held) = mpsc::channel::<()>();
        let other = tokio::spawn({
            let pixels = pixels.clone();
            async move { pixels.run(1, move || assert!(held.recv().is_err())).await }
        });
        tokio::task::yield_now().await;
        let waiting = tokio::spawn(async move { inspected(&pixels, TIME_LIMIT, moon()).await });
        tokio::task::yield_now().await;
        tokio::time::advance(2 * TIME_LIMIT + QUEUE_TIMEOUT + Duration::from_millis(1)).await;
        assert!(matches!(waiting.await.unwrap(), Err(Error::Busy(_))));
        drop(hold);
        other.await.unwrap().unwrap();
    }

    #[test]
    fn the_time_limit_grows_with_the_file() {
        assert_eq!(time_limit(3_500_000), TIME_LIMIT);
        assert_eq!(time_limit(16 << 30), TIME_LIMIT + Duration::from_secs(2_048));
    }
}

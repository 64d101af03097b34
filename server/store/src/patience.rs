//! Time limits and retries of the store's operations, all in this file.
//!
//! # Hazards
//! - *A network folder hangs.* Its system calls can't be interrupted: the thread blocks until the server is back. So each
//!   operation on a folder, except a pixel thread's reads from a disk, runs in a task of its own that holds a [permit](Patience::threads) until its thread is free again,
//!   and the caller stops waiting at the time limit. At most [`MAX_BLOCKING_OPERATIONS`] of tokio's blocking threads can hang, and heartbeats,
//!   other requests and the catalog go on.
//! - *A write that timed out may still happen.* Keys are never reused, so what appears late is either garbage or the very
//!   object that a retry wants to write; reading it back decides which.
//! - *S3's client already retries requests* (`RetryConfig` in [`super::open`]): this file only retries what the client doesn't.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use base::backoff::jitter;
use base::causes::{SharedError, chain};
use base::panics;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::error::{failed, unavailable};
use super::{Error, Result};

/// Maximum number of concurrent operations on a folder.
const MAX_BLOCKING_OPERATIONS: usize = 64;

/// Lowest acceptable throughput in bytes per second: the time limit grows by a second for each this many bytes.
const MIN_BYTES_PER_SECOND: u64 = 1 << 20;

/// Time limit and retry policy of an operation.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Time limit of an operation that moves no bytes. Large objects are moved in many operations of a few MiB.
    pub limit: Duration,
    /// Number of tries of an idempotent operation; at least 1.
    pub tries: u32,
    /// Average pause before the second try; doubled before each further one.
    pub pause: Duration,
    /// Permits for blocking threads; `None` if operations don't block.
    pub(super) threads: Option<Arc<Semaphore>>,
}

impl Patience {
    /// Creates a policy of `tries` tries within `limit` each, with pauses starting at `pause`.
    pub fn new(limit: Duration, tries: u32, pause: Duration) -> Self {
        Self { limit, tries, pause, threads: None }
    }

    /// Policy for a folder, whose operations block threads.
    pub(super) fn of_folder() -> Self {
        let threads = Some(Arc::new(Semaphore::new(MAX_BLOCKING_OPERATIONS)));
        Self { threads, ..Self::new(Duration::from_secs(30), 4, Duration::from_millis(100)) }
    }

    /// Policy for S3, whose client has time limits and retries of its own; this limit exceeds theirs.
    pub(super) fn of_s3() -> Self {
        Self::new(Duration::from_secs(150), 1, Duration::from_millis(100))
    }

    /// The same with at least two tries, for operations that the client doesn't retry.
    pub(super) fn twice(&self) -> Self {
        Self { tries: self.tries.max(2), ..self.clone() }
    }

    /// Tries until it succeeds, fails with an error that isn't retryable, or has used up its tries.
    pub(super) async fn repeat<T, F>(
        &self,
        doing: &str,
        key: &str,
        bytes: u64,
        mut operation: impl FnMut() -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        for tried in 1.. {
            match self.once(doing, key, bytes, operation()).await {
                Err(error @ Error::Unavailable { .. }) if tried < self.tries => {
                    tracing::debug!(error = %chain(&error), tried, "store operation failed; retrying");
                    tokio::time::sleep(self.pause_after(tried)).await;
                }
                other => return other,
            }
        }
        unreachable!("the last try returns")
    }

    /// Runs an operation that moves `bytes` bytes, within its time limit.
    pub(super) async fn once<T>(
        &self,
        doing: &str,
        key: &str,
        bytes: u64,
        operation: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
    {
        let limit = self.limit_of(bytes);
        match tokio::time::timeout(limit, self.permitted(operation)).await {
            Ok(done) => done.map_err(|error| failed(doing, key, error)),
            Err(_) => Err(late(doing, key, limit)),
        }
    }

    /// Like [`Patience::repeat`], for a blocking thread outside the runtime. It waits by the machine's clock, because tokio's
    /// may be paused and doesn't advance while such a thread works.
    pub(super) fn repeat_blocking<T, F>(
        &self,
        handle: &Handle,
        (doing, key, bytes): (&str, &str, u64),
        mut operation: impl FnMut() -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let limit = self.limit_of(bytes);
        self.repeat_on_this_thread(|| {
            let (reply, answer) = mpsc::channel();
            let operation = self.permitted(operation());
            // The send only fails if the caller has stopped waiting.
            let under_way = handle.spawn(async move { drop(reply.send(operation.await)) });
            match answer.recv_timeout(limit) {
                Ok(done) => done.map_err(|error| failed(doing, key, error)),
                Err(RecvTimeoutError::Timeout) => {
                    under_way.abort();
                    Err(late(doing, key, limit))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    drop(handle.block_on(under_way).map_err(panics::resume));
                    Err(failed(doing, key, ended_early()))
                }
            }
        })
    }

    /// Like [`Patience::repeat`], for an operation that blocks the calling thread, with no other time limit than its own.
    pub(super) fn repeat_on_this_thread<T>(&self, mut operation: impl FnMut() -> Result<T>) -> Result<T> {
        for tried in 1.. {
            match operation() {
                Err(error @ Error::Unavailable { .. }) if tried < self.tries => {
                    tracing::debug!(error = %chain(&error), tried, "store operation failed; retrying");
                    std::thread::sleep(self.pause_after(tried));
                }
                other => return other,
            }
        }
        unreachable!("the last try returns")
    }

    /// Wraps an operation so that it holds a permit as long as it blocks a thread, even if the caller has stopped waiting. It
    /// also waits for the permit in a task of its own: a frozen caller isn't polled and would keep a permit granted to it.
    fn permitted<T: Send + 'static>(
        &self,
        operation: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> impl Future<Output = object_store::Result<T>> + Send + 'static {
        let threads = self.threads.clone();
        async move {
            let Some(threads) = threads else { return operation.await };
            let (mut reply, answer) = oneshot::channel();
            let task = tokio::spawn(async move {
                let _permit = tokio::select! {
                    permit = threads.acquire_owned() => permit,
                    // The caller has stopped waiting, and nothing was begun.
                    () = reply.closed() => return,
                };
                // The send only fails if the caller has stopped waiting.
                drop(reply.send(operation.await));
            });
            match answer.await {
                Ok(done) => done,
                Err(_) => {
                    drop(task.await.map_err(panics::resume));
                    Err(ended_early())
                }
            }
        }
    }

    fn limit_of(&self, bytes: u64) -> Duration {
        self.limit + Duration::from_secs(bytes / MIN_BYTES_PER_SECOND)
    }

    fn pause_after(&self, tried: u32) -> Duration {
        self.pause.saturating_mul(1 << (tried - 1).min(16)).mul_f64(0.5 + jitter())
    }
}

/// The runtime is shutting down.
fn ended_early() -> object_store::Error {
    object_store::Error::Generic { store: "folder", source: "the operation ended early".into() }
}

fn late(doing: &str, key: &str, limit: Duration) -> Error {
    unavailable(doing, key, SharedError::new(format!("no answer within {} s", limit.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures::FutureExt;

    use super::*;

    async fn broken() -> object_store::Result<()> {
        panic!("the store is at fault")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_of_an_operation_reaches_its_caller_and_is_no_outage() {
        let folder = Patience::of_folder();
        let caught = AssertUnwindSafe(folder.once("reading", "key", 0, broken())).catch_unwind().await;
        assert_eq!(
            caught.err().and_then(|panic| panics::message(&*panic).map(str::to_owned)).as_deref(),
            Some("the store is at fault")
        );
        for patience in [folder, Patience::of_s3()] {
            let handle = Handle::current();
            let blocking = move || patience.repeat_blocking(&handle, ("reading", "key", 0), broken);
            let panic = tokio::task::spawn_blocking(blocking).await.unwrap_err().into_panic();
            assert_eq!(panics::message(&*panic), Some("the store is at fault"));
        }
    }
}

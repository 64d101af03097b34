//! How long an operation of the store may take, and how often it is tried: the one place that knows.
//!
//! # Hazards
//! - *A folder on a network hangs.* Its system calls can't be interrupted: the thread waits until the server is back.
//!   So each operation of a folder runs in a task of its own that holds a [permit](Patience::threads) until its thread
//!   is free again, and the caller stops waiting at the time limit. Whatever hangs, at most [`THREADS`] of tokio's
//!   blocking threads hang with it, and heartbeats, other requests and the catalog go on.
//! - *A write that timed out may still happen.* Keys are never reused, so what appears late is garbage, or is the very
//!   object that a repetition wants to write; reading it back decides which.
//! - *S3's requests are repeated below already* (`RetryConfig` in [`super::open`]): here only what isn't repeated there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::error::failed;
use super::{Error, Result};

/// Operations of a folder that may be under way at once.
const THREADS: usize = 64;

/// An operation that moves bytes gets a second more for each so many of them.
const SLOWEST: u64 = 1 << 20;

/// How long an operation may take, and how often it is tried.
#[derive(Debug, Clone)]
pub struct Patience {
    /// How long an operation may take that moves no bytes. Long objects are moved by many operations of a few MiB.
    pub limit: Duration,
    /// How often what may be repeated is tried; at least once.
    pub tries: u32,
    /// The pause before the second try, on average; doubled with each further one.
    pub pause: Duration,
    /// Permits for threads that block.
    threads: Option<Arc<Semaphore>>,
}

impl Patience {
    /// Tries so often, with these pauses, each try within `limit`.
    pub fn new(limit: Duration, tries: u32, pause: Duration) -> Self {
        Self { limit, tries, pause, threads: None }
    }

    /// For a folder, whose operations block threads.
    pub(super) fn of_folder() -> Self {
        let threads = Some(Arc::new(Semaphore::new(THREADS)));
        Self { threads, ..Self::new(Duration::from_secs(30), 4, Duration::from_millis(100)) }
    }

    /// For S3, whose requests have limits and repetitions of their own: this limit is above theirs.
    pub(super) fn of_s3() -> Self {
        Self::new(Duration::from_secs(150), 1, Duration::from_millis(100))
    }

    /// The same for something that is not repeated below.
    pub(super) fn twice(&self) -> Self {
        Self { tries: self.tries.max(2), ..self.clone() }
    }

    /// Tries until it works, can't work, or was tried often enough.
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
                    tracing::debug!(%error, tried, "will be tried again");
                    let pause = self.pause.saturating_mul(1 << (tried - 1).min(16));
                    tokio::time::sleep(pause.mul_f64(0.5 + jitter())).await;
                }
                other => return other,
            }
        }
        unreachable!("the last try returns")
    }

    /// Waits for an operation that moves so many bytes, as long as that may take.
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
        let limit = self.limit + Duration::from_secs(bytes / SLOWEST);
        let done = async {
            match &self.threads {
                None => operation.await,
                Some(threads) => {
                    let permit = Arc::clone(threads).acquire_owned().await;
                    let blocking = async move {
                        let _permit = permit;
                        operation.await
                    };
                    tokio::spawn(blocking).await.unwrap_or_else(|source| Err(object_store::Error::JoinError { source }))
                }
            }
        };
        match tokio::time::timeout(limit, done).await {
            Ok(done) => done.map_err(|error| failed(doing, key, error)),
            Err(_) => Err(Error::Unavailable {
                doing: format!("{doing} {key}"),
                cause: format!("it didn't answer within {} s", limit.as_secs_f64()),
            }),
        }
    }
}

/// A number of [0, 1), so that those who failed together don't try again together.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0)
}

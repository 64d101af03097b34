//! The process's budget for pixel work: so many threads, so much memory, shared by its pods and its pages.
//!
//! Pixel work never runs on the threads that answer heartbeats and requests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

/// Why pixel work gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The work panicked; the message is for the log, not for a person.
    #[error("pixel work panicked: {0}")]
    Panicked(String),
    /// The pool is gone: the process is ending.
    #[error("the pixel threads are gone")]
    Gone,
    /// The pool can't be made.
    #[error("cannot start pixel threads: {0}")]
    Start(String),
}

/// A pool of threads and a budget of memory. Clones share both.
#[derive(Clone)]
pub struct Pixels {
    pool: Arc<rayon::ThreadPool>,
    memory: Arc<Semaphore>,
    budget_kib: u32,
    threads: usize,
}

impl Pixels {
    /// A pool of `threads` threads (at least one) that may hold `memory` bytes at once.
    ///
    /// # Errors
    /// [`Error::Start`] when the system gives no threads.
    pub fn new(threads: usize, memory: u64) -> Result<Self, Error> {
        let threads = threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("pixels-{index}"))
            .build()
            .map_err(|error| Error::Start(error.to_string()))?;
        let budget_kib = kib(memory).min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Ok(Self { pool: Arc::new(pool), memory: Arc::new(Semaphore::new(budget_kib as usize)), budget_kib, threads })
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The budget in bytes.
    pub fn memory(&self) -> u64 {
        u64::from(self.budget_kib) * 1024
    }

    /// Runs `f` on a pixel thread once `memory_bytes` of the budget are free; work that wants more than the whole
    /// budget waits for all of it and runs alone.
    ///
    /// # Errors
    /// [`Error::Panicked`] if `f` does; the threads go on.
    ///
    /// # Cancellation
    /// Work that hasn't begun is skipped; work that has runs to its end and keeps its share of the budget until then.
    pub async fn run<T, F>(&self, memory_bytes: u64, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let wanted = kib(memory_bytes).min(self.budget_kib);
        let share = self.memory.clone().acquire_many_owned(wanted).await.map_err(|_| Error::Gone)?;
        let (reply, answer) = oneshot::channel();
        self.pool.spawn_fifo(move || {
            if !reply.is_closed() {
                let outcome = catch_unwind(AssertUnwindSafe(f)).map_err(|panic| Error::Panicked(message(&*panic)));
                drop(share);
                // Nobody waits any more if this fails, and nothing is lost but the answer.
                let _ = reply.send(outcome);
            }
        });
        answer.await.map_err(|_| Error::Gone)?
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX)
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_work_runs() {
        let pixels = Pixels::new(1, 1 << 20).unwrap();
        let error = pixels.run(1, || -> u32 { panic!("odd bytes") }).await.unwrap_err();
        assert_eq!(error, Error::Panicked("odd bytes".into()));
        assert_eq!(pixels.run(1, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn work_never_holds_more_than_the_budget() {
        let pixels = Pixels::new(4, 1 << 20).unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let all = (0..16).map(|_| {
            let (now, most) = (now.clone(), most.clone());
            pixels.run(600 << 10, move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for done in futures::future::join_all(all).await {
            done.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn work_larger_than_the_budget_runs_alone_instead_of_never() {
        let pixels = Pixels::new(2, 1 << 20).unwrap();
        assert_eq!(pixels.run(1 << 40, || "done").await, Ok("done"));
    }
}

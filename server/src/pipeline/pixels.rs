//! The process's budget for pixel work: so many threads, so much memory, shared by its pods and its pages.
//!
//! Pixel work never runs on the threads that answer heartbeats and requests. It runs on tokio's blocking threads, of which
//! a semaphore lets it have its number: paused time stands still while one of them works, so that tests can run whole
//! pods on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Why pixel work gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The work panicked; the message is for the log, not for a person.
    #[error("pixel work panicked: {0}")]
    Panicked(String),
    /// The threads are gone: the process is ending.
    #[error("the pixel threads are gone")]
    Gone,
}

/// A budget of threads and one of memory. Clones share both.
#[derive(Clone)]
pub struct Pixels {
    free: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    budget_kib: u32,
    threads: usize,
}

impl Pixels {
    /// A budget of `threads` threads (at least one) that may hold `memory` bytes at once.
    pub fn new(threads: usize, memory: u64) -> Self {
        let threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        let budget_kib = kib(memory).min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let memory = Arc::new(Semaphore::new(budget_kib as usize));
        Self { free: Arc::new(Semaphore::new(threads)), memory, budget_kib, threads }
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
    /// budget waits for all of it and runs alone. First come, first served.
    ///
    /// # Errors
    /// [`Error::Panicked`] if `f` does; the threads go on.
    ///
    /// # Cancellation
    /// Work that hasn't begun is skipped; work that has runs to its end and keeps its thread and its share of the memory
    /// until then.
    pub async fn run<T, F>(&self, memory_bytes: u64, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let wanted = kib(memory_bytes).min(self.budget_kib);
        let share = self.memory.clone().acquire_many_owned(wanted).await.map_err(|_| Error::Gone)?;
        let thread = self.free.clone().acquire_owned().await.map_err(|_| Error::Gone)?;
        let work = spawn_blocking(move || {
            let outcome = catch_unwind(AssertUnwindSafe(f)).map_err(|panic| Error::Panicked(message(&*panic)));
            drop((thread, share));
            outcome
        });
        work.await.map_err(|_| Error::Gone)?
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
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_work_runs() {
        let pixels = Pixels::new(1, 1 << 20);
        let error = pixels.run(1, || -> u32 { panic!("odd bytes") }).await.unwrap_err();
        assert_eq!(error, Error::Panicked("odd bytes".into()));
        assert_eq!(pixels.run(1, || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn work_never_holds_more_than_the_budget() {
        let pixels = Pixels::new(4, 1 << 20);
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
        let pixels = Pixels::new(2, 1 << 20);
        assert_eq!(pixels.run(1 << 40, || "done").await, Ok("done"));
    }

    #[tokio::test(start_paused = true)]
    async fn paused_time_stands_still_while_a_pixel_thread_works() {
        let pixels = Pixels::new(1, 1 << 20);
        let begun = tokio::time::Instant::now();
        let work = pixels.run(1, || std::thread::sleep(Duration::from_millis(50)));
        let outcome = tokio::time::timeout(Duration::from_secs(1), work).await;
        assert_eq!((outcome, begun.elapsed()), (Ok(Ok(())), Duration::ZERO));
    }

    /// Work that holds its thread until the sender is dropped.
    fn held(pixels: &Pixels) -> (std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Error>>) {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let pixels = pixels.clone();
        let work = tokio::spawn(async move { pixels.run(1 << 20, move || assert!(held.recv().is_err())).await });
        (hold, work)
    }

    #[tokio::test]
    async fn work_comes_in_the_order_in_which_it_was_asked_for() {
        let pixels = Pixels::new(1, 1 << 20);
        let (hold, first) = held(&pixels);
        tokio::task::yield_now().await;
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut all = futures::future::join_all((0..8).map(|index| {
            let order = order.clone();
            pixels.run(1, move || order.lock().unwrap().push(index))
        }));
        assert!(futures::poll!(&mut all).is_pending());
        drop(hold);
        assert_eq!(all.await, vec![Ok(()); 8]);
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_skipped_and_work_that_began_keeps_its_share() {
        let pixels = Pixels::new(2, 1 << 20);
        let (hold, first) = held(&pixels);
        while pixels.memory.available_permits() > 0 || pixels.free.available_permits() > 1 {
            tokio::task::yield_now().await;
        }
        let ran = Arc::new(AtomicUsize::new(0));
        let count = ran.clone();
        let second = tokio::spawn({
            let pixels = pixels.clone();
            async move { pixels.run(1, move || count.fetch_add(1, Ordering::SeqCst)).await }
        });
        tokio::task::yield_now().await;
        first.abort();
        second.abort();
        assert!(first.await.unwrap_err().is_cancelled() && second.await.unwrap_err().is_cancelled());
        assert_eq!(pixels.memory.available_permits(), 0, "it works on, although nobody waits for it");
        drop(hold);
        assert_eq!(pixels.run(1 << 20, || "free again").await, Ok("free again"));
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    }
}

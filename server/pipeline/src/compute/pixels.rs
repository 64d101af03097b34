//! The process's budget of threads and memory for pixel work, shared by its pods and its pages.
//!
//! Pixel work never runs on the threads that answer heartbeats and requests. It runs on tokio's blocking threads,
//! limited by a semaphore. Tokio's paused time doesn't advance while a blocking thread works, so tests can run whole
//! pods on it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use base::panics;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::deadline;
use super::overdue::{Overdue, Watched};

/// Grace period after the time limit before work that doesn't check its deadline is given up; at least a quarter of the limit.
const STUCK_GRACE: Duration = Duration::from_secs(2);

/// Why pixel work returned no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The work panicked; the message is for the log, not for users.
    #[error("pixel work panicked: {0}")]
    Panicked(String),
    /// The work ended because its time limit expired.
    #[error("it took {:.1} s; the limit for a task is {:.1} s", took.as_secs_f64(), limit.as_secs_f64())]
    Overran {
        /// How long it had run.
        took: Duration,
        /// Its time limit.
        limit: Duration,
    },
    /// The work hasn't returned although its time limit expired; it keeps its thread and memory until it does.
    #[error("it is stuck after {:.1} s; the limit for a task is {:.1} s", took.as_secs_f64(), limit.as_secs_f64())]
    Stuck {
        /// How long it has run so far.
        took: Duration,
        /// Its time limit.
        limit: Duration,
    },
    /// All threads are stuck: the work wasn't started.
    #[error("all {0} pixel threads are stuck")]
    AllStuck(usize),
    /// The threads are gone: the process is shutting down.
    #[error("the pixel threads have ended")]
    Gone,
}

/// A budget of threads and memory. Clones share it.
#[derive(Clone)]
pub struct Pixels {
    free: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    budget_kib: u32,
    threads: usize,
    overdue: Overdue,
    term: Option<Term>,
}

/// The time limit of a task's work, and the slot that the work holds.
#[derive(Clone)]
struct Term {
    limit: Duration,
    _slot: Arc<dyn Any + Send + Sync>,
}

impl Pixels {
    /// Creates a budget of `threads` threads (at least one) and `memory` bytes.
    pub fn new(threads: usize, memory: u64) -> Self {
        let threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        let budget_kib = kib(memory).min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let memory = Arc::new(Semaphore::new(budget_kib as usize));
        let free = Arc::new(Semaphore::new(threads));
        Self { free, memory, budget_kib, threads, overdue: Overdue::default(), term: None }
    }

    /// Returns the number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Returns the memory budget in bytes.
    pub fn memory(&self) -> u64 {
        u64::from(self.budget_kib) * 1024
    }

    /// Returns the same budget for the work of one task: each piece of it may take `limit`, and `slot` is held until
    /// the returned value is dropped and all of the task's work has returned from its thread.
    pub fn for_task(&self, limit: Duration, slot: impl Send + Sync + 'static) -> Self {
        Self { term: Some(Term { limit, _slot: Arc::new(slot) }), ..self.clone() }
    }

    /// Returns whether every thread is stuck, i.e. has exceeded its work's time limit.
    pub fn all_stuck(&self) -> bool {
        self.overdue.count() >= self.threads
    }

    /// Runs `f` on a pixel thread once `memory_bytes` of the budget are free. Work that needs more than the whole
    /// budget waits for all of it and runs alone. First come, first served.
    ///
    /// # Errors
    /// [`Error::Panicked`] if `f` panics; the thread survives. For a task ([`Pixels::for_task`]): [`Error::Overran`] if
    /// the work ended because its time limit expired, [`Error::Stuck`] if it didn't end. [`Error::AllStuck`].
    ///
    /// # Cancellation
    /// Work that hasn't started is skipped; work that has runs to its end, and keeps its thread and its memory until then.
    pub async fn run<T, F>(&self, memory_bytes: u64, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if self.all_stuck() {
            return Err(Error::AllStuck(self.threads));
        }
        let wanted = kib(memory_bytes).min(self.budget_kib);
        let share = self.memory.clone().acquire_many_owned(wanted).await.map_err(|_| Error::Gone)?;
        let thread = self.free.clone().acquire_owned().await.map_err(|_| Error::Gone)?;
        let Some(term) = self.term.clone() else {
            let work = spawn_blocking(move || {
                let outcome = contained(f);
                drop((thread, share));
                outcome
            });
            return work.await.map_err(|_| Error::Gone)?;
        };
        let (limit, watched) = (term.limit, self.overdue.watch());
        let returning = watched.clone();
        let work = spawn_blocking(move || {
            let outcome = deadline::limited(limit, || contained(f));
            returning.came_back();
            drop((thread, share, term));
            outcome.unwrap_or_else(|took| Err(Error::Overran { took, limit }))
        });
        self.watch(limit, watched, work).await
    }

    /// Waits for work that checks its deadline, and a grace period longer for work that doesn't.
    async fn watch<T>(
        &self,
        limit: Duration,
        watched: Watched,
        work: tokio::task::JoinHandle<Result<T, Error>>,
    ) -> Result<T, Error> {
        let patience = limit + (limit / 4).max(STUCK_GRACE);
        match tokio::time::timeout(patience, work).await {
            Ok(outcome) => outcome.map_err(|_| Error::Gone)?,
            Err(_) => {
                let stuck = watched.is_overdue();
                tracing::error!(
                    after = ?patience,
                    stuck,
                    threads = self.threads,
                    "pixel work stuck; its thread is lost until it returns"
                );
                if self.all_stuck() {
                    tracing::error!(threads = self.threads, "all pixel threads are stuck; restart this process");
                }
                Err(Error::Stuck { took: patience, limit })
            }
        }
    }
}

fn contained<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    outcome.map_err(|panic| Error::Panicked(panics::message(&*panic).unwrap_or("no message").to_owned()))
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX)
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

    #[tokio::test(start_paused = true)]
    async fn a_tasks_work_that_asks_ends_with_the_limit_and_the_measured_time() {
        let pixels = Pixels::new(1, 1 << 20);
        let limit = Duration::from_millis(10);
        let work = || while deadline::check().is_ok() {};
        let error = pixels.for_task(limit, ()).run(1, work).await.unwrap_err();
        assert!(matches!(error, Error::Overran { took, limit: told } if took > limit && told == limit), "{error:?}");
        assert!(error.to_string().contains("the limit for a task is 0.0 s"), "{error}");
        assert_eq!(pixels.run(1, || deadline::check().is_ok()).await, Ok(true));
    }

    #[tokio::test]
    async fn work_that_doesnt_come_back_keeps_slot_and_thread_and_the_process_knows() {
        let pixels = Pixels::new(1, 1 << 20);
        let slots = Arc::new(tokio::sync::Semaphore::new(1));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let task = pixels.for_task(Duration::from_millis(10), slots.clone().try_acquire_owned().unwrap());
        let error = task.run(1 << 20, move || assert!(held.recv().is_err())).await.unwrap_err();
        assert!(matches!(error, Error::Stuck { took, .. } if took >= STUCK_GRACE), "{error:?}");
        drop(task);
        assert_eq!(slots.available_permits(), 0, "the slot is kept");
        assert!(pixels.all_stuck());
        assert_eq!(pixels.run(1, || 7).await, Err(Error::AllStuck(1)));
        drop(hold);
        drop(tokio::time::timeout(Duration::from_secs(60), slots.acquire()).await.expect("the slot is free again"));
        assert!(!pixels.all_stuck());
        assert_eq!(pixels.run(1 << 20, || 7).await, Ok(7));
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

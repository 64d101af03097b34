//! Slots: the process's free pixel threads. A task is claimed only while holding one.
//!
//! The pods of a process share them, and a pod can be frozen. So there is no queue, which could assign a thread to a pod that
//! isn't polled: a pod that wants one retries whenever one becomes free.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The free pixel threads. Clones share them.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Semaphore>,
    freed: watch::Sender<()>,
}

/// A taken pixel thread; dropping it frees the thread.
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    freed: watch::Sender<()>,
}

impl Slots {
    /// Creates this many slots, all free.
    pub fn new(threads: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(threads)), freed: watch::Sender::new(()) }
    }

    /// Takes a thread as soon as one is free.
    ///
    /// # Cancellation
    /// Safe; a future that is never polled again holds nothing.
    pub async fn take(&self) -> Slot {
        let mut freed = self.freed.subscribe();
        loop {
            freed.mark_unchanged();
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                return Slot { permit: Some(permit), freed: self.freed.clone() };
            }
            // `self` owns a sender, so this can't fail.
            let _ = freed.changed().await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.freed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_without_being_polled_holds_nothing() {
        let slots = Slots::new(1);
        let slot = slots.take().await;
        let mut frozen = Box::pin(slots.take());
        assert!(futures::poll!(&mut frozen).is_pending());
        let waiting = tokio::spawn({
            let slots = slots.clone();
            async move { drop(slots.take().await) }
        });
        tokio::task::yield_now().await;
        drop(slot);
        waiting.await.expect("it gets the slot");
        drop(frozen.await);
    }
}

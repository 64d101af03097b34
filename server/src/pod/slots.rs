//! Pixel threads of the process that are free: a task is claimed only with one of them in hand.
//!
//! Pods share them, and a pod can be frozen. So nobody has a place in a queue, which could be given a thread while its pod isn't
//! polled: whoever wants one tries whenever one has become free.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The free pixel threads. Clones share them.
#[derive(Clone)]
pub struct Slots {
    free: Arc<Semaphore>,
    freed: watch::Sender<()>,
}

/// A pixel thread that is taken; free again when this is dropped.
pub struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    freed: watch::Sender<()>,
}

impl Slots {
    /// So many threads, all of them free.
    pub fn new(threads: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(threads)), freed: watch::Sender::new(()) }
    }

    /// Takes a thread as soon as one is free.
    ///
    /// # Cancellation
    /// Safe, and a future that is never polled again holds nothing.
    pub async fn take(&self) -> Slot {
        let mut freed = self.freed.subscribe();
        loop {
            freed.mark_unchanged();
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                return Slot { permit: Some(permit), freed: self.freed.clone() };
            }
            // The sender is `self`'s, so it is there.
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

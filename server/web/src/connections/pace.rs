//! Minimum transfer rate of a client, for one direction.
//!
//! Only the time that the server spends waiting for the client counts: a slow store, or an event stream with nothing to
//! send, is not the client's fault. A transfer may therefore take hours, but can't be held open with a byte now and
//! then.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Minimum rate: `least` bytes per `window` of waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slowest {
    pub(super) least: usize,
    pub(super) window: Duration,
}

/// The client was slower than the minimum rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes in {} s", .window.as_secs_f64())]
pub(super) struct TooSlow {
    /// Bytes transferred in the window.
    pub(super) bytes: usize,
    /// Length of the window.
    pub(super) window: Duration,
}

/// Enforces the minimum rate on one direction of a transfer.
#[derive(Debug)]
pub(super) struct Pace {
    slowest: Slowest,
    /// Bytes transferred, and time spent waiting for them, since the last `least` bytes were complete.
    bytes: usize,
    waited: Duration,
    waiting_since: Option<Instant>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(super) fn new(slowest: Slowest) -> Self {
        Self { slowest, bytes: 0, waited: Duration::ZERO, waiting_since: None, deadline: None }
    }

    /// Counts transferred bytes.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.bytes += bytes;
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        if self.bytes >= self.slowest.least {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
    }

    /// Must be polled whenever the transfer is pending on the client. Ready once the client was too slow.
    pub(super) fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<TooSlow> {
        let window = self.slowest.window;
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            let at = now + window.saturating_sub(self.waited);
            match &mut self.deadline {
                Some(deadline) => deadline.as_mut().reset(at),
                None => self.deadline = Some(Box::pin(sleep_until(at))),
            }
        }
        match &mut self.deadline {
            Some(deadline) => deadline.as_mut().poll(cx).map(|()| TooSlow { bytes: self.bytes, window }),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SLOWEST: Slowest = Slowest { least: 4_096, window: Duration::from_secs(60) };

    /// Transfers `bytes` after each pause, and returns after how many seconds the client was found too slow.
    async fn after(pauses: impl IntoIterator<Item = (Duration, usize)>) -> Option<(u64, TooSlow)> {
        let (mut pace, begun) = (Pace::new(SLOWEST), Instant::now());
        for (pause, bytes) in pauses {
            let too_slow = tokio::time::timeout(pause, poll_fn(|cx| pace.poll_too_slow(cx))).await;
            if let Ok(too_slow) = too_slow {
                return Some((begun.elapsed().as_secs(), too_slow));
            }
            pace.moved(bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_may_take_hours() {
        assert_eq!(after((0..10_000).map(|_| (Duration::from_secs(1), 70))).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_drips_is_found_after_one_window() {
        let found = after((0..100).map(|_| (Duration::from_secs(15), 1))).await;
        assert_eq!(found, Some((60, TooSlow { bytes: 3, window: SLOWEST.window })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_falls_silent_is_found_after_one_window() {
        let found = after([(Duration::from_secs(1), 1 << 20), (Duration::from_secs(3_600), 0)]).await;
        assert_eq!(found, Some((61, TooSlow { bytes: 0, window: SLOWEST.window })));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_for_the_client_does_not_count() {
        let mut pace = Pace::new(SLOWEST);
        for _ in 0..3 {
            pace.moved(1);
            tokio::time::advance(Duration::from_secs(3_600)).await;
        }
        assert!(futures::poll!(poll_fn(|cx| pace.poll_too_slow(cx))).is_pending());
    }
}

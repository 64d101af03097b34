//! Exponential backoff with jitter.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Returns a random number in [0, 1), so that retries after a common failure don't coincide.
pub fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0)
}

/// Pauses that double up to a maximum, each randomized to between half and one and a half of its nominal length.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Creates a backoff whose nominal pauses go from `first` to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// Returns the next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause.mul_f64(0.5 + jitter())
    }

    /// Sleeps for the next pause.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait(&mut self) {
        let pause = self.pause();
        tokio::time::sleep(pause).await;
    }

    /// Sleeps for the next pause, or until `stop`.
    pub async fn wait_until(&mut self, stop: &CancellationToken) {
        tokio::select! {
            () = self.wait() => {}
            () = stop.cancelled() => {}
        }
    }

    /// Starts again from the first pause, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_begin_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(300));
        for nominal in [100, 200, 300, 300] {
            let (pause, nominal) = (backoff.pause(), Duration::from_millis(nominal));
            assert!(pause >= nominal / 2 && pause < nominal * 3 / 2, "{pause:?} for {nominal:?}");
        }
        backoff.reset();
        assert!(backoff.pause() < Duration::from_millis(150));
    }
}

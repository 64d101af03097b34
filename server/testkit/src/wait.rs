//! Waiting in tests. A test awaits a state ([`eventually`], [`eventually_blocking`], or [`within`] if it may fail to come), or
//! checks that one lasts ([`stays`]). It lets time pass ([`elapse`]) only where a duration is what it tests.
//!
//! A look at a state returns `Ok` with what was awaited, or `Err` with the state that it saw instead.
//!
//! The asynchronous ones measure tokio's time, so they also work while it is paused.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Time limit of waits that need no other.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Shortest and longest pause after a quick look. It grows with the time waited, so that long waits cost little.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Returns the pause after a look, from the time waited so far and the look's own: looks take at most half of the time.
fn pause(waited: Duration, looked: Duration) -> Duration {
    (waited / 50).clamp(SHORTEST_PAUSE, LONGEST_PAUSE).max(looked)
}

/// Returns `Ok` if a condition holds, and otherwise what was seen.
pub fn ok_if<S>(holds: bool, seen: S) -> Result<(), S> {
    if holds { Ok(()) } else { Err(seen) }
}

/// Waits until `look` returns `Ok`, and returns its value.
///
/// # Panics
/// After `limit`, with the state last seen.
pub async fn eventually<T, S: Debug>(what: &str, limit: Duration, look: impl AsyncFnMut() -> Result<T, S>) -> T {
    within(limit, look).await.unwrap_or_else(|seen| fail(what, limit, seen))
}

/// Waits until `look` returns `Ok`, and returns its value.
///
/// # Errors
/// After `limit`, the state last seen; `None` if the first look didn't return.
pub async fn within<T, S>(limit: Duration, mut look: impl AsyncFnMut() -> Result<T, S>) -> Result<T, Option<S>> {
    let begun = Instant::now();
    let mut last = None;
    loop {
        let looking = Instant::now();
        match timeout_at(begun + limit, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(seen)) => last = Some(seen),
            Err(_) => return Err(last),
        }
        if begun.elapsed() >= limit {
            return Err(last);
        }
        sleep(pause(begun.elapsed(), looking.elapsed())).await;
    }
}

/// Like [`eventually`], for tests and helpers that aren't asynchronous.
///
/// # Panics
/// After `limit`, with the state last seen.
pub fn eventually_blocking<T, S: Debug>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, S>) -> T {
    let begun = std::time::Instant::now();
    loop {
        let looking = std::time::Instant::now();
        match look() {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() >= limit => fail(what, limit, Some(seen)),
            Err(_) => std::thread::sleep(pause(begun.elapsed(), looking.elapsed())),
        }
    }
}

/// Checks that `look` returns `Ok` for this long.
///
/// # Panics
/// As soon as it returns `Err`, with the state that it saw.
pub async fn stays<S: Debug>(what: &str, length: Duration, mut look: impl AsyncFnMut() -> Result<(), S>) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        let looking = Instant::now();
        if let Err(seen) = look().await {
            panic!("{what} ended after {:?}: {seen:#?}", begun.elapsed());
        }
        sleep(pause(begun.elapsed(), looking.elapsed())).await;
    }
}

/// Lets time pass, for tests about a duration: a lease that runs out, an outage that lasts, a client that is slow. Not for
/// waiting until something has happened: that is a state, which [`eventually`] awaits.
pub async fn elapse(length: Duration) {
    sleep(length).await;
}

fn fail<S: Debug>(what: &str, limit: Duration, seen: Option<S>) -> ! {
    match seen {
        Some(seen) => panic!("waited {limit:?} in vain for {what}; last seen: {seen:#?}"),
        None => panic!("waited {limit:?} in vain for {what}; the first look didn't return"),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures::FutureExt;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn message(failing: impl Future<Output = ()>) -> String {
        let panic = AssertUnwindSafe(failing).catch_unwind().await.unwrap_err();
        *panic.downcast::<String>().expect("a panic with a formatted message")
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_that_comes_is_returned_and_is_looked_for_less_often_as_time_passes() {
        let (begun, mut looks) = (Instant::now(), 0);
        let found = eventually("five seconds", LIMIT, async || {
            looks += 1;
            ok_if(begun.elapsed() >= Duration::from_secs(5), ()).map(|()| "found")
        });
        assert_eq!(found.await, "found");
        assert!(begun.elapsed() < Duration::from_secs(5) + 2 * LONGEST_PAUSE, "{:?}", begun.elapsed());
        assert!((250..500).contains(&looks), "{looks} looks");
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_that_never_comes_fails_with_the_one_last_seen() {
        let begun = Instant::now();
        let seen = message(async move {
            let mut looks = 0;
            eventually::<(), _>("a third look", LIMIT, async || {
                looks += 1;
                Err(if begun.elapsed() < LIMIT / 2 { "early" } else { "late" })
            })
            .await;
        });
        assert_eq!(seen.await, "waited 10s in vain for a third look; last seen: \"late\"");
        assert!(begun.elapsed() < LIMIT + 2 * LONGEST_PAUSE, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_given_up() {
        let mut looks = 0;
        let outcome: Result<(), _> = within(LIMIT, async || {
            looks += 1;
            if looks > 1 {
                std::future::pending::<()>().await;
            }
            Err("the first look")
        })
        .await;
        assert_eq!(outcome, Err(Some("the first look")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_that_ends_too_soon_fails_at_once() {
        let begun = Instant::now();
        stays("calm", LIMIT, async || ok_if(true, ())).await;
        assert!(begun.elapsed() >= LIMIT, "{:?}", begun.elapsed());
        let ends = message(async move {
            let begun = Instant::now();
            stays("calm", LIMIT, async || ok_if(begun.elapsed() < Duration::from_millis(1), "a storm")).await;
        });
        assert_eq!(ends.await, "calm ended after 2ms: \"a storm\"");
    }

    #[test]
    #[should_panic(expected = "waited 20ms in vain for a sign; last seen: 7")]
    fn a_blocking_wait_ends_as_well() {
        eventually_blocking("a sign", Duration::from_millis(20), || Err::<(), _>(7));
    }
}

//! Time limits for work on pixel threads.
//!
//! A thread can't be ended from outside. Instead the work calls [`check`] wherever it reads or emits a chunk, and fails
//! once its time is over. The caller that set the limit then gets the measured time, whatever the work made of that
//! error ([`limited`]).

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
struct Deadline {
    began: Instant,
    limit: Duration,
    /// How long the work had run when [`check`] first failed.
    overran: Option<Duration>,
}

thread_local! {
    static DEADLINE: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// Runs `work` on this thread with a time limit.
///
/// # Errors
/// How long it had run when its limit expired; its return value is discarded.
pub(crate) fn limited<T>(limit: Duration, work: impl FnOnce() -> T) -> Result<T, Duration> {
    DEADLINE.set(Some(Deadline { began: Instant::now(), limit, overran: None }));
    let result = work();
    match DEADLINE.take().and_then(|deadline| deadline.overran) {
        Some(took) => Err(took),
        None => Ok(result),
    }
}

/// Checks that the work on this thread is within its time limit.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when its time is over.
pub(crate) fn check() -> io::Result<()> {
    let Some(mut deadline) = DEADLINE.get() else { return Ok(()) };
    let took = deadline.began.elapsed();
    if took <= deadline.limit {
        return Ok(());
    }
    deadline.overran = Some(deadline.overran.unwrap_or(took));
    DEADLINE.set(Some(deadline));
    Err(io::Error::new(io::ErrorKind::TimedOut, "the time limit for this work has passed"))
}

/// A source that fails to read once the time limit has expired.
pub(crate) struct Timed<R>(pub(crate) R);

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        check()?;
        self.0.read(into)
    }
}

impl<R: Seek> Seek for Timed<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        check()?;
        self.0.seek(to)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn work_that_asks_ends_when_its_time_is_over_whatever_it_makes_of_the_error() {
        let limit = Duration::from_millis(20);
        let began = Instant::now();
        let outcome = limited(limit, || {
            let mut source = Timed(io::repeat(7));
            let mut read = [0; 16];
            while source.read_exact(&mut read).is_ok() {}
            "swallowed"
        });
        let took = outcome.unwrap_err();
        assert!(took > limit && took <= began.elapsed(), "{took:?}");
    }

    #[test]
    fn work_that_ends_in_time_isnt_touched_and_leaves_no_limit_behind() {
        assert_eq!(limited(Duration::from_secs(60), || check().is_ok()), Ok(true));
        assert_eq!(limited(Duration::ZERO, || 7), Ok(7));
        assert!(check().is_ok());
    }
}

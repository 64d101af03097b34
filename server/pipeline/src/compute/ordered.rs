//! A parallel map on a thread pool with ordered results and a bounded number of items in flight.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

use rayon::{Scope, ThreadPool};

/// Processes `count` items: `give(i)` on this thread, then `work(i, given)` on any thread of the pool, then
/// `take(i, done)` on this thread. `give` and `take` are called in ascending order of `i`.
///
/// To bound memory, at most twice as many items as there are threads are between `give` and `take`. Without a pool,
/// rayon's global one is used. With one thread, or when called on a thread of any rayon pool (where waiting would block
/// the pool), everything runs on this thread.
///
/// # Errors
/// The first error of any of the three; items in flight are finished, and no others are begun.
///
/// # Panics
/// If one of the three panics.
pub(crate) fn in_order<I, T, E>(
    pool: Option<&ThreadPool>,
    count: u32,
    mut give: impl FnMut(u32) -> Result<I, E>,
    work: impl Fn(u32, I) -> Result<T, E> + Sync,
    mut take: impl FnMut(u32, T) -> Result<(), E>,
) -> Result<(), E>
where
    I: Send,
    T: Send,
    E: Send,
{
    let threads = pool.map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads);
    if threads == 1 || count == 1 || rayon::current_thread_index().is_some() {
        return (0..count).try_for_each(|index| take(index, work(index, give(index)?)?));
    }

    let ahead = u32::try_from(threads).unwrap_or(u32::MAX).saturating_mul(2);
    let work = &work;
    in_scope(pool, |scope| {
        let (done, arriving) = mpsc::channel();
        let mut early = BTreeMap::new();
        let mut given = 0;
        for next in 0..count {
            while given < count && given - next < ahead {
                let (index, input, done) = (given, give(given)?, done.clone());
                scope.spawn(move |_| {
                    let result = catch_unwind(AssertUnwindSafe(|| work(index, input)));
                    // After an error, the receiver is gone.
                    let _ = done.send((index, result));
                });
                given += 1;
            }
            let result = loop {
                if let Some(result) = early.remove(&next) {
                    break result;
                }
                let (index, result) = arriving.recv().expect("this thread holds a sender, so the channel is open");
                early.insert(index, result);
            };
            take(next, result.unwrap_or_else(|panic| resume_unwind(panic))?)?;
        }
        Ok(())
    })
}

/// Calls `run` on this thread; returns when everything that it spawned has ended.
fn in_scope<'scope, R>(pool: Option<&ThreadPool>, run: impl FnOnce(&Scope<'scope>) -> R) -> R {
    match pool {
        Some(pool) => pool.in_place_scope(run),
        None => rayon::in_place_scope(run),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn pool(threads: usize) -> ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn results_are_taken_in_order_and_few_are_under_way() {
        for threads in [1, 2, 3, 8] {
            let (given, most) = (AtomicU32::new(0), AtomicU32::new(0));
            let mut taken = Vec::new();
            in_order(
                Some(&pool(threads)),
                200,
                |index| {
                    given.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, ()>(index * 10)
                },
                // Uneven work, so that items overtake one another.
                |index, input| Ok((0..(index * 7_919) % 5_000).fold(input, |sum, k| sum ^ k ^ k)),
                |index, result| {
                    most.fetch_max(given.load(Ordering::Relaxed) - index, Ordering::Relaxed);
                    taken.push((index, result));
                    Ok(())
                },
            )
            .unwrap();
            assert!(taken.iter().copied().eq((0..200).map(|index| (index, index * 10))));
            assert!(most.into_inner() as usize <= 2 * threads);
        }
    }

    #[test]
    fn an_error_anywhere_ends_it() {
        for threads in [1, 4] {
            for place in 0..3 {
                let begun = AtomicU32::new(0);
                let fail = |at: u32, here: u32| if at == 50 && here == place { Err(at) } else { Ok(()) };
                let result = in_order(
                    Some(&pool(threads)),
                    1_000,
                    |index| fail(index, 0),
                    |index, ()| {
                        begun.fetch_add(1, Ordering::Relaxed);
                        fail(index, 1)
                    },
                    |index, ()| fail(index, 2),
                );
                assert_eq!(result, Err(50));
                assert!(begun.into_inner() <= 51 + 8);
            }
        }
    }

    #[test]
    fn a_panic_of_the_work_reaches_the_caller() {
        let panic = catch_unwind(|| {
            in_order(
                Some(&pool(2)),
                10,
                |_| Ok::<_, ()>(()),
                |index, ()| {
                    assert_ne!(index, 5, "the fifth is damaged");
                    Ok(())
                },
                |_, ()| Ok(()),
            )
        });
        assert!(panic.is_err());
    }

    #[test]
    fn a_thread_of_a_pool_does_not_wait_for_its_own_pool() {
        let pool = pool(2);
        let both = || in_order(Some(&pool), 50, Ok::<_, ()>, |_, i| Ok(i), |_, _| Ok(()));
        assert_eq!(pool.install(|| rayon::join(both, both)), (Ok(()), Ok(())));
    }
}

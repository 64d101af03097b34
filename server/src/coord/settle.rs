//! How an unknown outcome becomes a known one.
//!
//! A session's operations run in the order in which they were submitted, also across a reconnect. So once a
//! [`Coordinator::sync`] that was submitted after an operation has been answered, the operation has run or never
//! will, and a read on the same session tells which.

use std::time::Duration;

use futures::future::BoxFuture;

use super::{Coordinator, Error, Result, SessionState};
use crate::backoff::Backoff;

/// The first pause between two attempts that failed while the session said that it was connected.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Waits until the session is connected.
///
/// # Errors
/// [`Error::Expired`] once the session is over.
///
/// # Cancellation
/// Safe.
pub async fn connected(coordinator: &dyn Coordinator) -> Result<()> {
    let mut states = coordinator.states();
    let state = states.wait_for(|state| *state != SessionState::Disconnected).await;
    match state.as_deref() {
        Ok(SessionState::Connected) => Ok(()),
        _ => Err(Error::Expired),
    }
}

/// Waits until every operation that this session submitted before has run or never will, and this session sees
/// every write that was acknowledged to anyone before.
///
/// # Errors
/// [`Error::Expired`] only: it goes on through disconnects until the session ends.
///
/// # Cancellation
/// Safe.
pub async fn settle(coordinator: &dyn Coordinator) -> Result<()> {
    persistently(coordinator, || coordinator.sync()).await
}

/// [`settle`], then reads, as often as it takes to get a definite answer.
///
/// # Errors
/// What the read says that is definite; [`Error::Expired`] once the session is over.
///
/// # Cancellation
/// Safe, as `read` writes nothing.
pub async fn read_back<'a, T>(
    coordinator: &'a dyn Coordinator,
    read: impl Fn() -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    settle(coordinator).await?;
    persistently(coordinator, read).await
}

/// Repeats what is harmless to repeat until the answer is definite.
async fn persistently<'a, T>(
    coordinator: &'a dyn Coordinator,
    operation: impl Fn() -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    let mut backoff = Backoff::new(PAUSE, LONGEST_PAUSE);
    loop {
        connected(coordinator).await?;
        match operation().await {
            Err(Error::Unknown(_) | Error::Disconnected) => backoff.wait().await,
            definite => return definite,
        }
    }
}

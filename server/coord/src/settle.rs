//! Resolution of unknown outcomes.
//!
//! A session's operations run in the order of their submission, also across a reconnect. So once a [`Coordinator::sync`] that
//! was submitted after an operation has been answered, the operation has either run or never will, and a read on the same
//! session tells which.

use std::time::Duration;

use base::backoff::Backoff;
use futures::future::BoxFuture;

use super::{Coordinator, Error, Result, SessionState};

/// First pause between two attempts that failed although the session appeared connected.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause between two attempts.
const MAX_RETRY_PAUSE: Duration = Duration::from_millis(500);

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

/// Waits until every operation that this session submitted before has run or never will, and this session sees every write that
/// was acknowledged to any session before.
///
/// # Errors
/// [`Error::Expired`] only: it keeps trying through disconnects until the session ends.
///
/// # Cancellation
/// Safe.
pub async fn settle(coordinator: &dyn Coordinator) -> Result<()> {
    persistently(coordinator, || coordinator.sync()).await
}

/// Calls [`settle`], then reads until the answer is definite.
///
/// # Errors
/// The read's definite errors; [`Error::Expired`] once the session is over.
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

/// Repeats an idempotent operation until its answer is definite.
async fn persistently<'a, T>(
    coordinator: &'a dyn Coordinator,
    operation: impl Fn() -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    let mut backoff = Backoff::new(RETRY_PAUSE, MAX_RETRY_PAUSE);
    loop {
        connected(coordinator).await?;
        match operation().await {
            Err(Error::Unknown(_) | Error::Disconnected) => backoff.wait().await,
            definite => return definite,
        }
    }
}

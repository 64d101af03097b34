//! The doorbell: a node whose version counts rings, so that its watchers check for work at once.

use shared::clock::Moment;

use super::{Coordinator, Error, Result, ensure_path, paths, record};

/// Rings the doorbell. The ring carries only the moment, so that every watcher lists the same event. Watchers read the backlog
/// themselves, and also poll it by a timer.
///
/// # Errors
/// Any. A lost ring only delays work until the next poll, so callers may ignore errors.
///
/// # Cancellation
/// Safe.
///
/// # On connection loss
/// It may have rung; ringing again is optional.
pub async fn ring(coordinator: &dyn Coordinator, now: &Moment) -> Result<()> {
    let data = record::to_bytes(now)?;
    match coordinator.set(paths::DOORBELL, &data, None).await {
        // The node was deleted. A new node has version 0, the same as a missing one, so only a set counts as a ring.
        Err(Error::NoNode(_)) => {
            ensure_path(coordinator, paths::DOORBELL).await?;
            coordinator.set(paths::DOORBELL, &data, None).await.map(drop)
        }
        rung => rung.map(drop),
    }
}

/// Returns the number of rings and the moment of the last one; `None` if an older version rang.
///
/// # Errors
/// Those of a read.
///
/// # Cancellation
/// Safe.
///
/// # On connection loss
/// Call again after the reconnect.
pub async fn rings(coordinator: &dyn Coordinator) -> Result<(i32, Option<Moment>)> {
    match coordinator.get(paths::DOORBELL).await {
        Ok((data, stat)) if data.is_empty() => Ok((stat.version, None)),
        Ok((data, stat)) => Ok((stat.version, record::from_bytes(paths::DOORBELL, &data))),
        Err(Error::NoNode(_)) => Ok((0, None)),
        Err(error) => Err(error),
    }
}

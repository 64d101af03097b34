//! The doorbell: a node whose version counts rings, so that whoever watches it looks at once.

use shared::clock::Moment;

use super::{Coordinator, Error, Result, ensure_path, paths, record};

/// Rings. It carries nothing but the moment, so that all who hear it list it alike: whoever hears it looks for itself, and
/// looks by a timer too.
///
/// # Errors
/// Any; a ring that is lost costs a timer's wait and nothing else, so callers may ignore them.
///
/// # Cancellation
/// Safe.
///
/// # On connection loss
/// It may have rung. Ring again or don't.
pub async fn ring(coordinator: &dyn Coordinator, now: &Moment) -> Result<()> {
    let data = record::to_bytes(now)?;
    match coordinator.set(paths::DOORBELL, &data, None).await {
        // Somebody deleted it. A new node has version 0, as no node has: only setting it makes this a ring.
        Err(Error::NoNode(_)) => {
            ensure_path(coordinator, paths::DOORBELL).await?;
            coordinator.set(paths::DOORBELL, &data, None).await.map(drop)
        }
        rung => rung.map(drop),
    }
}

/// How often it was rung, and when last; `None` of a ring by an older version.
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

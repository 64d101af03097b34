//! The doorbell: a node whose version counts rings, so that whoever watches it looks at once.

use super::{Coordinator, Error, Result, ensure_path, paths};

/// Rings. It carries nothing: whoever hears it looks for itself, and looks by a timer too.
///
/// # Errors
/// Any; a ring that is lost costs a timer's wait and nothing else, so callers may ignore them.
///
/// # Cancellation
/// Safe.
///
/// # On connection loss
/// It may have rung. Ring again or don't.
pub async fn ring(coordinator: &dyn Coordinator) -> Result<()> {
    match coordinator.set(paths::DOORBELL, b"", None).await {
        // Somebody deleted it. A new node has version 0, as no node has: only setting it makes this a ring.
        Err(Error::NoNode(_)) => {
            ensure_path(coordinator, paths::DOORBELL).await?;
            coordinator.set(paths::DOORBELL, b"", None).await.map(drop)
        }
        rung => rung.map(drop),
    }
}

//! The doorbell: a node whose version counts rings, so that whoever watches it looks at once.

use super::{Coordinator, Result, paths};

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
    coordinator.set(paths::DOORBELL, b"", None).await.map(drop)
}

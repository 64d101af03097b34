//! Reader of the event log, which is the data of the candidates' parent.

use shared::event::EventLog;

use super::{Coordinator, Error, Result, paths, record};

/// Returns the log and its znode's version; an empty log and `None` if the znode doesn't exist.
///
/// # Errors
/// Those of a read.
///
/// # Cancellation
/// Safe.
///
/// # On connection loss
/// Call again after the reconnect.
pub async fn read(coordinator: &dyn Coordinator) -> Result<(EventLog, Option<i32>)> {
    match coordinator.get(paths::EVENT_LOG).await {
        // Still as the skeleton was created, or only masters of older versions have run.
        Ok((data, stat)) if data.is_empty() => Ok((EventLog::default(), Some(stat.version))),
        Ok((data, stat)) => Ok((record::from_bytes(paths::EVENT_LOG, &data).unwrap_or_default(), Some(stat.version))),
        Err(Error::NoNode(_)) => Ok((EventLog::default(), None)),
        Err(error) => Err(error),
    }
}

//! Errors of the master: failed actions, and why a term ended.

use coord::fence::FenceError;
use coord::{Error, Invalid};
use pipeline::stages::failure::Failure;
use tokio::task::JoinError;

/// Why a term ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// The election node is gone.
    #[error("deposed")]
    Deposed,
    /// The session has ended, or the coordinator rejected the operation.
    #[error(transparent)]
    Coordinator(#[from] Error),
    /// A job's driver or the sweeper panicked; the next leader starts with new ones.
    #[error("a part of it crashed")]
    Crashed(#[source] JoinError),
}

/// A failed action; everything except [`End`] is retried after reading again.
#[derive(Debug, thiserror::Error)]
pub(super) enum MasterError {
    /// The term is over.
    #[error(transparent)]
    End(#[from] End),
    /// A fenced write met a state that wasn't read, or its outcome is unknown: read again.
    #[error(transparent)]
    Fence(FenceError),
    /// The read state is stale, or the coordinator can't be reached: read again.
    #[error(transparent)]
    Coordinator(Error),
    /// A write of the catalog had no effect: another candidacy held the epoch. Read again.
    #[error("epoch was another candidacy's; taken again")]
    EpochRetaken,
    /// The node has children that the array didn't write, or a lock that was taken since it was read.
    #[error("{0} still has children")]
    NotEmpty(String),
    /// The coordinator can't store this record, because it is too large.
    #[error(transparent)]
    Refused(Invalid),
    /// Denied by a znode's access control list that the array didn't set.
    #[error("the access control list of {0}, which the array didn't set, doesn't allow it")]
    Forbidden(String),
    /// The catalog doesn't answer: wait, then read again.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The store doesn't answer: wait, then read again.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The master's own part of a job's work failed: wait, then read again.
    #[error(transparent)]
    Stage(Failure),
}

impl MasterError {
    /// Returns whether trying again won't help: the coordinator refuses or forbids the write.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, MasterError::Refused(_) | MasterError::Forbidden(_))
    }
}

impl From<FenceError> for MasterError {
    fn from(error: FenceError) -> Self {
        match error {
            FenceError::Deposed => MasterError::End(End::Deposed),
            FenceError::Conflict { source: Error::Forbidden(path), .. } => MasterError::Forbidden(path),
            FenceError::Conflict { source: Error::NotEmpty(path), .. } => MasterError::NotEmpty(path),
            FenceError::Conflict { .. } | FenceError::Unknown(_) => MasterError::Fence(error),
            FenceError::Coordinator(error) => error.into(),
        }
    }
}

impl From<Error> for MasterError {
    fn from(error: Error) -> Self {
        match error {
            Error::Expired => MasterError::End(End::Coordinator(error)),
            Error::Invalid(invalid) => MasterError::Refused(invalid),
            Error::Forbidden(path) => MasterError::Forbidden(path),
            other => MasterError::Coordinator(other),
        }
    }
}

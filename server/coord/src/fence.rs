//! The fence: a master's writes take effect only while its own election node exists.
//!
//! Each write is a multi that begins with a check of that node. The node's path is unique to the candidacy (uuid and sequence),
//! so the coordinator itself rejects the writes of a master that was deposed without noticing, however long they were in
//! flight.

use shared::cluster::Candidate;

use super::{Coordinator, Error, Op, record};

/// Why a fenced write failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// The election node is gone: this candidacy no longer leads. Nothing was written.
    #[error("deposed: the election node is gone")]
    Deposed,
    /// An operation failed: what was read before is out of date. Nothing was written; read again.
    #[error("operation {index} conflicts: {source}")]
    Conflict {
        /// Index among the caller's operations.
        index: usize,
        /// Why it failed.
        source: Error,
    },
    /// The write may have taken effect, or may still do so: `settle`, then read again.
    #[error(transparent)]
    Unknown(Error),
    /// Nothing was written (disconnected, or too large), or the session is over.
    #[error(transparent)]
    Coordinator(Error),
}

impl FenceError {
    /// Whether the master's role is over and the pod has to enter the election again.
    pub fn ends_role(&self) -> bool {
        match self {
            FenceError::Deposed => true,
            FenceError::Conflict { .. } | FenceError::Unknown(_) => false,
            FenceError::Coordinator(error) => error.is_terminal(),
        }
    }
}

/// The right to write that one candidacy's election node confers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    node: String,
}

impl Fence {
    /// The fence of an election node.
    pub(super) fn new(node: String) -> Self {
        Self { node }
    }

    /// The path of the checked election node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Runs the writes atomically, provided that the election node exists.
    ///
    /// # Errors
    /// [`FenceError`]; [`FenceError::ends_role`] tells when to step down.
    ///
    /// # Cancellation
    /// The write may still take effect.
    ///
    /// # On connection loss
    /// [`FenceError::Unknown`]: [`settle`](super::settle::settle), then read the current state. The master does so anyway, as
    /// it decides from what it reads.
    pub async fn write(&self, coordinator: &dyn Coordinator, ops: Vec<Op>) -> Result<(), FenceError> {
        let check = Op::Check { path: self.node.clone(), version: None };
        let fenced = std::iter::once(check).chain(ops).collect();
        match coordinator.multi(fenced).await {
            Ok(()) => Ok(()),
            Err(Error::Multi { index: 0, .. }) => Err(FenceError::Deposed),
            Err(Error::Multi { index, source }) => Err(FenceError::Conflict { index: index - 1, source: *source }),
            Err(error @ Error::Unknown(_)) => Err(FenceError::Unknown(error)),
            Err(error) => Err(FenceError::Coordinator(error)),
        }
    }

    /// Writes the leader's record (with its epoch) into the election node.
    ///
    /// # Errors, Cancellation, On connection loss
    /// As [`Fence::write`].
    pub async fn announce(&self, coordinator: &dyn Coordinator, leader: &Candidate) -> Result<(), FenceError> {
        let data = record::to_bytes(leader).map_err(FenceError::Coordinator)?;
        self.write(coordinator, vec![Op::Set { path: self.node.clone(), data, version: None }]).await
    }

    /// Deletes the election node of a leader whose process was seen to be gone. Called by the next candidate, at most once per
    /// session timeout. A wrong witness is harmless, because the leader's own fence stops it. Returns `false` if the leader's
    /// node was already gone.
    ///
    /// # Errors, Cancellation, On connection loss
    /// As [`Fence::write`].
    pub async fn evict(&self, coordinator: &dyn Coordinator, leader: &str) -> Result<bool, FenceError> {
        match self.write(coordinator, vec![Op::Delete { path: leader.to_owned(), version: None }]).await {
            Ok(()) => Ok(true),
            Err(FenceError::Conflict { source: Error::NoNode(_), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

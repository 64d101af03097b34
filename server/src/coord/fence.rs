//! The fence: a master's writes take effect only while its own election node is there.
//!
//! Each is a multi that begins with a check of that node. Its path is unique to the candidacy (uuid and
//! sequence), so a master that was deposed without noticing is rejected by the coordinator itself, however long its
//! write was under way.

use shared::cluster::Candidate;

use super::{Coordinator, Error, Op, record};

/// Why a fenced write didn't succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// The election node is gone: this candidacy leads no more. Nothing was written.
    #[error("deposed: the election node is gone")]
    Deposed,
    /// Another reply: what was read before is out of date. Nothing was written; read again.
    #[error("operation {index} conflicts: {source}")]
    Conflict {
        /// Which of the caller's operations.
        index: usize,
        /// Why it failed.
        source: Error,
    },
    /// The write may have taken effect, or may still: `settle`, then read again.
    #[error("{0}")]
    Unknown(Error),
    /// Nothing was written (disconnected, or too large), or the session is over.
    #[error("{0}")]
    Coordinator(Error),
}

impl FenceError {
    /// Whether the role is over: go and stand again.
    pub fn ends_role(&self) -> bool {
        match self {
            FenceError::Deposed => true,
            FenceError::Conflict { .. } | FenceError::Unknown(_) => false,
            FenceError::Coordinator(error) => error.is_terminal(),
        }
    }
}

/// The right to write that comes with one candidacy's election node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    node: String,
}

impl Fence {
    /// The fence of an election node.
    pub(super) fn new(node: String) -> Self {
        Self { node }
    }

    /// The path of the election node that is checked.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Writes, all or nothing, provided that the election node is there.
    ///
    /// # Errors
    /// [`FenceError`]; [`FenceError::ends_role`] tells when to step down.
    ///
    /// # Cancellation
    /// The write may take effect all the same.
    ///
    /// # On connection loss
    /// [`FenceError::Unknown`]: [`settle`](super::settle::settle), then read what is there. The master, which
    /// decides from what it reads, does so anyway.
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

    /// Removes the election node of a leader whose process was seen to be gone. Used by the next candidate, at most
    /// once per session timeout; the leader's own fence makes a wrong witness harmless. Gives `false` if the
    /// leader's node was gone already.
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

//! Errors of fault injection, from the pods of a process to the API.

use shared::id::PodName;

/// Why a fault wasn't injected or undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The pod isn't one of this process's.
    #[error("There is no pod {0} in this process.")]
    Unknown(PodName),
    /// The pod is dead already.
    #[error("Pod {0} is already dead.")]
    Dead(PodName),
    /// There is no fault to undo.
    #[error("Pod {0} is already alive.")]
    Alive(PodName),
    /// The pod has another fault already.
    #[error("Pod {0} already has a fault; undo it first.")]
    Faulty(PodName),
    /// The pod's session can't be cut off.
    #[error("Pod {0} can only be killed.")]
    NotHere(PodName),
}

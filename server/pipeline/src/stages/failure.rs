//! Failures of the stages, and how errors of the store, the codec and the pixel threads become failures.

use std::io;

use base::causes::{Doing, SharedError};
use store::Store;

use crate::compute::pixels;

/// Why a stage produced no output.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The image is at fault; retrying can't help.
    #[error("{0}")]
    Refused(String),
    /// A failure that may be specific to this task; retrying may help.
    #[error(transparent)]
    Trouble(SharedError),
    /// The store is full. This isn't the task's fault; it can be retried once there is room.
    #[error(transparent)]
    Full(store::Error),
    /// Another dependency of all tasks is down; waiting helps.
    #[error(transparent)]
    Outage(SharedError),
    /// Objects in the store differ from what was written; their producers must run again.
    #[error("the store damaged the object {}: {what}", keys.join(", "))]
    Damaged {
        /// Keys of the damaged objects.
        keys: Vec<String>,
        /// How the damage was detected.
        what: String,
    },
    /// The work panicked: a failed attempt.
    #[error("the work on it crashed")]
    Crashed(#[source] SharedError),
    /// The work exceeded its time limit: a failed attempt.
    #[error("the work on it took too long")]
    Overran(#[source] pixels::Error),
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Full { .. } => Failure::Full(error),
            error => Failure::Trouble(error.into()),
        }
    }
}

impl Failure {
    /// Returns whether the failure affects every task. For a store error this probes the store: if an unrelated object
    /// fails as well, the cause isn't what this task reads or writes. From then on the store counts as failing until it
    /// works again.
    pub async fn is_outage(&self, store: &Store) -> bool {
        match self {
            Failure::Trouble(_) => store.is_failing().await,
            Failure::Full(_) => {
                store.is_full().await;
                true
            }
            Failure::Outage(_) => true,
            Failure::Refused(_) | Failure::Damaged { .. } | Failure::Crashed(_) | Failure::Overran(_) => false,
        }
    }
}

impl From<codec::Error> for Failure {
    fn from(error: codec::Error) -> Self {
        match error {
            codec::Error::Refused(reason) => Failure::Refused(reason),
            codec::Error::Source(source) => match source.downcast::<Damaged>() {
                Ok(Damaged { keys, what }) => Failure::Damaged { keys, what },
                Err(source) => Failure::Trouble(Doing::new("reading failed", source).into()),
            },
        }
    }
}

impl From<pixels::Error> for Failure {
    fn from(error: pixels::Error) -> Self {
        match error {
            pixels::Error::Overran { .. } | pixels::Error::Stuck { .. } => Failure::Overran(error),
            pixels::Error::Panicked(_) => Failure::Crashed(error.into()),
            pixels::Error::AllStuck(_) | pixels::Error::Gone => Failure::Trouble(error.into()),
        }
    }
}

/// Objects in the store differ from what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged: {what}", keys.join(", "))]
pub(super) struct Damaged {
    /// Keys of the damaged objects.
    pub(super) keys: Vec<String>,
    /// How the damage was detected.
    pub(super) what: String,
}

impl From<Damaged> for io::Error {
    fn from(damaged: Damaged) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, damaged)
    }
}

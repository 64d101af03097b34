//! Errors of the coordinator.

use base::causes::SharedError;

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Reply: the node doesn't exist.
    #[error("no node {0}")]
    NoNode(String),
    /// Reply: the node already exists.
    #[error("node {0} exists already")]
    NodeExists(String),
    /// Reply: the node has another version than expected.
    #[error("node {0} has another version than expected")]
    BadVersion(String),
    /// Reply: the node has children.
    #[error("node {0} has children")]
    NotEmpty(String),
    /// Reply: the parent is ephemeral, and ephemeral nodes can't have children.
    #[error("the parent of {0} is ephemeral and can't have children")]
    NoChildrenForEphemerals(String),
    /// Reply: an access control list, which the array didn't set, forbids the operation.
    #[error("the access control list of {0}, which the array didn't set, doesn't allow it")]
    Forbidden(String),
    /// Reply: operation `index` of a multi failed, so none of its operations took effect.
    #[error("operation {index} of the multi: {source}")]
    Multi {
        /// Index of the failed operation.
        index: usize,
        /// Why it failed.
        source: Box<Error>,
    },
    /// Nothing was submitted, or the coordinator refused it: it is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Nothing was submitted: the session is currently disconnected.
    #[error("disconnected from the coordinator")]
    Disconnected,
    /// The session is over; the operation either didn't run or ran before the session ended.
    #[error("the session has expired")]
    Expired,
    /// The operation may have run or may still run.
    #[error("outcome unknown")]
    Unknown(#[source] SharedError),
}

impl Error {
    /// Whether the operation may have taken effect.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Error::Unknown(_) | Error::Expired)
    }

    /// Whether the session is over.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Error::Expired)
    }

    /// Returns the reply that made a multi fail; for other errors, the error itself.
    pub fn cause(&self) -> &Error {
        match self {
            Error::Multi { source, .. } => source,
            other => other,
        }
    }
}

/// Result of a coordinator operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is invalid about an operation, a record or an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// ZooKeeper would reject the path.
    #[error("the znode path {path:?} {flaw}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        flaw: PathFlaw,
    },
    /// The root always exists.
    #[error("the root can neither be created nor deleted")]
    Root,
    /// The data are too large for a znode.
    #[error("{bytes} bytes for {path}, a znode may hold {limit}")]
    TooLarge {
        /// Path of the znode.
        path: String,
        /// Size of the data.
        bytes: usize,
        /// Maximum size.
        limit: usize,
    },
    /// The paths and data of a multi are too large.
    #[error("a multi of {bytes} bytes, {limit} are allowed")]
    MultiTooLarge {
        /// Their size.
        bytes: usize,
        /// Maximum size.
        limit: usize,
    },
    /// A multi creates a sequential node, whose path wouldn't be known.
    #[error("a multi can't create the sequential {0}")]
    Sequential(String),
    /// The record can't be serialized.
    #[error("can't write a record as JSON")]
    Record(#[source] SharedError),
    /// ZooKeeper's client or server refused the operation on this path.
    #[error("ZooKeeper refused {path}")]
    Refused {
        /// Path of the operation.
        path: String,
        /// Why it was refused.
        #[source]
        cause: SharedError,
    },
    /// The text isn't an address of an ensemble.
    #[error("expected host:port,host:port…[/chroot], got {0:?}")]
    Address(String),
    /// The path can't be a chroot.
    #[error("{0:?} can't be a chroot")]
    Chroot(String),
    /// The process that connected may not use this coordinator.
    #[error(transparent)]
    Forbidden(SharedError),
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFlaw {
    /// No slash at the start.
    #[error("doesn't begin with a slash")]
    Relative,
    /// An empty part, or `.` or `..`.
    #[error("has an empty or a relative part")]
    Part,
    /// A control character or another one that ZooKeeper forbids.
    #[error("has a character that is not allowed")]
    Character,
}

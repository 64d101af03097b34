//! Coordination: a tree of small records with sessions, in the shape of ZooKeeper's.
//!
//! [`Coordinator`] is one session. Two implementations pass the same conformance suite: [`zookeeper`], for
//! arrays of processes, and [`embedded`], for the pods of one process and for faults scheduled from a seed.
//! The recipes ([`election`], [`fence`], [`claim`], [`members`]) use the trait alone.
//!
//! # What a caller must know
//! - **Unknown outcomes.** Only a reply of the server settles an operation. Any other error
//!   ([`Error::is_unknown`]) means that it may have run, or may still run after a reconnect; dropping its
//!   future cancels nothing. Resolve by [`Coordinator::sync`], then read back on the same session.
//! - **Watches are hints.** They carry no state, may be merged, and end at a disconnect ([`Watch::changed`] then
//!   says [`Hint::Lost`] once): watch again, `sync`, rescan.
//! - **Sessions end.** [`SessionState::Expired`] is final. A new session needs a new [`Connector::connect`].

pub mod claim;
pub mod doorbell;
pub mod election;
pub mod embedded;
pub mod event_log;
pub mod fence;
mod hub;
pub mod limits;
pub mod members;
pub mod paths;
pub mod record;
pub mod settle;
pub mod zookeeper;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

/// Why an operation didn't give what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Reply: there is no such node.
    #[error("no node {0}")]
    NoNode(String),
    /// Reply: the node is there already.
    #[error("node {0} exists already")]
    NodeExists(String),
    /// Reply: the node's version is another.
    #[error("node {0} has another version than expected")]
    BadVersion(String),
    /// Reply: the node has children.
    #[error("node {0} has children")]
    NotEmpty(String),
    /// Reply: ephemeral nodes have no children.
    #[error("the parent of {0} is ephemeral and can't have children")]
    NoChildrenForEphemerals(String),
    /// Reply: an access control list that somebody else set doesn't allow it.
    #[error("the access control list of {0}, which the array didn't set, doesn't allow it")]
    Forbidden(String),
    /// Reply: operation `index` of a multi failed, and so none of them took effect.
    #[error("operation {index} of the multi: {source}")]
    Multi {
        /// Which operation.
        index: usize,
        /// Why it failed.
        source: Box<Error>,
    },
    /// Nothing was submitted: the path or the data are not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// Nothing was submitted: the session is disconnected now.
    #[error("disconnected from the coordinator")]
    Disconnected,
    /// The session is over; the operation didn't run, or ran before the end.
    #[error("the session has expired")]
    Expired,
    /// The operation may have run or may still run.
    #[error("outcome unknown: {0}")]
    Unknown(String),
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

    /// The reply that made a multi fail, or the error itself.
    pub fn cause(&self) -> &Error {
        match self {
            Error::Multi { source, .. } => source,
            other => other,
        }
    }
}

/// What operations of this module give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A session's id; the `ephemeralOwner` of its ephemeral nodes. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub i64);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Operations run.
    Connected,
    /// Submit nothing and wait: it comes back or expires.
    Disconnected,
    /// Over, for ever; its ephemeral nodes are gone or will be shortly.
    Expired,
    /// Closed by its owner, for ever.
    Closed,
}

impl SessionState {
    /// Whether it never changes again.
    pub fn is_terminal(self) -> bool {
        matches!(self, SessionState::Expired | SessionState::Closed)
    }
}

/// A node's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Transaction that created it: tells one life of a path from the next.
    pub czxid: i64,
    /// Transaction that last wrote its data.
    pub mzxid: i64,
    /// How often its data were written since.
    pub version: i32,
    /// The session whose end removes it; `None` for persistent nodes.
    pub owner: Option<SessionId>,
    /// How many children it has.
    pub children: u32,
}

/// How long a node lives and what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CreateMode {
    /// Until it is deleted.
    Persistent,
    /// Until its session ends.
    Ephemeral,
    /// Until its session ends; ten digits, rising within the parent, are added to its name.
    EphemeralSequential,
}

/// One write of a [`Coordinator::multi`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// The node exists, at this version where one is given.
    Check {
        /// The node.
        path: String,
        /// Its version, or `None` for any.
        version: Option<i32>,
    },
    /// Create a node.
    Create {
        /// The node.
        path: String,
        /// Its data.
        data: Vec<u8>,
        /// How long it lives. Not sequential: a multi's paths are known beforehand.
        mode: CreateMode,
    },
    /// Set a node's data.
    Set {
        /// The node.
        path: String,
        /// Its data.
        data: Vec<u8>,
        /// Its version before, or `None` for any.
        version: Option<i32>,
    },
    /// Delete a node without children.
    Delete {
        /// The node.
        path: String,
        /// Its version, or `None` for any.
        version: Option<i32>,
    },
}

/// What a watch is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// This node, or something below it, was created, changed or deleted. Hints may be merged, never lost silently.
    Changed(String),
    /// The watch ended with the connection or overflowed: watch again, `sync`, rescan.
    Lost,
}

/// A stream of hints. Dropping it ends the watch.
pub struct Watch {
    hints: tokio::sync::mpsc::Receiver<Hint>,
    lost: bool,
    _guard: Box<dyn std::any::Any + Send + Sync>,
}

impl Watch {
    /// A watch that forwards what is sent; the channel's end counts as [`Hint::Lost`].
    /// `guard` is dropped with the watch.
    pub fn new(hints: tokio::sync::mpsc::Receiver<Hint>, guard: Box<dyn std::any::Any + Send + Sync>) -> Self {
        Self { hints, lost: false, _guard: guard }
    }

    /// The next hint. After [`Hint::Lost`] it never resolves again.
    ///
    /// # Cancellation
    /// Safe: no hint is lost.
    pub async fn changed(&mut self) -> Hint {
        if self.lost {
            std::future::pending::<()>().await;
        }
        match self.hints.recv().await {
            Some(Hint::Changed(path)) => Hint::Changed(path),
            Some(Hint::Lost) | None => {
                self.lost = true;
                Hint::Lost
            }
        }
    }
}

/// What a watch covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The node: its creation, data and deletion. The node need not exist.
    Node,
    /// The node and everything below it.
    Recursive,
}

/// Data and metadata of a node.
pub type NodeData = (Vec<u8>, Stat);

/// One session with a coordinator.
#[async_trait]
pub trait Coordinator: Send + Sync + 'static {
    /// The session's id.
    fn session(&self) -> SessionId;

    /// The negotiated session timeout.
    fn session_timeout(&self) -> Duration;

    /// The session's state, and its changes.
    fn states(&self) -> watch::Receiver<SessionState>;

    /// Creates a node and gives its path (with the sequence, where it is sequential).
    async fn create(&self, path: &str, data: &[u8], mode: CreateMode) -> Result<(String, Stat)>;

    /// A node's data.
    async fn get(&self, path: &str) -> Result<NodeData>;

    /// A node's metadata, `None` if it isn't there.
    async fn stat(&self, path: &str) -> Result<Option<Stat>>;

    /// Sets a node's data, at the given version or at any.
    async fn set(&self, path: &str, data: &[u8], version: Option<i32>) -> Result<Stat>;

    /// Deletes a node without children.
    async fn delete(&self, path: &str, version: Option<i32>) -> Result<()>;

    /// Names (not paths) of a node's children, sorted.
    async fn children(&self, path: &str) -> Result<Vec<String>>;

    /// Several writes, all or none.
    async fn multi(&self, ops: Vec<Op>) -> Result<()>;

    /// Several nodes' data in as few round trips as fit, `None` where there is no such node, or where it may not be read:
    /// [`Coordinator::get`] tells which. Not one snapshot.
    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<NodeData>>>;

    /// Several nodes' children, as [`Coordinator::get_many`].
    async fn children_many(&self, paths: &[String]) -> Result<Vec<Option<Vec<String>>>>;

    /// Hints of changes from now on. Read after watching, never before.
    async fn watch(&self, path: &str, scope: Scope) -> Result<Watch>;

    /// Waits until this session sees every write that was acknowledged to anyone before the call.
    async fn sync(&self) -> Result<()>;

    /// Ends the session: its ephemeral nodes go at once. A session that is dropped without this is left to its lease,
    /// as a crash leaves it.
    async fn close(&self);
}

/// Makes sessions.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// `embedded` or `zookeeper`.
    fn kind(&self) -> &'static str;

    /// A new session. Fails when no server answers within the session timeout; the caller loops.
    async fn connect(&self) -> Result<Arc<dyn Coordinator>>;
}

/// A connector of one client, which somebody may cut off: for faults at will.
pub trait Leash: Connector {
    /// Cuts the client off: the session there is hears nothing and its lease runs out, and there is no new one.
    fn cut(&self);

    /// Lets the client through again. Its session goes on, or learns that its lease has run out.
    fn mend(&self);
}

/// Creates a persistent node and its missing ancestors; those that are there stay as they are.
///
/// # On connection loss
/// Idempotent: call again.
pub async fn ensure_path(coordinator: &dyn Coordinator, path: &str) -> Result<()> {
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
    for end in ends {
        match coordinator.create(&path[..end], b"", CreateMode::Persistent).await {
            Ok(_) | Err(Error::NodeExists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Creates the persistent nodes that every array has, [`paths::SKELETON`].
///
/// # On connection loss
/// Idempotent: call again.
pub async fn ensure_skeleton(coordinator: &dyn Coordinator) -> Result<()> {
    for path in paths::SKELETON {
        ensure_path(coordinator, path).await?;
    }
    Ok(())
}

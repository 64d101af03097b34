//! A ZooKeeper-shaped coordination service: a tree of small records (znodes) with sessions.
//!
//! [`Coordinator`] is one session. It has two implementations that pass the same conformance suite: [`zookeeper`], for arrays
//! of several processes, and [`embedded`], for the pods of a single process and for faults scheduled from a seed. The recipes
//! ([`election`], [`fence`], [`claim`], [`members`]) use only the trait.
//!
//! # What a caller must know
//! - **Unknown outcomes.** Only a reply of the server settles an operation. After any other error ([`Error::is_unknown`]) the
//!   operation may have run, or may still run after a reconnect; dropping its future doesn't cancel it. To resolve it, call
//!   [`Coordinator::sync`], then read back on the same session.
//! - **Watches are hints.** They carry no state, may be merged, and end at a disconnect, where [`Watch::changed`] returns
//!   [`Hint::Lost`] once: watch again, `sync`, rescan.
//! - **Sessions end.** [`SessionState::Expired`] is final. Open a new session with [`Connector::connect`].

pub mod claim;
pub mod doorbell;
pub mod election;
pub mod embedded;
mod error;
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

pub use self::error::{Error, Invalid, PathFlaw, Result};

/// Session id: the `ephemeralOwner` of the session's ephemeral nodes. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub i64);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// State of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Operations can be submitted.
    Connected,
    /// Nothing may be submitted; wait until the session reconnects or expires.
    Disconnected,
    /// Expired, permanently; its ephemeral nodes are gone or will be shortly.
    Expired,
    /// Closed by its owner, permanently.
    Closed,
}

impl SessionState {
    /// Whether this state is final.
    pub fn is_terminal(self) -> bool {
        matches!(self, SessionState::Expired | SessionState::Closed)
    }
}

/// A node's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Transaction that created the node; distinguishes it from an earlier or later node at the same path.
    pub czxid: i64,
    /// Transaction that last wrote the node's data.
    pub mzxid: i64,
    /// Number of writes to the node's data since its creation.
    pub version: i32,
    /// The session whose end removes it; `None` for persistent nodes.
    pub owner: Option<SessionId>,
    /// Number of children.
    pub children: u32,
}

/// How long a node lives and how it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CreateMode {
    /// Lives until it is deleted.
    Persistent,
    /// Lives until its session ends.
    Ephemeral,
    /// Lives until its session ends; a ten-digit sequence, increasing within the parent, is appended to its name.
    EphemeralSequential,
}

/// One write of a [`Coordinator::multi`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Checks that the node exists and, if a version is given, has this version.
    Check {
        /// The node.
        path: String,
        /// Expected version, or `None` for any.
        version: Option<i32>,
    },
    /// Creates a node.
    Create {
        /// The node.
        path: String,
        /// Its data.
        data: Vec<u8>,
        /// Create mode. Not sequential, because a multi's paths must be known beforehand.
        mode: CreateMode,
    },
    /// Sets a node's data.
    Set {
        /// The node.
        path: String,
        /// Its data.
        data: Vec<u8>,
        /// Expected version before the write, or `None` for any.
        version: Option<i32>,
    },
    /// Deletes a node that has no children.
    Delete {
        /// The node.
        path: String,
        /// Expected version, or `None` for any.
        version: Option<i32>,
    },
}

/// Event of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// This node, or a node below it, was created, changed or deleted. Hints may be merged, but are never lost silently.
    Changed(String),
    /// The watch ended at a disconnect or overflowed: watch again, `sync`, rescan.
    Lost,
}

/// A stream of hints. Dropping it ends the watch.
pub struct Watch {
    hints: tokio::sync::mpsc::Receiver<Hint>,
    lost: bool,
    _guard: Box<dyn std::any::Any + Send + Sync>,
}

impl Watch {
    /// Creates a watch that forwards what the channel receives; the channel's end counts as [`Hint::Lost`]. `guard` is dropped
    /// with the watch.
    pub fn new(hints: tokio::sync::mpsc::Receiver<Hint>, guard: Box<dyn std::any::Any + Send + Sync>) -> Self {
        Self { hints, lost: false, _guard: guard }
    }

    /// Waits for the next hint. After [`Hint::Lost`] it never resolves again.
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
    /// The node itself: its creation, data and deletion. The node need not exist yet.
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

    /// A receiver of the session's state and its changes.
    fn states(&self) -> watch::Receiver<SessionState>;

    /// Creates a node and returns its path (including the sequence, for a sequential node).
    async fn create(&self, path: &str, data: &[u8], mode: CreateMode) -> Result<(String, Stat)>;

    /// Returns a node's data and metadata.
    async fn get(&self, path: &str) -> Result<NodeData>;

    /// Returns a node's metadata, or `None` if the node doesn't exist.
    async fn stat(&self, path: &str) -> Result<Option<Stat>>;

    /// Sets a node's data if it has the given version; `None` matches any.
    async fn set(&self, path: &str, data: &[u8], version: Option<i32>) -> Result<Stat>;

    /// Deletes a node that has no children.
    async fn delete(&self, path: &str, version: Option<i32>) -> Result<()>;

    /// Returns the names (not paths) of a node's children, sorted.
    async fn children(&self, path: &str) -> Result<Vec<String>>;

    /// Runs several writes atomically.
    async fn multi(&self, ops: Vec<Op>) -> Result<()>;

    /// Reads several nodes in as few round trips as possible. An entry is `None` if the node doesn't exist or may not be read;
    /// [`Coordinator::get`] distinguishes the two. The result isn't one snapshot.
    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<NodeData>>>;

    /// Lists the children of several nodes; otherwise like [`Coordinator::get_many`].
    async fn children_many(&self, paths: &[String]) -> Result<Vec<Option<Vec<String>>>>;

    /// Watches for changes from now on. Read the state after this call, never before.
    async fn watch(&self, path: &str, scope: Scope) -> Result<Watch>;

    /// Waits until this session sees every write that was acknowledged to any session before the call.
    async fn sync(&self) -> Result<()>;

    /// Ends the session and removes its ephemeral nodes at once. A session that is dropped without `close` ends as after a
    /// crash: its ephemeral nodes stay until the session timeout.
    async fn close(&self);
}

/// Opens sessions.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// `embedded` or `zookeeper`.
    fn kind(&self) -> &'static str;

    /// Whether the nodes live in this process and end with it.
    fn ends_with_process(&self) -> bool {
        self.kind() == "embedded"
    }

    /// Opens a new session. Fails if no server answers within the session timeout; the caller retries.
    async fn connect(&self) -> Result<Arc<dyn Coordinator>>;
}

/// A connector for a single client whose connection can be cut on purpose, to inject faults.
pub trait FaultLink: Connector {
    /// Cuts the client off: its current session receives nothing and runs into its timeout, and no new session can be opened.
    fn cut(&self);

    /// Restores the connection. The session continues, or learns that it has expired.
    fn mend(&self);
}

/// Creates a persistent node and its missing ancestors; existing nodes stay as they are.
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

/// Creates the persistent nodes that every array needs, [`paths::SKELETON`].
///
/// # On connection loss
/// Idempotent: call again.
pub async fn ensure_skeleton(coordinator: &dyn Coordinator) -> Result<()> {
    for path in paths::SKELETON {
        ensure_path(coordinator, path).await?;
    }
    Ok(())
}

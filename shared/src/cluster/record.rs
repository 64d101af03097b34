//! Records of member and election znodes.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::id::PodName;
use crate::job::Phase;

/// Record of a member znode `/nodes/<pod>-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Record version of the writer.
    pub v: u32,
    /// Pod name.
    pub pod: PodName,
    /// UUID of this incarnation of the pod; new at every start.
    pub uuid: String,
    /// ZooKeeper session id in hexadecimal.
    pub session: String,
    /// Session timeout granted by the server, in ms.
    pub lease_ms: u64,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Threads for pixel work in the pod's process, shared by all pods of the process.
    pub cores: usize,
    /// Software version.
    pub version: String,
    /// Phases that this pod can work on.
    pub kinds: Vec<Phase>,
    /// Start time, in ms since 1970.
    pub started: i64,
    /// Whether the pod is shutting down: it finishes its claimed tasks and claims no new ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// Whether the pod's process allows fault injection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub faults: bool,
    /// Lamport stamp of this write.
    pub stamp: Stamp,
}

/// Record of an election znode, written by a candidate and updated once it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Record version of the writer.
    pub v: u32,
    /// Pod name.
    pub pod: PodName,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Process incarnation, as reported by `/healthz` at `address`; empty if unknown.
    #[serde(default)]
    pub process: String,
    /// Incarnation of the pod within its process; a new one after the pod alone was killed and restarted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub life: String,
    /// Host and listening socket of the process, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// Epoch; set once the candidate leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Start of its term, in ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Previous terms, latest first, at most [`Reign::MAX_PAST`]; set once the candidate leads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Reign>,
    /// Lamport stamp of this write.
    pub stamp: Stamp,
}

/// Where a process runs and listens. Lets any other process on the same host check whether it is alive, without earlier
/// contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Kernel and network namespace.
    pub host: String,
    /// Its listening socket, `address:port`.
    pub listens: String,
}

/// A term: the time during which one pod was master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reign {
    /// Pod name.
    pub pod: PodName,
    /// Epoch of the term.
    pub epoch: u64,
    /// Start, in ms since 1970, by the master's own clock.
    pub since: i64,
    /// When the successor noticed the end, in ms since 1970, by the successor's clock.
    pub until: i64,
    /// Why the term ended.
    pub end: Ending,
}

impl Reign {
    /// Number of past terms that are kept.
    pub const MAX_PAST: usize = 20;
}

/// Why a term ended, as far as the successor can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The pod was asked to stop and handed over.
    HandedOver,
    /// The pod is alive but stopped leading: its master role failed, or one of its writes was fenced off.
    SteppedDown,
    /// The pod died or stopped responding, so its session expired.
    SessionEnded,
    /// A witness found the master's process gone or cut off, and evicted it without waiting for the session to expire.
    Evicted,
}

//! Outages of the store: the current one and the last, shared by all clones of a store.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;
use tokio::time::Instant;

/// An outage of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Its start, in ms since 1970, for people.
    pub since: i64,
    /// Whether the store answers but is full.
    pub is_full: bool,
}

/// State shared by all clones of a store.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) outage: watch::Sender<Option<Outage>>,
    /// Serializes probes of callers.
    pub(super) asking: tokio::sync::Mutex<()>,
    pub(super) is_probing: AtomicBool,
    pub(super) last: Mutex<Option<Last>>,
}

/// The last outage that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) outage: Outage,
    pub(super) ended: Instant,
    /// Number of probes until it ended.
    pub(super) probes: u32,
}

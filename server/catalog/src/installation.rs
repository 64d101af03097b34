//! The installation: its identity, the coordinator through which it is led, and which objects of the store belong to it.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use shared::id::{ImageId, RunId, UploadId};

use super::{Epoch, Result, Write};

/// The coordinator through which the installation is led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordination {
    /// Id of the coordinator; empty if there has never been one.
    pub coordinator: String,
    /// Its address, for people.
    pub place: String,
    /// Heartbeat counter, incremented by every process that uses the coordinator as long as it runs.
    pub beat: i64,
}

/// Outcome of [`Installation::raise_generation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// Raised to this generation.
    To(u64),
    /// The catalog is at this generation, older than what the store has seen. Nothing was changed.
    Behind(u64),
    /// The epoch row holds another candidacy.
    NotMine,
}

/// The state of some images' objects in the store according to the rows: which are in use, and which owners have ended. An
/// object in neither set is unknown: a missing row proves nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// Uploads in progress.
    pub uploads: HashSet<(ImageId, UploadId)>,
    /// Current runs of running jobs.
    pub runs: HashSet<(ImageId, RunId)>,
    /// Claims of pyramids that are being made or are finished.
    pub pyramids: HashSet<(ImageId, String)>,
    /// Keys of originals and results, and of outputs kept for a further run.
    pub keys: HashSet<String>,
    /// Ids of images, uploads, runs and pyramid claims that have ended for good, according to a row or a tombstone.
    pub ended: HashSet<String>,
}

/// One sweep, as counted by the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    /// Unique id of the sweep.
    pub id: String,
    /// Time since this master's previous sweep began, by its monotonic clock; zero for its first.
    pub since_last: Duration,
    /// Grace period of an orphan in quarantine.
    pub grace: Duration,
}

/// Decision about an orphan. The first decision counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// An operator adopts it: rows will be created for it.
    Adopted,
    /// It will be deleted.
    Discarded,
}

/// An object in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// File name in the store.
    pub name: String,
    /// Time spent in quarantine.
    pub waited: Duration,
    /// The decision, if any.
    pub fate: Option<Fate>,
}

/// What concerns the installation as a whole.
#[async_trait]
pub trait Installation: Send + Sync + 'static {
    /// Whether the catalog can be read and written.
    async fn ping(&self) -> Result<()>;

    /// Returns the catalog's id: constant for all processes, and unique to this catalog.
    async fn identity(&self) -> Result<String>;

    /// Returns the coordinator through which this installation is led.
    async fn coordination(&self) -> Result<Coordination>;

    /// Makes `new` the coordinator, unless the row (including its heartbeat counter) has changed since `old` was read.
    async fn take_coordination(&self, old: &Coordination, new: &str, place: &str) -> Result<Write>;

    /// Sends a heartbeat of a process that uses this coordinator. [`Write::NoChange`]: the installation is led through another
    /// coordinator.
    async fn beat(&self, coordinator: &str) -> Result<Write>;

    /// Returns the generation.
    async fn generation(&self) -> Result<u64>;

    /// Raises the generation by one, unless the catalog is older than what the store has `seen`: a restored backup, or a
    /// lagging replica that was promoted.
    async fn raise_generation(&self, epoch: &Epoch, seen: u64) -> Result<Raised>;

    /// Records an operator's decision about the orphans: the catalog's generation becomes at least what the store has `seen`,
    /// and [`Installation::alert`] is cleared. Returns the generation.
    async fn accept_generation(&self, seen: u64) -> Result<u64>;

    /// Returns the state of these images' objects by the primary's rows, at one moment after the call. A standby or read-only
    /// server doesn't count: [`Error::Unavailable`](super::Error::Unavailable).
    ///
    /// What has ended never begins again: ids of images, uploads, runs and claims are never reused, and an image's original and
    /// a job's result are never replaced.
    async fn in_use(&self, images: &[ImageId]) -> Result<InUse>;

    /// Adds this sweep's time to the quarantine of objects without a row. `names` are their names in the store. Returns those
    /// that may be deleted: their grace period is over, or an operator discarded them. `None`: another candidacy holds the
    /// epoch.
    async fn quarantine(&self, epoch: &Epoch, sweep: &Sweep, names: &[String]) -> Result<Option<Vec<String>>>;

    /// Ends a complete sweep: removes from quarantine the orphans that it didn't see, and removes old tombstones.
    async fn end_sweep(&self, epoch: &Epoch, sweep: &Sweep) -> Result<Write>;

    /// Returns the objects in quarantine, as of the last sweep.
    async fn orphans(&self) -> Result<Vec<Orphan>>;

    /// Decides the fate of orphans, whether or not they are in quarantine yet. Returns those for which this is the decision in
    /// force.
    async fn decide(&self, names: &[String], fate: Fate) -> Result<Vec<String>>;

    /// Takes back the decision to adopt orphans, after adopting them failed. Their quarantine continues.
    async fn release_orphans(&self, names: &[String]) -> Result<()>;

    /// Returns what an operator has to decide, as a sentence.
    async fn alert(&self) -> Result<Option<String>>;

    /// Sets or clears [`Installation::alert`].
    async fn set_alert(&self, epoch: &Epoch, alert: Option<&str>) -> Result<Write>;
}
